/* A scripted QMP peer: a thread at the other end of a socketpair that greets, answers, refuses, delays, talks
 * nonsense or hangs up as its script says. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

typedef enum FakeVerb {
    FAKE_END = 0,     /* waits until the other side hangs up */
    FAKE_GREET,       /* greeting and qmp_capabilities */
    FAKE_EXPECT,      /* reads a command, which must be @text ("query-status"); its id becomes $ID */
    FAKE_EXPECT_ARGS, /* the arguments of the last command, as compact JSON, must be @text */
    FAKE_EXPECT_FD,   /* the last command must have brought a descriptor */
    FAKE_SAVE_ID,     /* $ID becomes $OLD as well */
    FAKE_RETURN,      /* {"return": @text, "id": $ID} */
    FAKE_REFUSE,      /* {"error": {"class": "GenericError", "desc": @text}, "id": $ID} */
    FAKE_SEND,        /* @text as it is, with $ID and $OLD replaced */
    FAKE_FLOOD,       /* @number bytes of 'x' */
    FAKE_HOLD,        /* reads nothing until the other side hangs up */
    FAKE_SLEEP,       /* @number milliseconds */
    FAKE_AGENT_SYNC,  /* reads guest-sync-delimited, sends @text (NULL: nothing) and then the answer to it */
    FAKE_READ_LINE,   /* reads a line and compares it with @text (agent) */
    FAKE_CLOSE,       /* hangs up and ends */
} FakeVerb;

typedef struct FakeStep {
    FakeVerb verb;
    const char *text;
    size_t number;
} FakeStep;

typedef struct FakeQemu FakeQemu;

/* @steps must outlive it. @ret_fd: the client's end, owned by the caller. */
FakeQemu *fake_qemu_start(const FakeStep *steps, int *ret_fd);

/* Waits for the end of the script and fails the test if it did not go as written. The client's end must be
 * closed by now. */
void fake_qemu_finish(FakeQemu *fake);

/* Runs @func in a fiber of a fresh loop, to its end. */
void test_run_fiber(void (*func)(void *arg), void *arg);
