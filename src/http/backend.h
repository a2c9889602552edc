/* What the daemon gives the web's front end: this host, and a way to call what clients of the wire protocol
 * call. The two front ends do not know each other; the daemon, which knows both, makes one of these. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/host.h"
#include "core/stream.h"
#include "wire/wire_gen.h"

typedef struct HttpExtra {
    Stream *stream; /* owned; of calls that open one; else NULL */
    int fd;         /* owned; that came with the answer; -1 */
} HttpExtra;

typedef struct HttpBackend {
    Host *host; /* borrowed, outlives the front end */
    /* Somebody who calls: has the rights and the name of @caller (copied). Ended by end_client(), for which
     * no call of it may be under way. */
    void *(*begin_client)(void *arg, const Caller *caller);
    void (*end_client)(void *client);
    /* In the caller's fiber: the procedure @number of @program with typed arguments; *ret is filled on
     * success and cleared by the caller. @extra: NULL: not wanted. Rights are checked as for every client. */
    AWAITS bool (*call)(void *client, uint32_t program, int32_t number, const void *args, void *ret,
                        HttpExtra *extra, Error **err);
    void *arg;
} HttpBackend;
