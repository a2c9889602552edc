/* Peer-to-peer migration: this daemon drives, as a client of the destination's.
 *
 * It goes on when its own client leaves. Through a tunnel memory goes over the connection of the daemons
 * themselves, so nothing but that has to be open between the hosts. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "migrate"
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/socket.h"
#include "machine/vm_migrate_private.h"
#include "wire/client.h"

#define CALL_MS 60000
#define TUNNEL_PIECE ((size_t)65536)

/* ---- words for the wire ---- */

static GArray *params_for_wire(const MigrateParams *params)
{
    g_autoptr(Params) list = migrate_params_to_params(params);
    GArray *wire = g_array_new(FALSE, TRUE, sizeof(WireTypedParam));

    for (size_t i = 0; i < params_count(list); i++) {
        const Param *param = params_at(list, i);
        WireTypedParam one = { .field = g_strdup(param->name), .value = { .type = (int32_t)param->type } };
        if (param->type == PARAM_STRING)
            one.value.s = g_strdup(param->value.s);
        else if (param->type == PARAM_ULLONG)
            one.value.ul = param->value.ul;
        else
            one.value.i = param->value.i;
        g_array_append_val(wire, one);
    }
    return wire;
}

static void params_free_wire(GArray *wire)
{
    for (guint i = 0; i < wire->len; i++) {
        WireTypedParam *one = &g_array_index(wire, WireTypedParam, i);
        g_free(one->field);
        if (one->value.type == (int32_t)PARAM_STRING)
            g_free(one->value.s);
    }
    g_array_unref(wire);
}

static WireBytes bytes_of(const char *text)
{
    return text ? (WireBytes){ .data = (uint8_t *)text, .len = (uint32_t)strlen(text) + 1 }
                : (WireBytes){ 0 };
}

static bool check_feature(WireClient *peer, int feature, const char *what, Error **err)
{
    WireConnectSupportsFeatureArgs args = { .feature = feature };
    WireConnectSupportsFeatureRet ret = { 0 };

    if (!wire_call_remote(peer, PROC_CONNECT_SUPPORTS_FEATURE, &args, &ret, CALL_MS, err))
        return false;
    return ret.supported ||
           error_set(err, ERROR_OPERATION_FAILED, "Destination libvirt does not support %s", what);
}

/* ---- the tunnel ---- */

typedef struct Tunnel {
    WireStream *stream;
    int fd; /* our end */
    Fiber *fiber;
    bool is_done, succeeded;
    Error *error;
    WaitQueue changed;
} Tunnel;

AWAITS static bool tunnel_carry(Tunnel *tunnel, Error **err)
{
    g_autofree char *piece = g_malloc(TUNNEL_PIECE);

    while (true) {
        const ssize_t got = read(tunnel->fd, piece, TUNNEL_PIECE);
        if (got == 0)
            return wire_stream_finish(tunnel->stream, CALL_MS, err);
        if (got > 0) {
            if (!wire_stream_send(tunnel->stream, piece, (size_t)got, CALL_MS, err))
                return false;
        } else if (errno != EAGAIN && errno != EINTR) {
            return error_set_errno(err, errno, "cannot read what QEMU sends");
        } else if (!fiber_wait_fd(tunnel->fd, EPOLLIN, FIBER_NO_DEADLINE, NULL,
                                  err)) { /* QEMU's end closes it */
            return false;
        }
    }
}

static void tunnel_fiber(void *arg)
{
    Tunnel *tunnel = arg;

    tunnel->succeeded = tunnel_carry(tunnel, &tunnel->error);
    tunnel->is_done = true;
    if (!tunnel->succeeded)
        fd_cleanup(&tunnel->fd); /* QEMU hears of it */
    wait_queue_wake_all(&tunnel->changed);
}

AWAITS static bool tunnel_join(Tunnel *tunnel, bool is_failing, Error **err)
{
    if (!tunnel->fiber)
        return true;
    fiber_shield_begin();
    if (is_failing && !tunnel->is_done)
        fiber_cancel(tunnel->fiber);
    while (!tunnel->is_done)
        if (!wait_queue_wait(&tunnel->changed, CALL_MS, NULL))
            fiber_cancel(tunnel->fiber);
    fiber_shield_end();
    fiber_unref(g_steal_pointer(&tunnel->fiber));
    if (tunnel->succeeded || is_failing)
        return true;
    return error_propagate(err, g_steal_pointer(&tunnel->error));
}

static void tunnel_clear(Tunnel *tunnel)
{
    wire_stream_free(tunnel->stream);
    fd_cleanup(&tunnel->fd);
    error_free(tunnel->error);
    wait_queue_clear(&tunnel->changed);
}

/* *ret_fd: QEMU's end. */
static bool tunnel_start(Tunnel *tunnel, int *ret_fd, Error **err)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_set_errno(err, errno, "cannot make a tunnel");
    tunnel->fd = ends[0];
    *ret_fd = ends[1];
    (void)fd_set_nonblocking(tunnel->fd);
    Fiber *fiber = fiber_spawn("tunnel", tunnel_fiber, tunnel);
    if (!fiber)
        return error_set(err, ERROR_BUSY, "there is too much under way for a tunnel");
    tunnel->fiber = fiber_ref(fiber);
    return true;
}

/* ---- the phases over there ---- */

AWAITS static bool prepare_there(WireClient *peer, Outgoing *out, const char *xml, const char *cookie_in,
                                 MigrateCookie *ret_cookie, WireStream **ret_stream, Error **err)
{
    MigrateParams *params = &out->params;
    MigrateParams wanted = *params;

    wanted.xml = (char *)xml;
    wanted.persist_xml = NULL;
    GArray *list = params_for_wire(&wanted);
    g_auto(WireDomainMigratePrepare3ParamsRet) ret = { 0 };
    WireDomainMigratePrepareTunnel3ParamsRet tunnel_ret = { 0 };
    const WireDomainMigratePrepare3ParamsArgs args = { .params = (WireTypedParam *)(void *)list->data,
                                                       .n_params = list->len,
                                                       .cookie_in = bytes_of(cookie_in),
                                                       .flags = params->flags };
    const WireDomainMigratePrepareTunnel3ParamsArgs tunnel_args = {
        .params = args.params, .n_params = args.n_params, .cookie_in = args.cookie_in, .flags = args.flags
    };
    const bool is_tunnel = params->flags & VIR_MIGRATE_TUNNELLED;
    /* No deadline: images may be made there; the keepalive notices a dead peer. */
    const bool ok =
        is_tunnel
            ? wire_call_stream(peer, WIRE_PROGRAM_REMOTE, PROC_DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS,
                               &tunnel_args, &tunnel_ret, WIRE_NO_TIMEOUT, ret_stream, err)
            : wire_call_remote(peer, PROC_DOMAIN_MIGRATE_PREPARE3_PARAMS, &args, &ret, WIRE_NO_TIMEOUT, err);
    params_free_wire(list);
    if (!ok)
        return false;
    if (is_tunnel)
        ret.cookie_out = tunnel_ret.cookie_out;
    if (ret.uri_out) {
        g_free(params->uri);
        params->uri = g_steal_pointer(&ret.uri_out);
    }
    const MigrateBytes bytes = { .data = ret.cookie_out.data, .len = ret.cookie_out.len };
    return migrate_cookie_parse(&bytes, &out->vm->uuid, ret_cookie, err);
}

AWAITS static bool finish_there(WireClient *peer, Outgoing *out, const char *xml, const char *cookie_in,
                                bool cancelled, MigrateCookie *ret_cookie, Error **err)
{
    MigrateParams wanted = { .name = out->params.name ? out->params.name : out->vm->name,
                             .uri = out->params.uri,
                             .xml = (char *)xml };
    GArray *list = params_for_wire(&wanted);
    g_auto(WireDomainMigrateFinish3ParamsRet) ret = { 0 };
    const WireDomainMigrateFinish3ParamsArgs args = { .params = (WireTypedParam *)(void *)list->data,
                                                      .n_params = list->len,
                                                      .cookie_in = bytes_of(cookie_in),
                                                      .flags = out->params.flags,
                                                      .cancelled = cancelled };
    const bool ok =
        wire_call_remote(peer, PROC_DOMAIN_MIGRATE_FINISH3_PARAMS, &args, &ret, WIRE_NO_TIMEOUT, err);

    params_free_wire(list);
    if (!ok)
        return false;
    const MigrateBytes bytes = { .data = ret.cookie_out.data, .len = ret.cookie_out.len };
    return migrate_cookie_parse(&bytes, &out->vm->uuid, ret_cookie, err);
}

/* ---- who has it ---- */

typedef enum Whereabouts { UNKNOWN, NOT_THERE, THERE } Whereabouts;

/* The peer's own word, on a new connection: after a call to finish that was not answered. */
AWAITS static Whereabouts ask_peer(const char *uri, const Vm *vm)
{
    WireDomainLookupByUuidArgs args = { .uuid = vm->uuid };
    g_auto(WireDomainLookupByUuidRet) ret = { 0 };
    g_autoptr(Error) why = NULL;
    WireClient *peer = NULL;
    Whereabouts found = UNKNOWN;

    if (!wire_client_open(uri, NULL, &peer, &why))
        return UNKNOWN;
    if (!wire_call_remote(peer, PROC_DOMAIN_LOOKUP_BY_UUID, &args, &ret, CALL_MS, &why)) {
        found = error_code(why) == ERROR_NO_DOMAIN ? NOT_THERE : UNKNOWN;
    } else {
        WireDomainGetStateArgs ask = { .dom = ret.dom };
        WireDomainGetStateRet state = { 0 };
        if (wire_call_remote(peer, PROC_DOMAIN_GET_STATE, &ask, &state, CALL_MS, NULL))
            found = state.state == VM_STATE_SHUTOFF ? NOT_THERE : THERE;
    }
    wire_client_close(peer);
    return found;
}

/* ---- all of it ---- */

AWAITS static bool send_and_finish(Outgoing *out, WireClient *peer, const char *xml,
                                   const MigrateCookie *there, Tunnel *tunnel, Error **err)
{
    g_autofree char *sent = NULL;
    g_auto(MigrateCookie) end = { 0 };
    g_autoptr(Error) why = NULL;
    AUTO_FD qemu_fd = -1;

    const bool is_sent = (!tunnel->stream || tunnel_start(tunnel, &qemu_fd, &why)) &&
                         migrate_source_perform(out, there, qemu_fd, &sent, &why);
    fd_cleanup(&qemu_fd);
    if (!tunnel_join(tunnel, !is_sent, &why) || !is_sent) {
        fiber_shield_begin();
        if (!finish_there(peer, out, xml, NULL, true, &end, NULL))
            log_debug("the destination has taken back what it had prepared");
        if (is_sent)
            (void)!migrate_source_confirm(out, &end, true, NULL);
        fiber_shield_end();
        return error_propagate(err, g_steal_pointer(&why));
    }
    fiber_shield_begin(); /* from here on it is not ours to end */
    const bool runs_there = finish_there(peer, out, xml, sent, false, &end, &why);
    const Whereabouts seen = runs_there                    ? THERE
                             : !wire_client_is_alive(peer) ? ask_peer(out->params.peer, out->vm)
                                                           : NOT_THERE;
    bool ok = true;
    if (seen == UNKNOWN) {
        log_error("it is not known whether machine '%s' runs at '%s': it stays paused here", out->vm->name,
                  out->params.peer);
        error_propagate(err, g_steal_pointer(&why));
        ok = error_hint(err, "'lodge resume' it if it does not run there, else 'lodge destroy' it");
    } else {
        ok = migrate_source_confirm(out, &end, seen == NOT_THERE, err);
        if (seen == NOT_THERE)
            ok = error_propagate(err, g_steal_pointer(&why));
    }
    fiber_shield_end();
    return ok;
}

bool migrate_to_peer(Outgoing *out, Error **err)
{
    g_autofree char *xml = NULL, *cookie = NULL;
    g_auto(MigrateCookie) there = { 0 };
    Tunnel tunnel = { .fd = -1 };
    WireClient *peer = NULL;
    const unsigned flags = out->params.flags;

    if (!out->params.peer)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "a peer-to-peer migration needs the URI of the destination");
    wait_queue_init(&tunnel.changed);
    if (!(flags & VIR_MIGRATE_OFFLINE) && out->vm->state == VM_STATE_PAUSED)
        out->params.flags |= VIR_MIGRATE_PAUSED;
    job_set_phase(&out->job, "connecting to the destination");
    if (!wire_client_open(out->params.peer, NULL, &peer, err))
        return error_prefix(err, "Failed to connect to remote libvirt URI %s", out->params.peer);
    bool ok =
        check_feature(peer, VIR_DRV_FEATURE_MIGRATION_P2P, "peer-to-peer migration protocol", err) &&
        check_feature(peer, VIR_DRV_FEATURE_MIGRATION_PARAMS, "migration with extensible parameters", err) &&
        (!(flags & VIR_MIGRATE_OFFLINE) ||
         check_feature(peer, VIR_DRV_FEATURE_MIGRATION_OFFLINE, "offline migration", err)) &&
        migrate_source_begin(out, &xml, &cookie, err);
    job_set_phase(&out->job, "preparing the destination");
    ok = ok && prepare_there(peer, out, xml, cookie, &there, &tunnel.stream, err) &&
         send_and_finish(out, peer, xml, &there, &tunnel, err);
    tunnel_clear(&tunnel);
    fiber_shield_begin();
    wire_client_close(peer);
    fiber_shield_end();
    return ok;
}

/* ---- after a restart ---- */

typedef struct Question {
    Vm *vm; /* counted */
    uint64_t serial;
    char *peer;
} Question;

static void question_fiber(void *arg)
{
    Question *question = arg;
    Vm *vm = question->vm;
    g_auto(Job) job = { 0 };
    const Whereabouts seen = ask_peer(question->peer, vm);

    if (seen != UNKNOWN && job_begin(&vm->object, JOB_MODIFY, NULL, &job, NULL) && vm->run &&
        vm->run->serial == question->serial && vm->run->migration) {
        log_warning("machine '%s' %s at '%s'", vm->name, seen == THERE ? "runs" : "is not", question->peer);
        if (seen == THERE)
            vm_process_stop(vm, VIR_DOMAIN_SHUTOFF_MIGRATED, VIR_DOMAIN_EVENT_STOPPED_MIGRATED);
        else if (vm_monitor(vm) && !vm_process_resume_cpus(vm, VIR_DOMAIN_RUNNING_MIGRATION_CANCELED, NULL))
            log_error("machine '%s' stays paused", vm->name);
    }
    g_free(question->peer);
    g_free(question);
    job_end(&job);
    vm_unref(vm);
}

void migrate_ask_later(Vm *vm, const char *peer)
{
    Question *question = g_new0(Question, 1);

    *question = (Question){ .vm = vm_ref(vm), .serial = vm->run->serial, .peer = g_strdup(peer) };
    host_spawn(vm->host, "whereabouts", question_fiber, question);
}
