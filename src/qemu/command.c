/* The command line as a whole: the list of arguments, where each came from, and the order of the parts. The
 * parts are in command_*.c. The order of the options is the one that users know from the logs of such
 * daemons. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "command"
#include "qemu/command.h"

#include <string.h>

#include "qemu/command_private.h"

static void argument_free(void *data)
{
    QemuArgument *argument = data;
    g_free(argument->argument);
    g_free(argument->value);
    g_free(argument->source);
    g_free(argument->note);
    g_free(argument);
}

void qemu_command_free(QemuCommand *command)
{
    if (!command)
        return;
    g_ptr_array_unref(command->arguments);
    g_ptr_array_unref(command->argv);
    g_ptr_array_unref(command->envp);
    g_free(command);
}

static QemuCommand *command_new(void)
{
    QemuCommand *command = g_new0(QemuCommand, 1);
    command->arguments = g_ptr_array_new_with_free_func(argument_free);
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
    return command->arguments;
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
    for (unsigned i = 0; i < command->arguments->len; i++) {
        const QemuArgument *argument = g_ptr_array_index(command->arguments, i);
        g_string_append(out, " \\\n");
        shell_quote_append(out, argument->argument);
        if (argument->value) {
            g_string_append_c(out, ' ');
            shell_quote_append(out, argument->value);
        }
    }
    g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}

void builder_at(Builder *b, const char *xpath, ...)
{
    va_list args;
    va_start(args, xpath);
    g_free(b->source);
    b->source = g_strdup_vprintf(xpath, args);
    b->note = NULL;
    va_end(args);
}

void builder_own(Builder *b, const char *note)
{
    g_clear_pointer(&b->source, g_free);
    b->note = note;
}

static void builder_add(Builder *b, const char *argument, char *value)
{
    QemuArgument *entry = g_new0(QemuArgument, 1);
    *entry = (QemuArgument){ .argument = g_strdup(argument),
                             .value = value,
                             .source = g_strdup(b->source),
                             .note = g_strdup(b->note) };
    g_ptr_array_add(b->command->arguments, entry);
}

void add_flag(Builder *b, const char *argument)
{
    builder_add(b, argument, NULL);
}

void add_text(Builder *b, const char *argument, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    builder_add(b, argument, g_strdup_vprintf(format, args));
    va_end(args);
}

void add_json(Builder *b, const char *argument, Json *object)
{
    if (b->def->qemu && strcmp(argument, "-device") == 0)
        override_device(b->def, object);
    builder_add(b, argument, json_format(object));
    json_decref(object);
}

char *option_escape(const char *value)
{
    GString *out = g_string_new(NULL);
    for (const char *c = value; *c; c++) {
        if (*c == ',')
            g_string_append_c(out, ',');
        g_string_append_c(out, *c);
    }
    return g_string_free(out, FALSE);
}

unsigned builder_take_boot(Builder *b, BootDev dev)
{
    unsigned rank = b->boot_rank[dev];
    b->boot_rank[dev] = 0;
    return rank;
}

const char *controller_alias(const DomainDef *def, ControllerType type, unsigned index)
{
    for (DEF_EACH(ControllerDef, controller, def->controllers)) {
        if (controller->type == type && controller->index.value == index)
            return controller->info.alias;
    }
    return NULL;
}

/* <boot dev='hd'/><boot dev='network'/>: the first becomes bootindex 1, and so on. Floppies, disks, CD-ROMs
 * and network cards take them in document order, one each. */
static void builder_rank_boot_devices(Builder *b)
{
    for (unsigned i = 0; i < b->def->os.boot.count; i++)
        b->boot_rank[b->def->os.boot.dev[i]] = i + 1;
}

static void build_environment(Builder *b)
{
    GPtrArray *envp = b->command->envp;
    g_ptr_array_add(envp, g_strdup("LC_ALL=C"));
    g_ptr_array_add(envp, g_strdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    if (b->env->lib_dir) {
        g_ptr_array_add(envp, g_strdup_printf("HOME=%s", b->env->lib_dir));
        g_ptr_array_add(envp, g_strdup_printf("XDG_DATA_HOME=%s/.local/share", b->env->lib_dir));
        g_ptr_array_add(envp, g_strdup_printf("XDG_CACHE_HOME=%s/.cache", b->env->lib_dir));
        g_ptr_array_add(envp, g_strdup_printf("XDG_CONFIG_HOME=%s/.config", b->env->lib_dir));
    }
    if (b->def->qemu) {
        for (DEF_EACH(NamedValue, variable, b->def->qemu->env))
            g_ptr_array_add(envp,
                            g_strdup_printf("%s=%s", variable->name, variable->value ? variable->value : ""));
    }
    g_ptr_array_add(envp, NULL);
}

static void build_identity(Builder *b)
{
    g_autofree char *name = option_escape(b->def->name);
    builder_at(b, "/domain/name");
    add_text(b, "-name", "guest=%s,debug-threads=on", name);
    if (b->env->start_paused) {
        builder_own(b, "the machine runs when Lodge has finished its set-up");
        add_flag(b, "-S");
    }
    if (b->env->master_key_path) {
        builder_own(b, "key for secrets that are sent over the control connection");
        Json *secret = json_object();
        prop_str(secret, "qom-type", "secret");
        prop_str(secret, "id", "masterKey0");
        prop_str(secret, "format", "raw");
        prop_str(secret, "file", b->env->master_key_path);
        add_json(b, "-object", secret);
    }
}

static void build_uuid(Builder *b)
{
    char uuid[UUID_STRING_LEN];
    uuid_format(&b->def->uuid, uuid);
    builder_at(b, "/domain/uuid");
    add_text(b, "-uuid", "%s", uuid);
}

static void build_monitor(Builder *b)
{
    builder_own(b, "only what the definition names");
    add_flag(b, "-no-user-config");
    add_flag(b, "-nodefaults");
    builder_own(b, "control connection of Lodge");
    if (b->env->monitor_fd >= 0) {
        add_text(b, "-chardev", "socket,id=charmonitor,fd=%d,server=on,wait=off", b->env->monitor_fd);
    } else {
        g_autofree char *path = option_escape(b->env->monitor_path ? b->env->monitor_path : "monitor.sock");
        add_text(b, "-chardev", "socket,id=charmonitor,path=%s,server=on,wait=off", path);
    }
    add_text(b, "-mon", "chardev=charmonitor,id=monitor,mode=control");
}

static void build_extras(Builder *b)
{
    if (b->def->qemu) {
        builder_at(b, "/domain/qemu:commandline");
        for (DEF_EACH(QemuArg, arg, b->def->qemu->args)) {
            /* An option and its value stand in two elements; shown as they are. */
            add_flag(b, arg->value);
        }
    }
    if (b->env->incoming) {
        builder_own(b, "the machine's state comes from an image or another host");
        add_text(b, "-incoming", "%s", b->env->incoming);
    }
    if (b->env->sandbox) {
        builder_own(b, "seccomp filter against a compromised guest");
        add_text(b, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    }
    builder_own(b, "times in the log");
    add_text(b, "-msg", "timestamp=on");
}

static bool build_all(Builder *b, Error **err)
{
    build_identity(b);
    if (!build_machine(b, err) || !build_cpu(b, err) || !build_memory(b, err))
        return false;
    build_uuid(b);
    if (!build_generation_id(b, err) || !build_smbios(b, err))
        return false;
    build_monitor(b);
    build_acpi_table(b);
    if (!build_clock_and_boot(b, err) || !build_controllers(b, err) || !build_disks(b, err) ||
        !build_interfaces(b, err) || !build_chardevs(b, err) || !build_inputs(b, err) ||
        !build_displays(b, err) || !build_other_devices(b, err))
        return false;
    build_extras(b);
    return true;
}

bool qemu_command_build(const DomainDef *def, const QemuCaps *caps, const QemuCommandEnv *env,
                        QemuCommand **ret_command, Error **err)
{
    g_autoptr(QemuCommand) command = command_new();
    Builder b = { .def = def, .caps = caps, .env = env, .command = command };

    b.machine = qemu_caps_machine(caps, def->os.machine);
    if (!b.machine)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Emulator '%s' does not support machine type '%s'",
                         qemu_caps_binary(caps), def->os.machine ? def->os.machine : "(none)");
    builder_rank_boot_devices(&b);
    bool ok = build_all(&b, err);
    g_free(b.source);
    if (!ok)
        return false;

    g_ptr_array_add(command->argv, g_strdup(def->emulator ? def->emulator : qemu_caps_binary(caps)));
    for (unsigned i = 0; i < command->arguments->len; i++) {
        const QemuArgument *argument = g_ptr_array_index(command->arguments, i);
        g_ptr_array_add(command->argv, g_strdup(argument->argument));
        if (argument->value)
            g_ptr_array_add(command->argv, g_strdup(argument->value));
    }
    g_ptr_array_add(command->argv, NULL);
    b.source = NULL;
    build_environment(&b);
    *ret_command = g_steal_pointer(&command);
    return true;
}
