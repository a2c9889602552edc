/* The calls of a migration, made by this program as a client of both daemons. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/move.h"

#include <string.h>

void move_add_text(GArray *params, const char *name, const char *value)
{
    if (!value)
        return;
    WireTypedParam one = { .field = g_strdup(name), .value = { .type = VIR_TYPED_PARAM_STRING } };
    one.value.s = g_strdup(value);
    g_array_append_val(params, one);
}

static void set_text(GArray *params, const char *name, const char *value)
{
    for (guint i = 0; i < params->len; i++) {
        WireTypedParam *one = &g_array_index(params, WireTypedParam, i);
        if (strcmp(one->field, name) != 0)
            continue;
        g_free(one->value.s);
        one->value.s = g_strdup(value);
        return;
    }
    move_add_text(params, name, value);
}

static void clear_one(void *data)
{
    WireTypedParam *one = data;

    g_free(one->field);
    if (one->value.type == VIR_TYPED_PARAM_STRING)
        g_free(one->value.s);
}

GArray *move_params_new(void)
{
    GArray *params = g_array_new(FALSE, TRUE, sizeof(WireTypedParam));

    g_array_set_clear_func(params, clear_one);
    return params;
}

/* ---- the steps ---- */

static void take_cookie(Move *move, WireBytes *cookie)
{
    g_free(move->cookie.data);
    move->cookie = *cookie;
    *cookie = (WireBytes){ 0 };
}

AWAITS static bool begin(Move *move, Error **err)
{
    WireDomainMigrateBegin3ParamsArgs args = { .dom = move->dom,
                                               .params = (WireTypedParam *)(void *)move->params->data,
                                               .n_params = move->params->len,
                                               .flags = move->flags };
    g_auto(WireDomainMigrateBegin3ParamsRet) ret = { 0 };

    if (!cli_call(move->cli, PROC_DOMAIN_MIGRATE_BEGIN3_PARAMS, &args, &ret, err))
        return false;
    take_cookie(move, &ret.cookie_out);
    set_text(move->params, VIR_MIGRATE_PARAM_DEST_XML, ret.xml);
    return true;
}

AWAITS static bool prepare(Move *move, Error **err)
{
    WireDomainMigratePrepare3ParamsArgs args = { .params = (WireTypedParam *)(void *)move->params->data,
                                                 .n_params = move->params->len,
                                                 .cookie_in = move->cookie,
                                                 .flags = move->flags };
    g_auto(WireDomainMigratePrepare3ParamsRet) ret = { 0 };

    if (!wire_call_remote(move->there, PROC_DOMAIN_MIGRATE_PREPARE3_PARAMS, &args, &ret, WIRE_NO_TIMEOUT,
                          err))
        return false;
    take_cookie(move, &ret.cookie_out);
    if (ret.uri_out)
        set_text(move->params, VIR_MIGRATE_PARAM_URI, ret.uri_out);
    return true;
}

AWAITS static bool perform(Move *move, Error **err)
{
    WireDomainMigratePerform3ParamsArgs args = { .dom = move->dom,
                                                 .params = (WireTypedParam *)(void *)move->params->data,
                                                 .n_params = move->params->len,
                                                 .cookie_in = move->cookie,
                                                 .flags = move->flags };
    g_auto(WireDomainMigratePerform3ParamsRet) ret = { 0 };

    if (!cli_call(move->cli, PROC_DOMAIN_MIGRATE_PERFORM3_PARAMS, &args, &ret, err))
        return false;
    take_cookie(move, &ret.cookie_out);
    return true;
}

AWAITS static bool finish(Move *move, bool cancelled, Error **err)
{
    WireDomainMigrateFinish3ParamsArgs args = { .params = (WireTypedParam *)(void *)move->params->data,
                                                .n_params = move->params->len,
                                                .cookie_in = move->cookie,
                                                .flags = move->flags,
                                                .cancelled = cancelled };
    g_auto(WireDomainMigrateFinish3ParamsRet) ret = { 0 };

    if (!wire_call_remote(move->there, PROC_DOMAIN_MIGRATE_FINISH3_PARAMS, &args, &ret, WIRE_NO_TIMEOUT, err))
        return false;
    take_cookie(move, &ret.cookie_out);
    return true;
}

AWAITS static bool confirm(Move *move, bool cancelled, Error **err)
{
    WireDomainMigrateConfirm3ParamsArgs args = { .dom = move->dom,
                                                 .params = (WireTypedParam *)(void *)move->params->data,
                                                 .n_params = move->params->len,
                                                 .cookie_in = move->cookie,
                                                 .flags = move->flags,
                                                 .cancelled = cancelled };

    return cli_call(move->cli, PROC_DOMAIN_MIGRATE_CONFIRM3_PARAMS, &args, NULL, err);
}

/* One that is paused stays so. */
AWAITS static void look_at_state(Move *move)
{
    WireDomainGetStateArgs args = { .dom = move->dom };
    WireDomainGetStateRet ret = { 0 };

    if (cli_call(move->cli, PROC_DOMAIN_GET_STATE, &args, &ret, NULL) && ret.state == VIR_DOMAIN_PAUSED)
        move->flags |= VIR_MIGRATE_PAUSED;
}

AWAITS static bool drive(Move *move, Error **err)
{
    g_autoptr(Error) why = NULL;

    if (!begin(move, err))
        return false;
    look_at_state(move);
    bool ok = prepare(move, &why);
    if (ok && !(move->flags & VIR_MIGRATE_OFFLINE)) {
        ok = perform(move, &why);
        if (!ok)
            (void)!finish(move, true, NULL); /* which takes back what was prepared */
    }
    if (!move->is_renamed)
        move_add_text(move->params, VIR_MIGRATE_PARAM_DEST_NAME, move->dom.name);
    ok = ok && finish(move, false, &why);
    const bool is_confirmed = confirm(move, !ok, ok ? &why : NULL);
    return (ok && is_confirmed) || error_propagate(err, g_steal_pointer(&why));
}

bool move_machine(Move *move, Error **err)
{
    const bool ok = drive(move, err);

    g_clear_pointer(&move->cookie.data, g_free);
    return ok;
}

bool move_check(Move *move, Error **err)
{
    const unsigned flags = move->flags;
    bool ok = false;

    /* Without protection nothing begins at the source; what is prepared at the destination is taken back. */
    move->flags &= ~(unsigned)VIR_MIGRATE_CHANGE_PROTECTION;
    if (begin(move, err) && prepare(move, err)) {
        if (!move->is_renamed)
            move_add_text(move->params, VIR_MIGRATE_PARAM_DEST_NAME, move->dom.name);
        (void)!finish(move, true, NULL); /* which always says that it was cancelled */
        ok = true;
    }
    move->flags = flags;
    g_clear_pointer(&move->cookie.data, g_free);
    return ok;
}

bool move_by_peers(Move *move, const char *uri, Error **err)
{
    WireDomainMigratePerform3ParamsArgs args = { .dom = move->dom,
                                                 .dconnuri = (char *)uri,
                                                 .params = (WireTypedParam *)(void *)move->params->data,
                                                 .n_params = move->params->len,
                                                 .flags = move->flags };
    g_auto(WireDomainMigratePerform3ParamsRet) ret = { 0 };

    return cli_call(move->cli, PROC_DOMAIN_MIGRATE_PERFORM3_PARAMS, &args, &ret, err);
}
