/* One control connection (QMP) to one running QEMU. Source: QEMU's docs/interop/qmp-spec and the QMP
 * reference.
 *
 * Owns its socket. Replies may arrive in any order; each caller gets its own, matched by id. When the
 * connection drops, every waiter wakes with ERROR_VM_GONE. Input is hostile: a compromised QEMU may send
 * anything; lines are bounded (64 MiB), depth is bounded, garbage closes the connection. Loop thread only.
 * After any AWAITS call check the machine's state again. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

#define QMP_DEFAULT_TIMEOUT_MS 30000

typedef struct Qmp Qmp;

typedef struct QmpHandlers {
    /* An event, from the loop, in QEMU's order; must not wait. The first may come before the fiber that
     * called qmp_open() has its Qmp. @data borrowed, may be NULL. NULL: events are dropped. */
    void (*on_event)(const char *name, const Json *data, int64_t seconds, int64_t microseconds, void *arg);
    /* The connection ended (once, from the loop; only after qmp_open() succeeded, not after qmp_close()).
     * @why borrowed: ERROR_VM_GONE when QEMU hung up, ERROR_PROTOCOL when it talked nonsense. NULL: nobody
     * cares. */
    void (*on_close)(const Error *why, void *arg);
    void *arg;
} QmpHandlers;

/* Negotiates capabilities (qmp_capabilities), which is sent before the greeting has come. @fd: connected
 * stream socket, owned from now on in any case. ERROR_VM_GONE if QEMU hangs up, ERROR_TIMEOUT. */
AWAITS MUST_CHECK bool qmp_open(int fd, const char *name, const QmpHandlers *handlers, uint64_t timeout_ms,
                                Qmp **ret_qmp, Error **err);

/* Sends @command and waits for the answer. Success means that the connection is still open, so whatever lives
 * as long as it does is still there. @qmp NULL: ERROR_VM_GONE.
 *
 * @args        borrowed; NULL for none
 * @timeout_ms  0 selects QMP_DEFAULT_TIMEOUT_MS
 * @ret_reply   the "return" member, owned by the caller, untouched on failure; NULL to drop it
 *
 * ERROR_TIMEOUT    no answer in time: the command may still take effect later
 * ERROR_VM_GONE    QEMU closed the connection
 * ERROR_REFUSED    QEMU said no; the message carries its words, error_class() its class
 * ERROR_BUSY       QEMU does not read: 16 MiB of commands wait already
 * ERROR_CANCELLED  the client left; a command that was not yet sent is taken back */
AWAITS MUST_CHECK bool qmp_exec(Qmp *qmp, const char *command, const Json *args, uint64_t timeout_ms,
                                Json **ret_reply, Error **err);
/* The same for one without arguments, in as few bytes as can be: QEMU reads its monitor byte by byte, and may
 * be one of many that are asked. */
AWAITS MUST_CHECK bool qmp_ask(Qmp *qmp, const char *command, uint64_t timeout_ms, Json **ret_reply,
                               Error **err);
/* One of several commands for qmp_exec_all(). */
typedef struct QmpCommand {
    const char *name;
    Json *args;          /* NULL for none */
    bool may_be_refused; /* by QEMU: that is no failure of all */
    Json *reply;         /* out: the "return" member; NULL: failed */
} QmpCommand;
void qmp_commands_clear(QmpCommand *commands, size_t count); /* frees @args and @reply of each */
/* As qmp_open(), with the first commands sent at once, too: as qmp_exec_all(), within @timeout_ms. */
AWAITS MUST_CHECK bool qmp_open_with(int fd, const char *name, const QmpHandlers *handlers,
                                     QmpCommand *commands, size_t count, uint64_t timeout_ms, Qmp **ret_qmp,
                                     Error **err);
/* Sends all @commands, then waits for all answers: several questions for the price of one. They take effect
 * in their order, and each even if one before it is refused. Fails with the first failure, as qmp_exec(). */
AWAITS MUST_CHECK bool qmp_exec_all(Qmp *qmp, QmpCommand *commands, size_t count, uint64_t timeout_ms,
                                    Error **err);
/* The same with a file descriptor passed along (getfd, add-fd); @fd borrowed. */
AWAITS MUST_CHECK bool qmp_exec_fd(Qmp *qmp, const char *command, const Json *args, int fd,
                                   uint64_t timeout_ms, Json **ret_reply, Error **err);
/* One whole command object as text (virsh qemu-monitor-command); the whole reply object comes back as text,
 * also when QEMU refused. @fd goes along; borrowed, -1: none. ERROR_INVALID_ARGUMENT: not a JSON object. */
AWAITS MUST_CHECK bool qmp_exec_raw(Qmp *qmp, const char *text, int fd, uint64_t timeout_ms, char **ret_text,
                                    Error **err);
/* human-monitor-command. */
AWAITS MUST_CHECK bool qmp_exec_hmp(Qmp *qmp, const char *line, uint64_t timeout_ms, char **ret_text,
                                    Error **err);

bool qmp_is_open(const Qmp *qmp);
/* How long the oldest unanswered command waits; 0 if none. For virsh domcontrol. */
uint64_t qmp_pending_ms(const Qmp *qmp);
void qmp_close(Qmp *qmp); /* wakes waiters with ERROR_VM_GONE; the struct lives until they have left */
