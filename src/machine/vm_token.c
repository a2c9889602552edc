/* QEMUs of this root, told by the token in their environment.
 *
 * A pid in a file is a hint: the file may be old or damaged, and the kernel uses numbers again. The
 * environment of a process is what its starter gave it. All processes are looked at once, when the daemon
 * starts; later ones with a token are its own children. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "token"
#include <string.h>

#include "base/log.h"
#include "base/process.h"
#include "base/worker.h"
#include "machine/vm_private.h"

#define SCAN_TIMEOUT_MS 5000

typedef struct TokenHolder {
    char *token;
    char *helper; /* its name; NULL: a QEMU */
    pid_t pid;
    uint64_t start_time;
} TokenHolder;

static void token_holder_free(void *data)
{
    TokenHolder *holder = data;

    g_free(holder->token);
    g_free(holder->helper);
    g_free(holder);
}

/* The token of @pid; NULL: none, or a process that we may not look at. Caller owns. *ret_helper: the name of
 * the helper that it is; NULL: a QEMU. Owned. */
static char *token_of_process(pid_t pid, char **ret_helper)
{
    *ret_helper = NULL;
    g_autofree char *path = g_strdup_printf("/proc/%d/environ", (int)pid);
    g_autofree char *environment = NULL;
    gsize len = 0;

    if (!g_file_get_contents(path, &environment, &len, NULL))
        return NULL;
    for (const char *p = environment; p < environment + len; p += strlen(p) + 1) {
        if (g_str_has_prefix(p, VM_TOKEN_VARIABLE "="))
            return g_strdup(p + strlen(VM_TOKEN_VARIABLE "="));
        const char *at = g_str_has_prefix(p, VM_HELPER_VARIABLE "=") ? strchr(p, '@') : NULL;
        if (at) {
            const char *name = p + strlen(VM_HELPER_VARIABLE "=");
            *ret_helper = g_strndup(name, (gsize)(at - name));
            return g_strdup(at + 1);
        }
    }
    return NULL;
}

static void scan_run(void *data)
{
    GPtrArray *holders = data;
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    const char *entry = NULL;

    while (proc && (entry = g_dir_read_name(proc))) {
        const pid_t pid = g_ascii_isdigit(*entry) ? (pid_t)g_ascii_strtoll(entry, NULL, 10) : 0;
        g_autofree char *helper = NULL;
        g_autofree char *token = pid > 0 ? token_of_process(pid, &helper) : NULL;
        if (!token)
            continue;
        TokenHolder *holder = g_new0(TokenHolder, 1);
        *holder = (TokenHolder){ .token = g_steal_pointer(&token),
                                 .helper = g_steal_pointer(&helper),
                                 .pid = pid,
                                 .start_time = process_lookup_start_time(pid) };
        g_ptr_array_add(holders, holder);
    }
}

static void scan_free(void *data)
{
    g_ptr_array_unref(data);
}

void vm_token_scan(Host *host)
{
    GPtrArray *holders = g_ptr_array_new_with_free_func(token_holder_free);
    g_autoptr(Error) err = NULL;

    g_clear_pointer(&host->machines->token_holders, g_ptr_array_unref);
    if (worker_run(worker_lane_named("processes"), scan_run, holders, scan_free, SCAN_TIMEOUT_MS, &err))
        host->machines->token_holders = holders;
    else
        log_error_error(err, "cannot look for QEMUs of an earlier daemon");
}

pid_t vm_token_find(const Host *host, const char *name, pid_t preferred)
{
    g_autofree char *token = vm_status_path(host, name);
    const TokenHolder *found = NULL;

    for (guint i = 0; host->machines->token_holders && i < host->machines->token_holders->len; i++) {
        const TokenHolder *holder = g_ptr_array_index(host->machines->token_holders, i);
        if (holder->helper || strcmp(holder->token, token) != 0)
            continue;
        /* Gone since, or a zombie? */
        g_autofree char *helper = NULL;
        g_autofree char *now = token_of_process(holder->pid, &helper);
        if (!now || strcmp(now, token) != 0)
            continue;
        if (holder->pid == preferred)
            return preferred;
        /* What QEMU starts inherits the token: the oldest is QEMU itself. */
        if (!found || holder->start_time < found->start_time)
            found = holder;
    }
    return found ? found->pid : 0;
}

static void token_helper_free(void *data)
{
    VmTokenHelper *helper = data;

    g_free(helper->name);
    g_free(helper);
}

static gint compare_age(gconstpointer a, gconstpointer b)
{
    const VmTokenHelper *x = *(VmTokenHelper *const *)a, *y = *(VmTokenHelper *const *)b;

    return x->start_time != y->start_time ? (x->start_time < y->start_time ? -1 : 1) : x->pid - y->pid;
}

GPtrArray *vm_token_take_helpers(Host *host, const char *machine)
{
    g_autofree char *token = machine ? vm_status_path(host, machine) : NULL;
    GPtrArray *holders = host->machines->token_holders;
    GPtrArray *found = g_ptr_array_new_with_free_func(token_helper_free);

    for (guint i = holders ? holders->len : 0; i-- > 0;) {
        const TokenHolder *holder = g_ptr_array_index(holders, i);
        if (!holder->helper || (token ? strcmp(holder->token, token) != 0
                                      : !g_str_has_prefix(holder->token, host->paths->run_qemu)))
            continue;
        g_autofree char *name = NULL;
        g_autofree char *now = token_of_process(holder->pid, &name);
        if (now && name && strcmp(now, holder->token) == 0 && strcmp(name, holder->helper) == 0) {
            VmTokenHelper *helper = g_new0(VmTokenHelper, 1);
            *helper = (VmTokenHelper){ .name = g_steal_pointer(&name),
                                       .pid = holder->pid,
                                       .start_time = holder->start_time };
            g_ptr_array_add(found, helper);
        }
        g_ptr_array_remove_index(holders, i);
    }
    g_ptr_array_sort(found, compare_age);
    return found;
}

void vm_token_report(const Host *host)
{
    for (guint i = 0; host->machines->token_holders && i < host->machines->token_holders->len; i++) {
        const TokenHolder *holder = g_ptr_array_index(host->machines->token_holders, i);
        g_autofree char *file = g_path_get_basename(holder->token);
        g_autofree char *name = g_strndup(file, strlen(file) - MIN(strlen(file), strlen(".xml")));
        g_autofree char *path = vm_status_path(host, name);
        const Vm *vm = (Vm *)registry_get_name(vm_registry(host), name);
        if (!holder->helper && strcmp(path, holder->token) == 0 && (!vm || !vm->run) &&
            vm_token_find(host, name, 0) == holder->pid)
            log_warning("process %d is a QEMU of machine '%s' whose status file is lost: the machine cannot "
                        "be "
                        "started until it ends",
                        (int)holder->pid, name);
    }
}

bool vm_token_require_free(const Vm *vm, Error **err)
{
    const pid_t pid = vm_token_find(vm->host, vm->name, 0);

    if (pid == 0)
        return true;
    error_set(err, ERROR_INVALID_STATE, "a QEMU of domain '%s' runs already: process %d", vm->name, (int)pid);
    return error_hint(err, "it is of an earlier daemon and its status file is lost: end it with 'kill %d'",
                      (int)pid);
}
