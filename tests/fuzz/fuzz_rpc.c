/* Fuzz target: the input is everything that a client sends, to the real server with its real tables and a
 * host without machines.
 *
 * The first byte chooses: bit 0 a read-only connection, bit 1 a proper opening in front, the rest the size of
 * the pieces. Nothing can be executed: a filter refuses the system call, so that no input starts a program.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/log.h"
#include "base/loop.h"
#include "core/config.h"
#include "core/host.h"
#include "core/paths.h"
#include "machine/machine.h"
#include "rpc/handlers.h"
#include "rpc/server.h"
#include "wire/frame.h"

#define FUZZ_MAX_BYTES 65536u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Host *fuzz_host;
static RpcServer *fuzz_server;

static void fuzz_forbid_exec(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1 /* EPERM */),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = G_N_ELEMENTS(code), .filter = code };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        abort();
}

typedef struct FuzzStart {
    bool done;
} FuzzStart;

static void fuzz_load(void *arg)
{
    g_autoptr(Error) err = NULL;

    if (!paths_make_dirs(host_paths(fuzz_host), &err) || !machine_load(fuzz_host, &err)) {
        g_printerr("fuzz_rpc: %s\n", error_message(err));
        exit(1);
    }
    ((FuzzStart *)arg)->done = true;
}

static bool fuzz_is_loaded(void *arg)
{
    return ((FuzzStart *)arg)->done;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static char root[] = "/tmp/fuzz_rpc.XXXXXX";
    g_autoptr(Error) err = NULL;
    Config *config;

    log_set_level(LOG_LEVEL_COUNT);
    if (!mkdtemp(root) || !loop_init(NULL))
        abort();
    Paths *paths = paths_new_system(root);
    if (!config_load(paths, NULL, &config, &err)) {
        g_printerr("fuzz_rpc: %s\n", error_message(err));
        exit(1);
    }
    fuzz_forbid_exec();
    fuzz_host = host_new(paths, config);
    machine_open(fuzz_host);
    FuzzStart start = { false };
    fiber_spawn_or_abort("load", fuzz_load, &start);
    if (!loop_run_until(fuzz_is_loaded, &start, 30000))
        abort();
    RpcServerSpec spec = { .host = fuzz_host,
                           .events = host_events(fuzz_host),
                           .tables = rpc_tables,
                           .keepalive_interval_s = 5,
                           .keepalive_count = 5,
                           .client_gone = machine_client_gone };
    fuzz_server = rpc_server_new(&spec);
    return 0;
}

static bool fuzz_is_quiet(void *arg)
{
    return rpc_server_count_clients(fuzz_server) == 0 && fiber_count() == 0;
}

static bool fuzz_one_turn(void *arg)
{
    unsigned *turns = arg;

    return (*turns)-- == 0;
}

/* Lets the server work on what it has, and throws away what it says. */
static void fuzz_let_work(int fd)
{
    char reply[4096];
    unsigned turns = 3;

    (void)loop_run_until(fuzz_one_turn, &turns, 1);
    while (read(fd, reply, sizeof reply) > 0)
        ;
}

static void fuzz_send_opening(int fd)
{
    g_auto(WireBuffer) out = { 0 };
    WireHeader header = { .program = WIRE_PROGRAM_REMOTE, .version = 1, .serial = 0xffff0000 };
    WireConnectSupportsFeatureArgs feature = { .feature = 10 };
    WireConnectOpenArgs args = { .name = (char *)"qemu:///system" };

    header.proc = PROC_CONNECT_SUPPORTS_FEATURE;
    bool ok = wire_frame_append(&out, &header, WIRE_TYPE_CONNECT_SUPPORTS_FEATURE_ARGS, &feature, NULL);
    header.proc = PROC_CONNECT_OPEN;
    ok = ok && wire_frame_append(&out, &header, WIRE_TYPE_CONNECT_OPEN_ARGS, &args, NULL);
    if (!ok || write(fd, out.data, out.len) != (ssize_t)out.len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];

    if (size < 1 || size > FUZZ_MAX_BYTES || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        return 0;
    if (!rpc_server_add_client(fuzz_server, pair[1], &(RpcDoor){ .read_only = data[0] & 1 }, NULL))
        abort();
    if (data[0] & 2)
        fuzz_send_opening(pair[0]);
    size_t piece = data[0] >> 2 ? (size_t)(data[0] >> 2) * 64 : FUZZ_MAX_BYTES;
    for (size_t at = 1; at < size; at += piece) {
        (void)!write(pair[0], data + at, MIN(piece, size - at));
        fuzz_let_work(pair[0]);
    }
    close(pair[0]);
    /* Everything that was begun must come to an end by itself. */
    if (!loop_run_until(fuzz_is_quiet, NULL, 20000)) {
        g_printerr("%u clients and %u fibers are left\n", rpc_server_count_clients(fuzz_server),
                   fiber_count());
        abort();
    }
    return 0;
}
