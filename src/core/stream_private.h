/* The inside of a stream; for stream.c and stream_file.c. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "base/fiber.h"
#include "core/stream.h"

struct Stream {
    int fd;
    StreamDirection direction;
    bool is_file;
    bool keeps_memory; /* see base/memory.h */
    StreamFile file;   /* .path is not used: see path */
    char *path;
    uint64_t left_bytes; /* of a file; UINT64_MAX: to the end */
    uint64_t offset;
    uint64_t data_end;     /* of a sparse one that is read: up to there is data */
    uint64_t reserved_end; /* of a new file: up to there it has room; UINT64_MAX: it does not ask for any */
    void (*on_kill)(void *arg, const Error *err);
    void *on_kill_arg;
    bool killed;
    Error *kill_error;
    sd_event_source *source;
    uint32_t wanted;
    WaitQueue readers, writers;
    unsigned users; /* fibers inside of one of its functions */
    bool is_finishing;
    bool closed; /* to be freed when the last of them has left */
};

/* Around everything that waits: the stream is not freed meanwhile. */
void stream_enter(Stream *stream);
void stream_leave(Stream *stream);
bool stream_fail_killed(const Stream *stream, Error **err);
/* A new file gives back the room that it has beyond what was written. */
AWAITS MUST_CHECK bool stream_trim(Stream *stream, Error **err);
