/* `lodge disk`: what is inside of the disks of machines, without the machine.
 *
 * libguestfs does the work, in programs of its own: a command here finds out from the daemon which images are
 * meant, of which format they are, and whether somebody needs them, and hands them over. The programs run as
 * whoever calls, on this host. What is only read may belong to a running machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "cli/class.h"
#include "cli/commands.h"
#include "cli/disk_nbd.h"
#include "cli/lodge_call.h"
#include "cli/output.h"

#define PACKAGE "libguestfs-tools"
#define OUTPUT_MAX (32u << 20)

typedef struct DiskTool {
    const char *verb; /* "ls" */
    const char *program;
    const char *otherwise; /* options if none are given; NULL: none */
    const char *last;      /* the last word if there is but one; NULL: none */
    bool writes;
} DiskTool;

static const DiskTool tools[] = {
    { "ls", "virt-ls", NULL, NULL, false },
    { "cat", "virt-cat", NULL, NULL, false },
    { "get", "virt-copy-out", NULL, ".", false },
    { "put", "virt-copy-in", NULL, NULL, true },
    { "edit", "virt-edit", NULL, NULL, true },
    { "df", "virt-df", "-h", NULL, false },
    { "filesystems", "virt-filesystems", "-lh --all", NULL, false },
    { "inspect", "virt-inspector", NULL, NULL, false },
    { "resize", "virt-resize", NULL, NULL, false },
    { "sysprep", "virt-sysprep", NULL, NULL, true },
    { "customize", "virt-customize", NULL, NULL, true },
    { "shell", "guestfish", NULL, NULL, false },
};

/* What is meant by the words of the command. */
typedef struct DiskWork {
    Cli *cli;
    const CliArgs *args;
    const DiskTool *tool;
    bool writes;
    GPtrArray *images; /* of DiskImage */
} DiskWork;

typedef struct DiskImage {
    char *path, *format;
    DiskNbd *nbd; /* of an encrypted one; NULL */
} DiskImage;

static void disk_image_free(void *data)
{
    DiskImage *image = data;

    disk_nbd_stop(image->nbd);
    g_free(image->path);
    g_free(image->format);
    g_free(image);
}

static const DiskImage *disk_image(const DiskWork *work, guint index)
{
    return g_ptr_array_index(work->images, index);
}

/* Where the programs find it, and in which format. */
static const char *disk_image_place(const DiskImage *image)
{
    return image->nbd ? disk_nbd_uri(image->nbd) : image->path;
}

static const char *disk_image_format(const DiskImage *image)
{
    return image->nbd ? "raw" : image->format;
}

/* By which secret, says the volume that the image is. */
static bool disk_decrypt_volume(DiskWork *work, DiskImage *image, bool writes, Error **err)
{
    const WireStorageVolLookupByPathArgs find = { .path = image->path };
    g_auto(WireStorageVolGetXmlDescArgs) args = { 0 };
    g_auto(WireStorageVolGetXmlDescRet) ret = { 0 };
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) nodes = NULL;

    if (!cli_call(work->cli, PROC_STORAGE_VOL_LOOKUP_BY_PATH, &find, &args.vol, err))
        return error_prefix(err, "image '%s' is encrypted and no volume says by which secret", image->path);
    if (!cli_call(work->cli, PROC_STORAGE_VOL_GET_XML_DESC, &args, &ret, err) ||
        !xml_parse(ret.xml, &doc, err) || !xml_select(doc, NULL, "/volume/target/encryption", &nodes, err))
        return false;
    return nodes->len ? disk_nbd_start(work->cli, image->path, image->format, doc, nodes->pdata[0],
                                       writes ? DISK_NBD_WRITE : DISK_NBD_LOOK, &image->nbd, err)
                      : error_set(err, ERROR_NOT_SUPPORTED, "image '%s' is encrypted in an unknown way",
                                  image->path);
}

/* @encryption (of @doc): what a machine says of it; NULL: nothing. */
static bool disk_add_image(DiskWork *work, const char *name, const char *format, XmlDoc *doc,
                           xmlNode *encryption, bool writes, Error **err)
{
    g_autofree char *absolute = name[0] == '.' ? g_canonicalize_filename(name, NULL) : g_strdup(name);
    const WireLodgeImageInfoArgs call = { .image = absolute,
                                          .format = (char *)format,
                                          .flags = writes ? LODGE_IMAGE_INFO_TO_WRITE : 0 };
    g_auto(WireLodgeImageInfoRet) ret = { 0 };
    AUTO_JSON list = NULL;

    if (!lodge_call(work->cli, LODGE_PROC_IMAGE_INFO, &call, &ret, WIRE_NO_TIMEOUT, err) ||
        !json_parse(ret.json, strlen(ret.json), "the daemon's answer", &list, err))
        return false;
    const Json *top = json_array_get(list, 0);
    const char *path = json_get_str(top, "path"), *driver = json_get_str(top, "format");
    if (!path || path[0] != '/' || !driver)
        return error_set(err, ERROR_NOT_SUPPORTED, "image '%s' is no file and no device of this host", name);
    DiskImage *image = g_new0(DiskImage, 1);
    image->path = g_strdup(path);
    image->format = g_strdup(driver);
    g_ptr_array_add(work->images, image);
    if (encryption)
        return disk_nbd_start(work->cli, path, driver, doc, encryption,
                              writes ? DISK_NBD_WRITE : DISK_NBD_LOOK, &image->nbd, err);
    return !json_get_str(top, "encryption") || disk_decrypt_volume(work, image, writes, err);
}

/* ---- a machine ---- */

static bool disk_check_idle(const DiskWork *work, const WireDomain *dom, Error **err)
{
    const WireDomainHasManagedSaveImageArgs saved_args = { .dom = *dom };
    WireDomainHasManagedSaveImageRet saved = { 0 };
    bool is_active = false;

    if (!cli_domain_is_active(work->cli, dom, &is_active, err))
        return false;
    if (is_active) {
        error_set(err, ERROR_INVALID_STATE, "cannot write to the disks of machine '%s': it is running",
                  dom->name);
        return error_hint(err, "'lodge shutdown %s' first; what only reads works meanwhile", dom->name);
    }
    if (!cli_call(work->cli, PROC_DOMAIN_HAS_MANAGED_SAVE_IMAGE, &saved_args, &saved, err))
        return false;
    if (!saved.result)
        return true;
    error_set(err, ERROR_INVALID_STATE,
              "cannot write to the disks of machine '%s': it is saved, and would go on with what it knew of "
              "them",
              dom->name);
    return error_hint(err,
                      "start it and shut it down, or give the saved state up with "
                      "'lodge managedsave-remove %s'",
                      dom->name);
}

static bool disk_add_one(DiskWork *work, const char *machine, XmlDoc *doc, xmlNode *node, const char *target,
                         Error **err)
{
    g_autofree char *type = xml_get(doc, node, "@type");
    g_autofree char *format = NULL, *image = domain_disk_image(doc, node, &format);
    g_autoptr(GPtrArray) encryption = NULL;

    if (!image && (g_str_equal(type, "file") || g_str_equal(type, "block")))
        return true; /* empty */
    if (!image) {
        error_set(err, ERROR_NOT_SUPPORTED, "disk '%s' of machine '%s' is no file and no device of this host",
                  target, machine);
        return error_hint(err, "choose another with --disk");
    }
    return xml_select(doc, node, "./encryption | ./source/encryption", &encryption, err) &&
           disk_add_image(work, image, format, doc, encryption->len ? encryption->pdata[0] : NULL,
                          work->writes, err);
}

static bool disk_add_machine(DiskWork *work, const char *name, Error **err)
{
    const char *only = args_get(work->args, "disk");
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) nodes = NULL;

    if (!class_lookup_text(work->cli, &class_domain, work->args, name, &dom, err))
        return g_file_test(name, G_FILE_TEST_EXISTS) ? error_hint(err, "the file is './%s'", name) : false;
    if (work->writes && !disk_check_idle(work, &dom, err))
        return false;
    if (!cli_domain_xml(work->cli, &dom, 0, &xml, err) || !xml_parse(xml, &doc, err) ||
        !xml_select(doc, NULL, "/domain/devices/disk[not(@device) or @device='disk' or @device='lun']",
                    &nodes, err))
        return false;
    for (guint i = 0; i < nodes->len; i++) {
        g_autofree char *target = xml_get(doc, nodes->pdata[i], "./target/@dev");
        g_autofree char *read_only = xml_get(doc, nodes->pdata[i], "./readonly");
        if (only ? g_strcmp0(only, target) != 0 : work->writes && read_only)
            continue;
        if (!disk_add_one(work, dom.name, doc, nodes->pdata[i], target, err))
            return false;
    }
    if (work->images->len)
        return true;
    return only ? error_set(err, ERROR_INVALID_ARGUMENT, "machine '%s' has no disk '%s'", dom.name, only)
                : error_set(err, ERROR_INVALID_STATE, "machine '%s' has no disk%s", dom.name,
                            work->writes ? " that can be written to" : "");
}

/* ---- the program ---- */

static bool disk_find_program(const DiskTool *tool, GPtrArray *argv, Error **err)
{
    char *path = g_find_program_in_path(tool->program);

    if (path) {
        g_ptr_array_add(argv, path);
        return true;
    }
    error_set(err, ERROR_NOT_SUPPORTED, "cannot look into disks: '%s' is not installed on this host",
              tool->program);
    return error_hint(err, "it comes with libguestfs: install the package " PACKAGE);
}

/* Behind the program: options, images, and the other words. */
static bool disk_arguments(DiskWork *work, GPtrArray *argv, Error **err)
{
    char *const *words = args_get_many(work->args, "argument");
    const DiskTool *tool = work->tool;
    const bool is_resize = g_str_equal(tool->verb, "resize"), is_shell = g_str_equal(tool->verb, "shell");
    unsigned n_names = 0; /* words in front of the first that is an option */

    while (words[n_names] && words[n_names][0] != '-')
        n_names++;
    if (is_shell)
        g_ptr_array_add(argv, g_strdup(work->writes ? "--rw" : "--ro"));
    for (char *const *word = words + n_names; *word; word++)
        g_ptr_array_add(argv, g_strdup(*word));
    g_auto(GStrv) otherwise = g_strsplit(tool->otherwise && !words[n_names] ? tool->otherwise : "", " ", -1);
    for (char **word = otherwise; *word; word++)
        g_ptr_array_add(argv, g_strdup(*word));
    if (is_resize) {
        if (work->images->len != 1 || n_names != 1) {
            error_set(err, ERROR_INVALID_ARGUMENT, "one disk is resized into one other image");
            return error_hint(err, "--disk TARGET says which disk; the other image must be there, of the new "
                                   "size: 'lodge image create' makes it");
        }
        if (!disk_add_image(work, words[0], NULL, NULL, NULL, true, err))
            return false;
        const DiskImage *from = disk_image(work, 0), *to = disk_image(work, 1);
        g_ptr_array_add(argv, g_strdup_printf("--format=%s", disk_image_format(from)));
        g_ptr_array_add(argv, g_strdup_printf("--output-format=%s", disk_image_format(to)));
        g_ptr_array_add(argv, g_strdup(disk_image_place(from)));
        g_ptr_array_add(argv, g_strdup(disk_image_place(to)));
        return true;
    }
    for (guint i = 0; i < work->images->len; i++) {
        g_ptr_array_add(argv, g_strdup_printf("--format=%s", disk_image_format(disk_image(work, i))));
        g_ptr_array_add(argv, g_strdup("-a"));
        g_ptr_array_add(argv, g_strdup(disk_image_place(disk_image(work, i))));
    }
    for (unsigned i = 0; i < n_names; i++)
        g_ptr_array_add(argv, g_strdup(words[i]));
    if (tool->last && n_names == 1)
        g_ptr_array_add(argv, g_strdup(tool->last));
    return true;
}

static bool disk_execute(DiskWork *work, const GPtrArray *argv, Error **err)
{
    /* The images come from the daemon, not from libvirt's; whoever chose something else meant it. */
    g_auto(GStrv) env = g_environ_setenv(g_get_environ(), "LIBGUESTFS_BACKEND", "direct", FALSE);
    g_autofree char *cwd = g_get_current_dir(), *status = NULL;
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = { .argv = (const char *const *)argv->pdata,
                         .envp = (const char *const *)env,
                         .cwd = cwd,
                         .stdin_fd = -1,
                         .stdout_fd = -1,
                         .stderr_fd = -1 };

    if (work->cli->json) {
        if (!process_run(&spec, NULL, 0, OUTPUT_MAX, FIBER_NO_DEADLINE, &output, err))
            return false;
        if (output.status == 0) {
            cli_print_text(work->cli, "output", output.out);
            return true;
        }
        return error_set(err, ERROR_OPERATION_FAILED, "%s failed: %s", work->tool->program,
                         g_strstrip(output.err));
    }
    g_autoptr(Process) process = NULL;
    spec.stdin_fd = STDIN_FILENO;
    spec.stdout_fd = STDOUT_FILENO;
    spec.stderr_fd = STDERR_FILENO;
    fflush(work->cli->out);
    /* No deadline: what it does, and how long, is the user's business. */
    if (!process_start(&spec, &process, err) || !process_wait(process, FIBER_NO_DEADLINE, err))
        return false;
    if (process_status(process) == 0)
        return true;
    status = process_describe_status(process);
    return error_set(err, ERROR_OPERATION_FAILED, "%s failed: %s", work->tool->program, status);
}

static bool disk_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *verb = cli_args_command(args)->name + strlen("disk-"), *target = args_get(args, "target");
    g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func(disk_image_free);
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    DiskWork work = { .cli = cli, .args = args, .tool = tools, .images = images };

    while (!g_str_equal(work.tool->verb, verb))
        work.tool++;
    work.writes = work.tool->writes ||
                  (command_find_option(cli_args_command(args), "write") && args_has(args, "write"));
    cli_doing(cli, "Failed to %s '%s'", cli_args_command(args)->done, target);
    if (!cli_is_local(cli)) {
        error_set(err, ERROR_NOT_SUPPORTED, "the disks are on another host than this command");
        return error_hint(err, "run 'lodge disk %s' on that host, for example through ssh", verb);
    }
    g_autofree char *doing = g_strdup(cli->doing);
    const bool found = strchr(target, '/') ? disk_add_image(&work, target, args_get(args, "format"), NULL,
                                                            NULL, work.writes, err)
                                           : disk_add_machine(&work, target, err);
    cli_doing(cli, "%s", doing);
    if (!found || !disk_find_program(work.tool, argv, err) || !disk_arguments(&work, argv, err))
        return false;
    g_ptr_array_add(argv, NULL);
    return disk_execute(&work, argv, err);
}

/* ---- the commands ---- */

#define OPT_TARGET(required, text)                                                                           \
    OPT(CLI_STRING, "target", "a machine, a volume as POOL/VOLUME, or the path of an image; ./FILE is one",  \
        .flags = CLI_REQUIRED, .complete = COMPLETE_DOMAIN),                                                 \
        OPT(CLI_STRING, "argument", text "; behind -- options of the program",                               \
            .flags = CLI_MANY | (required)),                                                                 \
        OPT_NAMED("disk", "this disk of the machine alone: its target"),                                     \
        OPT_NAMED("format", "format of the image; default: what the pool says, or what it looks like")

#define MOUNT_DOC                                                                                            \
    " Without an operating system inside, '-- -m /dev/sda1' says what is to be mounted; "                    \
    "'lodge disk filesystems' lists what there is."

static const CliOption path_options[] = { OPT_TARGET(CLI_REQUIRED, "the path inside"), { 0 } };
static const CliOption get_options[] = {
    OPT_TARGET(CLI_REQUIRED, "paths inside, and at the end the local folder (default: this one)"), { 0 }
};
static const CliOption put_options[] = {
    OPT_TARGET(CLI_REQUIRED, "local files or folders, and at the end the folder inside"), { 0 }
};
static const CliOption plain_options[] = { OPT_TARGET(0, "more words for the program"), { 0 } };
static const CliOption resize_options[] = { OPT_TARGET(CLI_REQUIRED, "the image that is written"), { 0 } };
static const CliOption shell_options[] = { OPT_TARGET(0, "commands of guestfish"),
                                           OPT_BOOL("write", "let it write, too"),
                                           { 0 } };

/* .done: what it does, for the headline of its failure. */
#define DISK_COMMAND(verb, text, rows, action, ...)                                                          \
    COMMAND("disk-" verb, GROUP_LODGE, text, rows, disk_run, .done = action, .json = "{\"output\": string}", \
            __VA_ARGS__)

const CliCommand commands_disk[] = {
    DISK_COMMAND("ls", "list files inside of a disk", path_options, "list files of",
                 .doc = "'lodge disk ls web /etc -- -lR' runs virt-ls -lR on the disks of machine "
                        "web." MOUNT_DOC),
    DISK_COMMAND("cat", "print files inside of a disk", path_options, "print files of",
                 .doc = "By virt-cat." MOUNT_DOC),
    DISK_COMMAND("get", "copy files out of a disk", get_options, "copy files out of",
                 .doc = "By virt-copy-out." MOUNT_DOC),
    DISK_COMMAND("put", "copy files into a disk", put_options, "copy files into",
                 .doc = "By virt-copy-in; the machine must be off." MOUNT_DOC),
    DISK_COMMAND("edit", "edit a file inside of a disk", path_options, "edit files of",
                 .doc =
                     "By virt-edit, with $EDITOR or '-- -e EXPRESSION'; the machine must be off." MOUNT_DOC),
    DISK_COMMAND("df", "show how full the file systems inside of a disk are", plain_options,
                 "look at the file systems of", .doc = "By virt-df."),
    DISK_COMMAND("filesystems", "list file systems, partitions and volumes inside of a disk", plain_options,
                 "list the file systems of", .doc = "By virt-filesystems."),
    DISK_COMMAND("inspect", "tell the operating system and the packages inside of a disk", plain_options,
                 "inspect", .doc = "By virt-inspector, as XML."),
    DISK_COMMAND("resize", "copy a disk into an image of another size, with its partitions", resize_options,
                 "resize",
                 .doc = "By virt-resize: 'lodge disk resize web images/larger -- --expand /dev/sda1'. The "
                        "other image must be there; nobody may need it. To let a disk grow where it is, see "
                        "'lodge disk grow'."),
    DISK_COMMAND("sysprep", "make the system inside of a disk ready for being cloned", plain_options,
                 "prepare", .doc = "By virt-sysprep; the machine must be off."),
    DISK_COMMAND("customize", "install and set up things in the system inside of a disk", plain_options,
                 "customize",
                 .doc = "By virt-customize: 'lodge disk customize web -- --hostname web --run-command ...'; "
                        "the machine must be off."),
    DISK_COMMAND("shell", "open disks in guestfish", shell_options, "open",
                 .doc = "Only for reading unless --write is given; '-- -i' mounts what the system inside "
                        "mounts."),
    { 0 },
};
