/* Who asks: handed by the front ends to every operation that changes something, for the log, for permission
 * checks and for machines that live only as long as the client that made them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

typedef struct Caller {
    uint64_t client_id; /* unique per connection while the daemon runs; 0 for the daemon itself */
    uid_t uid;          /* (uid_t)-1 and 0 for those on other hosts */
    pid_t pid;
    bool read_only;
    char *address;     /* "192.0.2.7;4711" of one on another host; NULL */
    char *tls_name;    /* the distinguished name of its certificate; NULL: none */
    char *sasl_user;   /* NULL: SASL was not asked */
    char *description; /* "virsh (pid 12, root)"; for logs and job lists */
} Caller;

/* "virsh (pid 12, root)", or "the daemon" for NULL; borrowed. */
static inline const char *caller_describe(const Caller *caller)
{
    return caller && caller->description ? caller->description : "the daemon";
}
