/* `lodge install`: a machine out of options that are named as virt-install's, and a system in it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/install_job.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/place.h"
#include "install/document.h"
#include "install/option_list.h"

#define OPT_MANY(option, text) OPT(CLI_STRING, option, text, .flags = CLI_NAMED | CLI_REPEAT)
#define OPT_OLD(option, other)                                                                               \
    OPT(CLI_STRING, option, "an older option", .flags = CLI_NAMED | CLI_REPEAT | CLI_HIDDEN, .same_as = other)
#define OPT_IGNORED(option)                                                                                  \
    OPT(CLI_BOOL, option, "an older option, which changes nothing", .flags = CLI_HIDDEN)
#define OPT_MAYBE(option, text)                                                                              \
    OPT(CLI_STRING, option, text, .flags = CLI_NAMED | CLI_OPTIONAL | CLI_EMPTY_OK)

/* Those that are no parts of the document; the others come from the table of options. */
static const CliOption own_options[] = {
    OPT(CLI_STRING, "name", "name of the machine; default: made of the system's", .flags = CLI_NAMED,
        .short_name = 'n'),
    OPT(CLI_STRING, "cdrom", "ISO image or drive to install from", .flags = CLI_NAMED, .short_name = 'c',
        .complete = COMPLETE_FILE),
    OPT_BOOL("pxe", "install by the network card"),
    OPT_BOOL("import", "the disk has a system already"),
    OPT_BOOL("livecd", "the medium of --cdrom stays, and is what the machine boots"),
    OPT(CLI_STRING, "extra-args", "arguments for the installer's kernel", .flags = CLI_NAMED | CLI_REPEAT,
        .short_name = 'x'),
    OPT(CLI_STRING, "initrd-inject", "a file that is added to the initrd", .flags = CLI_NAMED | CLI_REPEAT,
        .complete = COMPLETE_FILE),
    OPT(CLI_BOOL, "hvm", "a full machine, as all are here", .short_name = 'v'),
    OPT(CLI_BOOL, "paravirt", "a machine of Xen, which no host of Lodge has", .short_name = 'p'),
    OPT_BOOL("container", "a container, which no host of Lodge has"),
    OPT_NAMED("virt-type", "kvm or qemu; default: kvm where the host has it"),
    OPT_NAMED("arch", "architecture of its CPU"),
    OPT_NAMED("machine", "its kind, such as q35, pc or virt"),
    OPT_BOOL("autostart", "start it when the host starts"),
    OPT_BOOL("transient", "it is gone when it ends"),
    OPT_BOOL("destroy-on-exit", "end it when its console is left"),
    OPT_MAYBE("wait", "minutes to wait for the end of the installation; default: any"),
    OPT_NAMED("autoconsole", "text, graphical or none: what is shown while it installs"),
    OPT_BOOL("noautoconsole", "show nothing, and do not wait"),
    OPT_BOOL("noreboot", "do not start it again when the system is installed"),
    OPT_MAYBE("print-xml",
              "print the document (1: of the installation, 2: the final one) and make no machine"),
    OPT_BOOL("dry-run", "go through all of it and change nothing"),
    OPT(CLI_STRING, "check", "switch checks off: path_in_use=off, disk_size=off, mac_in_use=off, all=off",
        .flags = CLI_NAMED | CLI_REPEAT),
    OPT_NAMED("reinstall",
              "install an existing machine again; all but options of the installation is ignored"),
    OPT_OLD("ram", "memory"),
    OPT_OLD("uuid", NULL),
    OPT_OLD("description", NULL),
    OPT_OLD("os-type", NULL),
    OPT_OLD("file", "disk"),
    OPT_IGNORED("all-suboptions"), /* for tools/generate-install-manual */
    OPT_IGNORED("accelerate"),
    OPT_IGNORED("force"),
    OPT_IGNORED("prompt"),
    OPT_IGNORED("check-cpu"),
    OPT_IGNORED("nographics"),
    OPT_IGNORED("nonetworks"),
    OPT_IGNORED("nodisks"),
    OPT_IGNORED("vnc"),
    OPT(CLI_BOOL, "debug", "an older option, which changes nothing", .flags = CLI_HIDDEN, .short_name = 'd'),
};

/* ---- the row of the command ---- */

static const CliOption *all_options(void)
{
    static GArray *options;
    const InstallOption *row;

    if (options)
        return (const CliOption *)(void *)options->data;
    options = g_array_new(TRUE, TRUE, sizeof(CliOption));
    g_array_append_vals(options, own_options, G_N_ELEMENTS(own_options));
    for (unsigned i = 0; (row = install_option_at(i)); i++) {
        const bool is_bare = strcmp(row->name, "unattended") == 0 || strcmp(row->name, "cloud-init") == 0 ||
                             strcmp(row->name, "sound") == 0;
        const CliOption option = { .name = row->name,
                                   .type = CLI_STRING,
                                   .flags =
                                       CLI_NAMED | CLI_REPEAT | (is_bare ? CLI_OPTIONAL | CLI_EMPTY_OK : 0),
                                   .short_name = strcmp(row->name, "network") == 0    ? 'w'
                                                 : strcmp(row->name, "location") == 0 ? 'l'
                                                                                      : 0,
                                   .doc = row->note };
        g_array_append_val(options, option);
        if (row->also) {
            const CliOption other = { .name = row->also,
                                      .type = CLI_STRING,
                                      .flags = CLI_NAMED | CLI_REPEAT | CLI_HIDDEN,
                                      .same_as = row->name,
                                      .doc = row->note };
            g_array_append_val(options, other);
        }
    }
    return (const CliOption *)(void *)options->data;
}

void install_warn(const InstallJob *job, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    fflush(job->cli->out);
    if (!job->cli->quiet)
        fprintf(stderr, "note: %s\n", text);
}

/* "--disk=?" and "--disk help" */
static bool print_subs(Cli *cli, const CliArgs *args)
{
    const InstallOption *option;
    bool any = false;

    for (unsigned i = 0; (option = install_option_at(i)); i++) {
        g_auto(GStrv) values = args_get_list(args, option->name);
        if (!args_has(args, "all-suboptions") && !g_strv_contains((const char *const *)values, "?") &&
            !g_strv_contains((const char *const *)values, "help"))
            continue;
        g_autoptr(GPtrArray) names = install_option_names(option);
        cli_say(cli, "--%s options:\n", option->name);
        for (guint n = 0; n < names->len; n++) {
            const char *note = install_option_note(option, names->pdata[n]);
            cli_say(cli, note ? "  %-34s %s\n" : "  %s\n", (char *)names->pdata[n], note);
        }
        any = true;
    }
    return any;
}

/* ---- the system ---- */

static bool print_systems(InstallJob *job)
{
    g_autoptr(GPtrArray) names = os_db_names(job->db);

    for (guint i = 0; i < names->len; i++)
        cli_say(job->cli, "%s\n", (char *)names->pdata[i]);
    return true;
}

static void use_system(InstallJob *job, const char *name)
{
    OsFacts facts = { 0 };

    if (strcmp(name, "generic") == 0 || strcmp(name, "none") == 0)
        return;
    if (os_db_find(job->db, name, &facts)) {
        job->install->os = facts;
        return;
    }
    if (os_db_nearest(job->db, name, &facts)) {
        install_warn(job, "the system '%s' is not known: it gets what suits %s (%s)", name, facts.short_id,
                     facts.name);
        job->install->os = facts;
        return;
    }
    install_warn(job,
                 "the system '%s' is not known: it gets devices that every system has; 'lodge install "
                 "--osinfo list' "
                 "lists those that are",
                 name);
}

/* --osinfo debian12 | detect=on,name=...,require=on */
static bool take_system(InstallJob *job, Error **err)
{
    g_auto(GStrv) values = args_get_list(job->args, "os-variant");
    const InstallOption *option = install_option_find("os-variant");
    g_auto(InstallWords) words = { 0 };

    job->os_detects = true;
    if (!values[0])
        return true;
    job->os_detects = false;
    if (!install_words_split(option, values[g_strv_length(values) - 1], &words, err))
        return false;
    InstallWord *front = &g_array_index(words.list, InstallWord, 0);
    if (!front->name)
        front->name = g_strdup("name");
    const char *name = install_word_take(&words, "name"), *id = install_word_take(&words, "id");
    if (!name)
        name = install_word_take(&words, "short-id");
    if (!install_word_take_bool(&words, "detect", &job->os_detects, err) ||
        !install_word_take_bool(&words, "require", &job->os_required, err))
        return false;
    if (id || name) {
        if (job->os_required && !os_db_find(job->db, id ? id : name, &(OsFacts){ 0 }))
            return error_set(err, ERROR_INVALID_ARGUMENT, "the system '%s' is not known", id ? id : name);
        use_system(job, id ? id : name);
    }
    return true;
}

/* ---- options into the document ---- */

static bool take_devices(InstallJob *job, Error **err)
{
    const InstallOption *option;

    for (unsigned i = 0; (option = install_option_at(i)); i++) {
        g_auto(GStrv) values = args_get_list(job->args, option->name);
        for (char **value = values; option->element && *value; value++)
            if (!install_take(job->install, option->name, **value ? *value : "default", err))
                return error_prefix(err, "--%s %s", option->name, *value);
    }
    static const char *const old[] = { "uuid", "description" };
    for (size_t i = 0; i < G_N_ELEMENTS(old); i++) {
        g_auto(GStrv) values = args_get_list(job->args, old[i]);
        if (values[0])
            doc_set(job->install->domain, old[i], values[0]);
    }
    return !args_has(job->args, "nographics") || install_take(job->install, "graphics", "none", err);
}

static bool take_platform(InstallJob *job, Error **err)
{
    Install *install = job->install;

    if (args_has(job->args, "paravirt") || args_has(job->args, "container"))
        return error_set(err, ERROR_NOT_SUPPORTED,
                         "this host has full machines only: --paravirt and --container are for Xen and LXC");
    install->arch = g_strdup(args_get(job->args, "arch"));
    install->virt_type = g_strdup(args_get(job->args, "virt-type"));
    install->machine = g_strdup(args_get(job->args, "machine"));
    return true;
}

static bool take_checks(InstallJob *job, Error **err)
{
    g_auto(GStrv) values = args_get_list(job->args, "check");

    job->checks_paths = job->checks_space = job->checks_macs = true;
    for (char **value = values; *value; value++) {
        g_auto(GStrv) words = g_strsplit(*value, ",", -1);
        for (char **word = words; *word; word++) {
            bool on = true;
            char *equals = strchr(*word, '=');
            if (equals)
                *equals = 0;
            if (equals && !install_read_bool("check", *word, equals + 1, &on, err))
                return false;
            const bool all = strcmp(*word, "all") == 0;
            if (all || strcmp(*word, "path_in_use") == 0)
                job->checks_paths = on;
            if (all || strcmp(*word, "disk_size") == 0)
                job->checks_space = on;
            if (all || strcmp(*word, "mac_in_use") == 0)
                job->checks_macs = on;
        }
    }
    return true;
}

/* ---- how it is installed ---- */

static bool take_location(InstallJob *job, const char *text, Error **err)
{
    g_auto(InstallWords) words = { 0 };

    if (!install_words_split(install_option_find("location"), text, &words, err))
        return false;
    InstallWord *front = &g_array_index(words.list, InstallWord, 0);
    if (!front->name)
        front->name = g_strdup("location");
    job->location = g_strdup(install_word_take(&words, "location"));
    job->tree_kernel = g_strdup(install_word_take(&words, "kernel"));
    job->tree_initrd = g_strdup(install_word_take(&words, "initrd"));
    if (!job->location)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--location needs a URL, a folder or an ISO image");
    job->install->method = METHOD_LOCATION;
    return true;
}

static bool take_install(InstallJob *job, const char *text, Error **err)
{
    g_auto(InstallWords) words = { 0 };
    bool none = false;

    if (!install_words_split(install_option_find("install"), text, &words, err))
        return false;
    InstallWord *front = &g_array_index(words.list, InstallWord, 0);
    if (!front->name)
        front->name = g_strdup("os");
    const char *os = install_word_take(&words, "os"), *bootdev = install_word_take(&words, "bootdev");
    const char *args = install_word_take(&words, "kernel_args");
    job->kernel_source = g_strdup(install_word_take(&words, "kernel"));
    job->initrd_source = g_strdup(install_word_take(&words, "initrd"));
    if (!install_word_take_bool(&words, "kernel_args_overwrite", &job->arguments_alone, err) ||
        !install_word_take_bool(&words, "no_install", &none, err))
        return false;
    if (args)
        g_string_append_printf(job->arguments, "%s%s", job->arguments->len ? " " : "", args);
    if (none)
        return true;
    if (job->kernel_source) {
        job->install->method = METHOD_KERNEL;
    } else if (bootdev) {
        job->install->method = METHOD_BOOTDEV;
        job->install->bootdev = g_strdup(bootdev);
    } else if (os) {
        if (!job->install->os.id)
            use_system(job, os);
        job->location = os_db_tree(job->db, os, job->install->arch ? job->install->arch : "x86_64");
        if (!job->location)
            return error_set(err, ERROR_NOT_SUPPORTED,
                             "no tree is known that '%s' can be installed from: --location names one", os);
        job->install->method = METHOD_LOCATION;
    }
    return true;
}

static bool take_method(InstallJob *job, Error **err)
{
    const CliArgs *args = job->args;
    g_auto(GStrv) locations = args_get_list(args, "location"), installs = args_get_list(args, "install");
    g_auto(GStrv) extra = args_get_list(args, "extra-args");

    for (char **value = extra; *value; value++)
        g_string_append_printf(job->arguments, "%s%s", job->arguments->len ? " " : "", *value);
    if ((args_has(args, "cdrom") && !args_has(args, "livecd")) + (locations[0] != NULL) +
            args_has(args, "pxe") + args_has(args, "import") >
        1)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "only one of --cdrom, --location, --pxe and --import says how it is installed");
    if (args_has(args, "pxe"))
        job->install->method = METHOD_PXE;
    if (args_has(args, "cdrom")) {
        job->install->method = args_has(args, "livecd") ? METHOD_NONE : METHOD_CDROM;
        job->install->ejects_media = !args_has(args, "livecd");
        job->medium = g_strdup(args_get(args, "cdrom"));
    }
    for (char **value = locations; *value; value++)
        if (!take_location(job, *value, err))
            return false;
    for (char **value = installs; *value; value++)
        if (!take_install(job, *value, err))
            return false;
    if (job->arguments->len && !job->location && !job->kernel_source && extra[0])
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--extra-args is for a kernel that is booted by hand: with --location or --install "
                         "kernel=");
    return true;
}

/* ---- names ---- */

static bool is_taken(Cli *cli, const char *name)
{
    g_auto(WireDomain) dom = { 0 };
    const WireDomainLookupByNameArgs call = { .name = (char *)name };

    return cli_call(cli, PROC_DOMAIN_LOOKUP_BY_NAME, &call, &dom, NULL);
}

static bool choose_name(InstallJob *job, Error **err)
{
    const char *asked = args_get(job->args, "name");
    g_autofree char *from_metadata = doc_get(job->install->domain, "name");
    const char *base = job->install->os.short_id ? job->install->os.short_id : "machine";

    if (!asked)
        asked = from_metadata;
    if (asked && (job->is_dry || job->prints || !is_taken(job->cli, asked))) {
        job->name = g_strdup(asked);
    } else if (asked) {
        error_set(err, ERROR_OPERATION_FAILED, "the name '%s' is already in use by another machine", asked);
        return error_hint(err, "'lodge undefine %s' forgets that one, --name chooses another name", asked);
    }
    for (unsigned i = 1; !job->name; i++) {
        g_autofree char *name = i == 1 ? g_strdup(base) : g_strdup_printf("%s-%u", base, i);
        if (!is_taken(job->cli, name))
            job->name = g_steal_pointer(&name);
    }
    doc_set(job->install->domain, "name", job->name);
    return true;
}

/* ---- the network that nobody named ---- */

static bool add_default_network(InstallJob *job, Error **err)
{
    g_auto(GStrv) given = args_get_list(job->args, "network");
    g_autoptr(Error) ignored = NULL;
    WireNetwork net = { 0 };
    const WireNetworkLookupByNameArgs call = { .name = (char *)"default" };

    if (given[0] || args_has(job->args, "nonetworks"))
        return true;
    const bool has = cli_call(job->cli, PROC_NETWORK_LOOKUP_BY_NAME, &call, &net, &ignored);
    wire_clear(WIRE_TYPE_NETWORK_LOOKUP_BY_NAME_RET, &net);
    return install_take(job->install, "network", has ? "network=default" : "user", err);
}

static bool add_default_disk(InstallJob *job, Error **err)
{
    g_auto(GStrv) given = args_get_list(job->args, "disk"), folders = args_get_list(job->args, "filesystem");

    if (given[0] || folders[0] || args_has(job->args, "nodisks") || job->install->method == METHOD_NONE ||
        !job->install->os.disk_bytes)
        return true;
    g_autofree char *text = g_strdup_printf("size=%" G_GUINT64_FORMAT, job->install->os.disk_bytes >> 30);
    return install_take(job->install, "disk", text, err);
}

/* --metadata os_name= names a system, too. */
static bool system_of_metadata(InstallJob *job)
{
    if (job->install->os_asked && !job->install->os.id)
        use_system(job, job->install->os_asked);
    return true;
}

/* An installer of Windows that nobody watches finds the drivers that the host has. */
static bool add_drivers(InstallJob *job, Error **err)
{
    static const char image[] = "/usr/share/virtio-win/virtio-win.iso";
    bool is_named = false;

    for (guint i = 0; i < job->install->disks->len; i++) {
        const char *path = install_disk(job->install, i)->path;
        is_named = is_named || (path && strstr(path, "virtio-win"));
    }
    if (!is_named && install_is_windows(job->install) && args_has(job->args, "unattended") &&
        cli_is_local(job->cli) && access(image, R_OK) == 0 && !install_add_medium(job->install, image, err))
        return false;
    install_use_drivers(job->install);
    return true;
}

static bool add_medium(InstallJob *job, Error **err)
{
    return (!job->medium || install_add_medium(job->install, job->medium, err)) && add_drivers(job, err);
}

/* ---- all of it ---- */

static bool print_documents(InstallJob *job)
{
    const char *which = args_get(job->args, "print-xml");
    const InstallBoot boot = { .kernel = job->kernel,
                               .initrd = job->initrd,
                               .arguments = job->arguments->str };
    const bool two = job->install->method != METHOD_NONE;
    g_autofree char *first = two ? install_first_document(job->install, &boot) : NULL;
    g_autofree char *last = install_document(job->install);

    if (first && strcmp(which, "2") != 0)
        cli_print_text(job->cli, "install", first);
    if (!first || strcmp(which, "1") != 0)
        cli_print_text(job->cli, "xml", last);
    return true;
}

/* ---- a machine that is there ---- */

/* Its definition in the place of a new one; it must not run. */
static bool take_machine(InstallJob *job, Error **err)
{
    const char *name = args_get(job->args, "reinstall");
    const WireDomainLookupByNameArgs find = { .name = (char *)name };
    g_autofree char *xml = NULL;
    bool is_active = false;
    OsFacts facts = { 0 };

    if (job->install->method == METHOD_NONE) {
        error_set(err, ERROR_INVALID_ARGUMENT, "--reinstall: nothing says how '%s' is installed", name);
        return error_hint(err, "--cdrom, --location, --pxe or --install");
    }
    if (!cli_call(job->cli, PROC_DOMAIN_LOOKUP_BY_NAME, &find, &job->dom, err) ||
        !cli_domain_is_active(job->cli, &job->dom, &is_active, err))
        return false;
    if (is_active) {
        error_set(err, ERROR_INVALID_STATE, "machine '%s' runs", name);
        return error_hint(err, "'lodge shutdown %s' first", name);
    }
    if (!cli_domain_xml(job->cli, &job->dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE, &xml, err) ||
        !install_take_over(job->install, xml, err))
        return false;
    g_autofree char *os = doc_get(job->install->domain, "metadata/libosinfo/os/@id");
    if (!job->install->os.id && os && os_db_find(job->db, os, &facts))
        job->install->os = facts;
    job->name = g_strdup(name);
    return true;
}

static bool prepare_again(InstallJob *job, Error **err)
{
    if (!take_checks(job, err) || !take_platform(job, err) || !take_system(job, err) ||
        !take_method(job, err) || !install_source_look(job, err) || !take_machine(job, err) ||
        !add_medium(job, err) || !install_answers(job, err) || !install_storage(job, err))
        return false;
    install_finish_disks(job->install);
    return true;
}

static bool prepare(InstallJob *job, Error **err)
{
    if (args_has(job->args, "reinstall"))
        return prepare_again(job, err);
    return take_checks(job, err) && take_platform(job, err) && take_system(job, err) &&
           take_method(job, err) && install_source_look(job, err) && take_devices(job, err) &&
           system_of_metadata(job) && add_medium(job, err) && choose_name(job, err) &&
           install_answers(job, err) && place_platform(job->cli, job->install, err) &&
           add_default_disk(job, err) && add_default_network(job, err) && install_storage(job, err) &&
           install_hostdevs(job, err) && install_finish(job->install, err);
}

static bool run(InstallJob *job, Error **err)
{
    undo_push(&job->undo, install_source_clear, job);
    undo_push(&job->undo, install_source_remove, job);
    if (!prepare(job, err))
        return false;
    if (!job->is_dry && !install_storage_make(job, err))
        return false;
    if (!install_source_fetch(job, err))
        return false;
    if (job->prints) {
        if (!job->is_dry)
            undo_keep(&job->undo);
        return print_documents(job);
    }
    if (job->is_dry) {
        cli_message(job->cli, "Dry run completed successfully");
        return true;
    }
    return install_start(job, err);
}

static void job_clear(InstallJob *job)
{
    undo_clear(&job->undo);
    install_free(job->install);
    os_db_free(job->db);
    g_free(job->name);
    g_free(job->medium);
    g_free(job->location);
    g_free(job->tree_kernel);
    g_free(job->tree_initrd);
    g_free(job->kernel);
    g_free(job->initrd);
    g_free(job->kernel_source);
    g_free(job->initrd_source);
    g_string_free(job->arguments, TRUE);
    g_free(job->tree_url);
    g_free(job->answers);
    if (job->injected)
        explicit_bzero(job->injected, strlen(job->injected));
    g_free(job->injected);
    install_source_clear(job);
    g_ptr_array_unref(job->made);
    g_ptr_array_unref(job->volumes);
    wire_clear(WIRE_TYPE_DOMAIN, &job->dom);
}

static bool install_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(Interrupt) interrupt = { 0 };
    g_auto(GStrv) systems = NULL;

    if (print_subs(cli, args))
        return true;
    InstallJob job = { .cli = cli,
                       .args = args,
                       .install = install_new(),
                       .db = os_db_new(NULL),
                       .arguments = g_string_new(NULL),
                       .made = g_ptr_array_new_with_free_func(g_free),
                       .volumes = g_ptr_array_new_with_free_func(install_volume_free),
                       .is_dry = args_has(args, "dry-run"),
                       .prints = args_has(args, "print-xml") };
    systems = args_get_list(args, "os-variant");
    cli_doing(cli, "cannot install");
    interrupt_begin(&interrupt, cli);
    const bool ok = g_strv_contains((const char *const *)systems, "list") ? print_systems(&job)
                    : cli_connect(cli, err)                               ? run(&job, err)
                                                                          : false;
    job_clear(&job);
    return ok;
}

const CliCommand *commands_install(void)
{
    static CliCommand commands[] = {
        COMMAND("install", GROUP_DOMAIN, "make a machine and install a system in it", NULL, install_run,
                .flags = CLI_NO_CONNECT,
                .doc = "Options and their sub-options have the names that virt-install gives them; "
                       "--OPTION=? lists the "
                       "sub-options of one. What nobody says follows from the system (--osinfo), which is "
                       "looked for on "
                       "the medium. In two phases the machine first starts as it installs, and when that is "
                       "done, as it "
                       "is to be."),
        { 0 },
    };

    commands[0].options = all_options();
    return commands;
}
