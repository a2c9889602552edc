/* Passwords of the displays of a running machine: all of a display that can change. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "graphics"
#include <string.h>

#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_device_private.h"

void graphics_update_clear(GraphicsUpdate *update)
{
    xml_table_free(&graphics_table, update->next);
}

static GraphicsDef *find_graphics(const DomainDef *live, GraphicsType type)
{
    for (DEF_EACH(GraphicsDef, graphics, live->graphics)) {
        if (graphics->type == type)
            return graphics;
    }
    return NULL;
}

/* What is chosen for each run need not be said. */
static bool note_path(void *arg, const char *path, const XmlRow *row)
{
    static const char *const free[] = { "@passwd",   "@connected", "@port",   "@tlsPort",
                                        "@autoport", "@websocket", "@listen", "listen" };

    for (size_t i = 0; i < G_N_ELEMENTS(free); i++) {
        if (g_str_has_prefix(path, free[i]))
            return true;
    }
    *(char **)arg = g_strdup(path);
    return false;
}

static bool same_listens(const GraphicsDef *old, const GraphicsDef *wanted)
{
    for (unsigned i = 0; i < def_list_len(wanted->listens); i++) {
        const ListenDef *mine = i < def_list_len(old->listens) ? g_ptr_array_index(old->listens, i) : NULL;
        const ListenDef *other = g_ptr_array_index(wanted->listens, i);
        if (!mine || mine->type != other->type ||
            (other->address && g_strcmp0(mine->address, other->address) != 0) ||
            (other->socket && g_strcmp0(mine->socket, other->socket) != 0))
            return false;
    }
    return true;
}

static bool check_rest(const GraphicsDef *old, const GraphicsDef *wanted, Error **err)
{
    const char *type = enum_name(&graphics_type_names, old->type);
    g_autofree char *path = NULL;

    if ((wanted->port > 0 && wanted->port != old->port) ||
        (wanted->tls_port > 0 && wanted->tls_port != old->tls_port) ||
        (wanted->websocket > 0 && wanted->websocket != old->websocket))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "cannot change port settings on %s graphics",
                         type);
    if (!same_listens(old, wanted))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "cannot change listen address setting on %s graphics", type);
    xml_table_diff(&graphics_table, old, wanted, note_path, &path);
    return !path ||
           error_set(err, ERROR_OPERATION_UNSUPPORTED, "cannot change '%s' on %s graphics", path, type);
}

static void graphics_swap(DomainDef *live, void *data)
{
    GraphicsUpdate *update = data;
    GraphicsDef *graphics = find_graphics(live, update->next->type), *next = update->next;
    const GraphicsDef old = *graphics;

    graphics->passwd = next->passwd;
    graphics->passwd_valid_to = next->passwd_valid_to;
    graphics->passwd_connected = next->passwd_connected;
    next->passwd = old.passwd;
    next->passwd_valid_to = old.passwd_valid_to;
    next->passwd_connected = old.passwd_connected;
}

static void take_back(void *arg)
{
    const GraphicsUpdate *update = arg;
    const GraphicsDef *old = update->vm->live ? find_graphics(update->vm->live, update->next->type) : NULL;
    g_autoptr(Error) err = NULL;

    if (old && vm_monitor(update->vm) && !vm_tell_password(update->vm, old, &err))
        log_warning_error(err, "the password of a display is the new one");
}

bool vm_graphics_update_live(VmEdit *edit, const GraphicsDef *wanted, GraphicsUpdate *update, Error **err)
{
    Vm *vm = edit->vm;
    const GraphicsDef *old = find_graphics(vm->live, wanted->type);

    if (!old)
        return error_set(err, ERROR_DEVICE_MISSING,
                         "cannot find existing graphics type '%s' device to modify",
                         enum_name(&graphics_type_names, wanted->type));
    if (wanted->type != GRAPHICS_VNC && wanted->type != GRAPHICS_SPICE)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "unable to change config on '%s' graphics type",
                         enum_name(&graphics_type_names, wanted->type));
    if (!check_rest(old, wanted, err) || !vm_require_monitor(vm, err))
        return false;
    /* QEMU asks for a password or it does not. */
    if (!old->passwd != !wanted->passwd)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "a %s display that %s a password cannot be changed into one that %s while the "
                         "machine runs",
                         enum_name(&graphics_type_names, wanted->type), old->passwd ? "has" : "has not",
                         old->passwd ? "has not" : "has");
    update->vm = vm;
    update->next = xml_table_copy(&graphics_table, wanted);
    undo_push(&edit->undo, take_back, update);
    if (!vm_tell_password(vm, wanted, err))
        return false;
    vm_edit_set_live(edit, graphics_swap, update);
    return true;
}
