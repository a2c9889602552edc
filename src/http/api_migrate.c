/* Machines that move to another host: the daemon of this one drives. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/machine_json.h"
#include "http/program.h"
#include "http/route.h"
#include "wire/wire_enums.h"

static const HttpField migrate_body[] = {
    { "destination", HTTP_STRING, .required = true, .doc = "URI of the other daemon" },
    { "migrate_uri", HTTP_STRING, .nullable = true,
      .doc = "where memory goes, if not where the destination says" },
    { "live", HTTP_BOOL, .doc = "the guest runs meanwhile; true unless said" },
    { "copy_storage", HTTP_BOOL, .doc = "its disks go along" },
    { "persistent", HTTP_BOOL, .doc = "define it there, too; unless said, if it is defined here" },
    { "undefine_source", HTTP_BOOL, .doc = "remove its definition here; true unless said" },
    { "postcopy", HTTP_BOOL },
    { "auto_converge", HTTP_BOOL, .doc = "slow the guest down until it can be moved" },
    { "unsafe", HTTP_BOOL, .doc = "although its disks may be damaged" },
    { "bandwidth_mib", HTTP_UINT, .nullable = true, .doc = "MiB each second at most" },
    { 0 },
};

static uint32_t migrate_flags(const HttpRequest *req, const Vm *vm)
{
    static const struct {
        const char *member;
        uint32_t flag;
        bool if_persistent; /* unless said, of machines that have a definition */
    } members[] = {
        { "copy_storage", VIR_MIGRATE_NON_SHARED_DISK },
        { "persistent", VIR_MIGRATE_PERSIST_DEST, true },
        { "postcopy", VIR_MIGRATE_POSTCOPY },
        { "undefine_source", VIR_MIGRATE_UNDEFINE_SOURCE, true },
        { "auto_converge", VIR_MIGRATE_AUTO_CONVERGE },
        { "unsafe", VIR_MIGRATE_UNSAFE },
    };
    uint32_t flags = VIR_MIGRATE_PEER2PEER;

    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        if (json_get_bool(req->body, members[i].member, members[i].if_persistent && vm_is_persistent(vm)))
            flags |= members[i].flag;
    }
    if (!vm_is_running(vm))
        return flags | VIR_MIGRATE_OFFLINE;
    return json_get_bool(req->body, "live", true) ? flags | VIR_MIGRATE_LIVE : flags;
}

static bool handle_migrate(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    const char *uri = json_get_str(req->body, "migrate_uri");
    const uint64_t mib = json_get_uint(req->body, "bandwidth_mib", 0);
    WireTypedParam params[2];
    unsigned n = 0;
    g_auto(WireDomainMigratePerform3ParamsRet) ret = { 0 };

    if (!vm)
        return false;
    if (uri)
        params[n++] = (WireTypedParam){ (char *)VIR_MIGRATE_PARAM_URI,
                                        { .type = VIR_TYPED_PARAM_STRING, .s = (char *)uri } };
    if (mib)
        params[n++] = (WireTypedParam){ (char *)VIR_MIGRATE_PARAM_BANDWIDTH,
                                        { .type = VIR_TYPED_PARAM_ULLONG, .ul = mib } };
    const WireDomainMigratePerform3ParamsArgs args = { .dom = machine_handle(vm),
                                                       .dconnuri =
                                                           (char *)json_get_str(req->body, "destination"),
                                                       .params = params,
                                                       .n_params = n,
                                                       .flags = migrate_flags(req, vm) };
    return HTTP_CALL(req, domain_migrate_perform3_params, &args, &ret, err) && http_answer_none(req);
}

static const HttpField check_body[] = {
    { "destination", HTTP_STRING, .required = true },
    { "copy_storage", HTTP_BOOL },
    { "unsafe", HTTP_BOOL },
    { 0 },
};
static const HttpField check_fields[] = {
    { "what", HTTP_STRING, .required = true },
    { "ok", HTTP_BOOL, .required = true },
    { "detail", HTTP_STRING, .required = true },
    { "mend", HTTP_STRING, .required = true, .nullable = true },
    { 0 },
};

/* All but the move is tried; what stands against it is the answer. */
static bool handle_check(HttpRequest *req, Error **err)
{
    static const HttpWord options[] = {
        { "check", "check" }, { "copy_storage", "copy-storage-all" }, { "unsafe", "unsafe" }, { 0 }
    };
    g_autoptr(Vm) vm = machine_of(req, err);
    g_autoptr(Error) why = NULL;
    char uuid[UUID_STRING_LEN];

    if (!vm)
        return false;
    uuid_format(vm_uuid(vm), uuid);
    json_object_set_new(req->body, "check", json_true());
    const char *const words[] = { uuid, json_get_str(req->body, "destination"), NULL };
    const HttpProgram program = { .command = "migrate", .options = options, .words = words };
    const bool ok = http_program_run(req, &program, NULL, &why);
    if (!ok && error_code(why) == ERROR_CANCELLED)
        return error_propagate(err, g_steal_pointer(&why));
    return http_answer_json(req, 200,
                            json_pack("{s:[{s:s,s:b,s:s,s:s?}]}", "items", "what",
                                      ok ? "move" : error_code_name(error_code(why)), "ok", (int)ok, "detail",
                                      ok ? "it can move" : error_message(why), "mend",
                                      ok ? NULL : error_hint_text(why)));
}

const HttpRoute http_routes_migrate[] = {
    { "POST", "/machines/{machine}/migrate", HTTP_ADMIN, .flags = HTTP_LONG, .body = migrate_body,
      .status = 204, .handle = handle_migrate, .doc = "Moves a machine to another host.",
      .command = "lodge migrate MACHINE URI --p2p" },
    { "POST", "/machines/{machine}/migrate-check", HTTP_ADMIN, .flags = HTTP_LONG | HTTP_LIST,
      .body = check_body, .answer = check_fields, .handle = handle_check,
      .doc = "Tries all but the move, and says what stands against it.",
      .command = "lodge migrate MACHINE URI --check" },
    { 0 },
};
