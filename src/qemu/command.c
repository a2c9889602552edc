/* The command line as a whole: the list of arguments, where each came from, and the order of the parts. The
 * parts are in command_*.c. The order of the options is the one that users know from the logs of such
 * daemons. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "command"
#include "qemu/command.h"

#include <string.h>

#include "conf/domain_check.h"
#include "qemu/command_private.h"

struct QemuCommand {
    Plan *plan;
    GPtrArray *argv; /* char *, NULL-terminated once built */
    GPtrArray *envp;
};

void qemu_command_free(QemuCommand *command)
{
    if (!command)
        return;
    plan_free(command->plan);
    g_ptr_array_unref(command->argv);
    g_ptr_array_unref(command->envp);
    g_free(command);
}

static QemuCommand *command_new(void)
{
    QemuCommand *command = g_new0(QemuCommand, 1);
    command->plan = plan_new();
    command->argv = g_ptr_array_new_with_free_func(g_free);
    command->envp = g_ptr_array_new_with_free_func(g_free);
    return command;
}

const char *const *qemu_command_argv(const QemuCommand *command)
{
    return (const char *const *)command->argv->pdata;
}

const char *const *qemu_command_envp(const QemuCommand *command)
{
    return (const char *const *)command->envp->pdata;
}

const GPtrArray *qemu_command_arguments(const QemuCommand *command)
{
    return plan_steps(command->plan);
}

static bool shell_is_plain(const char *text)
{
    return *text &&
           !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+,./:@%")];
}

static void shell_quote_append(GString *out, const char *text)
{
    if (shell_is_plain(text)) {
        g_string_append(out, text);
        return;
    }
    g_autofree char *quoted = g_shell_quote(text);
    g_string_append(out, quoted);
}

char *qemu_command_format(const QemuCommand *command)
{
    GString *out = g_string_new(NULL);
    for (const char *const *env = qemu_command_envp(command); *env; env++) {
        shell_quote_append(out, *env);
        g_string_append(out, " \\\n");
    }
    shell_quote_append(out, qemu_command_argv(command)[0]);
    for (DEF_EACH(PlanStep, step, plan_steps(command->plan))) {
        g_string_append(out, " \\\n");
        shell_quote_append(out, step->option);
        if (step->text) {
            g_string_append_c(out, ' ');
            shell_quote_append(out, step->text);
        }
    }
    g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}

const char *controller_alias(const DomainDef *def, ControllerType type, unsigned index)
{
    const ControllerDef *controller = domain_find_controller(def, type, index);
    return controller ? controller->info.alias : NULL;
}

unsigned boot_rank(const PlanContext *c, BootDev dev)
{
    unsigned rank = 0;
    for (unsigned i = 0; i < c->def->os.boot.count && !c->is_hot; i++) {
        if (c->def->os.boot.dev[i] == dev)
            rank = i + 1;
    }
    return rank;
}

/* Where SASL's configuration lies. QEMU has one for all displays: the last one says. */
static const char *sasl_folder(const PlanContext *c)
{
    const char *folder = NULL;

    for (DEF_EACH(GraphicsDef, graphics, c->def->graphics)) {
        const char *own = graphics->type == GRAPHICS_VNC && c->env->vnc_sasl       ? c->env->vnc_sasl_dir
                          : graphics->type == GRAPHICS_SPICE && c->env->spice_sasl ? c->env->spice_sasl_dir
                                                                                   : NULL;
        folder = own ? own : folder;
    }
    return folder;
}

static void build_environment(const PlanContext *c, GPtrArray *envp)
{
    g_ptr_array_add(envp, g_strdup("LC_ALL=C"));
    g_ptr_array_add(envp, g_strdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    if (c->def->clock.offset == CLOCK_OFFSET_TIMEZONE) /* local time is that of the guest's place */
        g_ptr_array_add(envp, g_strdup_printf("TZ=%s", c->def->clock.timezone));
    if (c->env->lib_dir) {
        g_ptr_array_add(envp, g_strdup_printf("HOME=%s", c->env->lib_dir));
        g_ptr_array_add(envp, g_strdup_printf("XDG_DATA_HOME=%s/.local/share", c->env->lib_dir));
        g_ptr_array_add(envp, g_strdup_printf("XDG_CACHE_HOME=%s/.cache", c->env->lib_dir));
        g_ptr_array_add(envp, g_strdup_printf("XDG_CONFIG_HOME=%s/.config", c->env->lib_dir));
    }
    if (c->def->clock.timezone)
        g_ptr_array_add(envp, g_strdup_printf("TZ=%s", c->def->clock.timezone));
    for (DEF_EACH(GraphicsDef, graphics, c->def->graphics)) {
        if (graphics->display)
            g_ptr_array_add(envp, g_strdup_printf("DISPLAY=%s", graphics->display));
        if (graphics->xauth)
            g_ptr_array_add(envp, g_strdup_printf("XAUTHORITY=%s", graphics->xauth));
    }
    const char *sasl = sasl_folder(c);
    if (sasl)
        g_ptr_array_add(envp, g_strdup_printf("SASL_CONF_PATH=%s", sasl));
    if (c->def->qemu) {
        for (DEF_EACH(NamedValue, variable, c->def->qemu->env))
            g_ptr_array_add(envp,
                            g_strdup_printf("%s=%s", variable->name, variable->value ? variable->value : ""));
    }
    g_ptr_array_add(envp, NULL);
}

static void build_identity(const PlanContext *c, Plan *plan)
{
    g_autofree char *name = option_escape(c->def->name);
    plan_at(plan, "/domain/name");
    plan_text(plan, "-name", "guest=%s,debug-threads=on", name);
    if (c->env->start_paused) {
        plan_own(plan, "the machine runs when Lodge has finished its set-up");
        plan_flag(plan, "-S");
    }
    if (c->env->master_key_path) {
        plan_own(plan, "key for secrets that are sent over the control connection");
        Json *secret = json_object();
        prop_str(secret, "qom-type", "secret");
        prop_str(secret, "id", "masterKey0");
        prop_str(secret, "format", "raw");
        prop_str(secret, "file", c->env->master_key_path);
        plan_add(plan, PLAN_OBJECT, secret);
    }
}

static void build_uuid(const PlanContext *c, Plan *plan)
{
    char uuid[UUID_STRING_LEN];
    uuid_format(&c->def->uuid, uuid);
    plan_at(plan, "/domain/uuid");
    plan_text(plan, "-uuid", "%s", uuid);
}

static bool build_monitor(const PlanContext *c, Plan *plan, Error **err)
{
    plan_own(plan, "only what the definition names");
    plan_flag(plan, "-no-user-config");
    plan_flag(plan, "-nodefaults");
    plan_own(plan, "control connection of Lodge");
    const CharSource source = { .type = CHAR_UNIX,
                                .mode = CHAR_MODE_BIND,
                                .path =
                                    (char *)(c->env->monitor_path ? c->env->monitor_path : "monitor.sock") };
    if (!plan_chardev(c, QEMU_MONITOR_ALIAS, &source, NULL, plan, err))
        return false;
    plan_text(plan, "-mon", "chardev=charmonitor,id=monitor,mode=control");
    return true;
}

/* <qemu:deprecation>: what QEMU does about interfaces that are to go. */
static void build_compat(const char *behavior, Plan *plan)
{
    AUTO_JSON compat = json_object();
    if (strcmp(behavior, "none") == 0)
        return;
    prop_str(compat, "deprecated-output", "hide");
    if (strcmp(behavior, "omit") != 0)
        prop_str(compat, "deprecated-input", behavior);
    g_autofree char *text = json_format(compat);
    plan_at(plan, "/domain/qemu:deprecation");
    plan_text(plan, "-compat", "%s", text);
}

static void build_extras(const PlanContext *c, Plan *plan)
{
    if (c->def->qemu) {
        plan_at(plan, "/domain/qemu:commandline");
        for (DEF_EACH(QemuArg, arg, c->def->qemu->args)) {
            /* An option and its value stand in two elements; shown as they are. */
            plan_flag(plan, arg->value);
        }
    }
    if (c->def->qemu && c->def->qemu->deprecation)
        build_compat(c->def->qemu->deprecation, plan);
    if (c->env->incoming) {
        plan_own(plan, "the machine's state comes from an image or another host");
        plan_text(plan, "-incoming", "%s", c->env->incoming);
    }
    if (c->env->sandbox) {
        plan_own(plan, "seccomp filter against a compromised guest");
        plan_text(plan, "-sandbox",
                  "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    }
    plan_own(plan, "times in the log");
    plan_text(plan, "-msg", "timestamp=on");
}

static bool build_devices(const PlanContext *c, Plan *plan, Error **err)
{
    g_autoptr(GArray) devices = devices_in_order((DomainDef *)c->def, DEVICE_ORDER_COMMAND);
    bool has_display = def_list_len(c->def->graphics) > 0;

    for (guint i = 0; i <= devices->len; i++) {
        const DeviceRef *ref = i < devices->len ? &g_array_index(devices, DeviceRef, i) : NULL;
        if (!has_display && (!ref || device_comes_after(ref->kind, DEVICE_GRAPHICS))) {
            plan_own(plan, "no graphics in the definition: no window either");
            plan_text(plan, "-display", "none");
            has_display = true;
        }
        if (ref && !device_plan(c, ref->kind, ref->device, plan, err))
            return false;
    }
    return true;
}

static bool build_all(const PlanContext *c, Plan *plan, Error **err)
{
    build_identity(c, plan);
    if (!build_machine(c, plan, err) || !build_cpu(c, plan, err) || !build_memory(c, plan, err))
        return false;
    build_uuid(c, plan);
    if (!build_generation_id(c, plan, err) || !build_smbios(c, plan, err) || !build_monitor(c, plan, err))
        return false;
    build_acpi_table(c, plan);
    if (!build_clock_and_boot(c, plan, err) || !build_devices(c, plan, err))
        return false;
    build_extras(c, plan);
    return true;
}

bool qemu_command_build(const DomainDef *def, const QemuCaps *caps, const QemuCommandEnv *env,
                        QemuCommand **ret_command, Error **err)
{
    g_autoptr(QemuCommand) command = command_new();
    const PlanContext context = {
        .def = def, .caps = caps, .env = env, .machine = qemu_caps_machine(caps, def->os.machine)
    };

    if (!context.machine)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Emulator '%s' does not support machine type '%s'",
                         qemu_caps_binary(caps), def->os.machine ? def->os.machine : "(none)");
    if (!domain_check_start(def, err) || (!env->for_reference && !domain_check_room(def, err)))
        return false;
    g_ptr_array_add(command->argv, g_strdup(def->emulator ? def->emulator : qemu_caps_binary(caps)));
    if (!build_all(&context, command->plan, err) || !plan_print(command->plan, env->fds, err))
        return false;
    for (DEF_EACH(PlanStep, step, plan_steps(command->plan))) {
        g_ptr_array_add(command->argv, g_strdup(step->option));
        if (step->text)
            g_ptr_array_add(command->argv, g_strdup(step->text));
    }
    g_ptr_array_add(command->argv, NULL);
    build_environment(&context, command->envp);
    *ret_command = g_steal_pointer(&command);
    return true;
}
