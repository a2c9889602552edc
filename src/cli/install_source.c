/* Where a system is installed from: a medium, a tree on a server, a folder, files by hand. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/domain.h"
#include "cli/install_job.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "install/document.h"
#include "install/initrd.h"
#include "install/media_run.h"

#define QUIET_MS 60000
#define STALL_S 30
#define BOOT_FOLDER "/var/lib/libvirt/boot"
/* Of the daemon that we talk to: beside its socket's root if it has one of its own. */
static char *boot_folder(const InstallJob *job)
{
    const char *socket = job->cli->uri ? strstr(job->cli->uri, "socket=") : NULL;
    const char *end = socket ? strstr(socket, "/run/libvirt/") : NULL;

    return end ? g_strdup_printf("%.*s" BOOT_FOLDER, (int)(end - socket - 7), socket + 7)
               : g_strdup(BOOT_FOLDER);
}

#define TREEINFO_MAX ((size_t)1 << 20)

/* Kernel and initrd of trees and media that nobody described, the commoner first. */
static const struct {
    const char *kernel, *initrd;
} usual_places[] = {
    { "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img" },
    { "install.amd/vmlinuz", "install.amd/initrd.gz" },
    { "casper/vmlinuz", "casper/initrd" },
    { "casper/vmlinuz", "casper/initrd.gz" },
    { "current/images/netboot/debian-installer/amd64/linux",
      "current/images/netboot/debian-installer/amd64/initrd.gz" },
    { "current/legacy-images/netboot/ubuntu-installer/amd64/linux",
      "current/legacy-images/netboot/ubuntu-installer/amd64/initrd.gz" },
    { "current/images/netboot/ubuntu-installer/amd64/linux",
      "current/images/netboot/ubuntu-installer/amd64/initrd.gz" },
    { "debian-installer/amd64/linux", "debian-installer/amd64/initrd.gz" },
    { "boot/x86_64/loader/linux", "boot/x86_64/loader/initrd" },
    { "boot/x86_64/vmlinuz-linux", "boot/x86_64/initramfs-linux.img" },
    { "arch/boot/x86_64/vmlinuz-linux", "arch/boot/x86_64/initramfs-linux.img" },
    { "boot/vmlinuz-lts", "boot/initramfs-lts" },
    { "boot/vmlinuz-virt", "boot/initramfs-virt" },
    { "isolinux/x86_64/vmlinuz", "isolinux/x86_64/all.rdz" },
    { "isolinux/vmlinuz", "isolinux/initrd.img" },
    { "install/vmlinuz", "install/initrd.gz" },
    { "live/vmlinuz", "live/initrd.img" },
    { "linux", "initrd.gz" },
    { "vmlinuz", "initrd.img" },
    { "vmlinuz", "initrd" },
};

static bool is_url(const char *text)
{
    return g_str_has_prefix(text, "http://") || g_str_has_prefix(text, "https://") ||
           g_str_has_prefix(text, "ftp://");
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Scratch space that goes with the command. */
static bool make_folder(InstallJob *job, Error **err)
{
    if (job->folder)
        return true;
    g_autofree char *template = g_build_filename(g_get_tmp_dir(), "lodge-install-XXXXXX", NULL);
    if (!g_mkdtemp(template))
        return error_set_errno(err, errno, "cannot make a folder in '%s'", g_get_tmp_dir());
    job->folder = g_steal_pointer(&template);
    return true;
}

void install_source_clear(void *arg)
{
    InstallJob *job = arg;

    if (job->folder)
        (void)!file_remove_tree(job->folder, NULL); /* best effort: it lies in a folder for such */
    g_free(job->folder);
    job->folder = NULL;
}

/* ---- media: what lodge-media says of an image ---- */

static bool read_image(InstallJob *job, const char *path, Json *wanted, Json **ret_found, Error **err)
{
    if (!make_folder(job, err)) {
        json_decref(wanted);
        return false;
    }
    AUTO_JSON request = json_pack("{s:s, s:s, s:o}", "path", path, "folder", job->folder, "files", wanted);
    return media_run("extract", request, NULL, QUIET_MS, ret_found, err);
}

static void copy_label(const Json *found, IsoLabel *ret_label)
{
    const Json *label = json_get_obj(found, "label");

    *ret_label = (IsoLabel){ 0 };
    g_strlcpy(ret_label->volume, json_get_str(label, "volume") ?: "", sizeof(ret_label->volume));
    g_strlcpy(ret_label->system, json_get_str(label, "system") ?: "", sizeof(ret_label->system));
    g_strlcpy(ret_label->publisher, json_get_str(label, "publisher") ?: "", sizeof(ret_label->publisher));
    g_strlcpy(ret_label->application, json_get_str(label, "application") ?: "",
              sizeof(ret_label->application));
}

static void use_media(InstallJob *job, const OsMedia *media, const char *what)
{
    if (job->os_detects) {
        job->install->os = media->os;
        if (!job->cli->quiet && !job->prints)
            cli_say(job->cli, "Using %s (%s), which %s was recognised as\n", media->os.short_id,
                    media->os.name, what);
    }
    if (!job->tree_kernel && media->kernel && media->initrd) {
        job->tree_kernel = g_strdup(media->kernel);
        job->tree_initrd = g_strdup(media->initrd);
    }
}

static bool look_at_image(InstallJob *job, const char *path, Error **err)
{
    AUTO_JSON found = NULL;
    IsoLabel label;
    OsMedia media = { 0 };

    if (!read_image(job, path, json_array(), &found, err))
        return false;
    copy_label(found, &label);
    if (os_db_detect_iso(job->db, &label, &media))
        use_media(job, &media, path);
    return true;
}

/* ---- trees ---- */

static char *below(const char *tree, const char *name)
{
    return g_strconcat(tree, g_str_has_suffix(tree, "/") ? "" : "/", name, NULL);
}

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    CliProgress *progress = arg;

    progress->total = total;
    progress_update(progress, done);
}

/* A file of a server into our folder. ERROR_NO_STORAGE_VOL and the like: it does not have it. */
static bool fetch(InstallJob *job, const char *url, const char *name, bool is_image, Error **err)
{
    g_autofree char *part = g_strdup_printf("%s/%s.part", job->folder, name);
    g_autofree char *path = g_build_filename(job->folder, name, NULL);
    AUTO_JSON request =
        json_pack("{s:s, s:s, s:b, s:i}", "url", url, "part", part, "is_image", is_image, "stall_s", STALL_S);
    AUTO_JSON result = NULL;
    CliProgress bar;
    const MediaProgress progress = { .func = show_progress, .arg = &bar };

    progress_begin(&bar, job->cli, name, 0, true);
    const bool ok = media_run("fetch", request, &progress, UINT64_C(2) * QUIET_MS, &result, err);
    progress_end(&bar);
    if (!ok)
        return false;
    return rename(part, path) == 0 || error_set_errno(err, errno, "cannot rename '%s'", part);
}

/* "./vmlinuz" of a folder: a link is as good as a file. */
static bool copy_file(const char *from, const char *to, Error **err)
{
    g_autofree char *text = NULL;
    gsize len = 0;
    g_autoptr(GError) error = NULL;

    if (!g_file_get_contents(from, &text, &len, &error) ||
        !g_file_set_contents(to, text, (gssize)len, &error))
        return error_set(err, ERROR_SYSTEM, "cannot copy '%s': %s", from, error->message);
    return true;
}

/* *ret_text NULL: it has none. A server that does not answer will not do so for the kernel either. */
static bool read_treeinfo(InstallJob *job, char **ret_text, Error **err)
{
    static const char *const names[] = { ".treeinfo", "treeinfo" };

    for (size_t i = 0; i < G_N_ELEMENTS(names) && !*ret_text; i++) {
        g_autofree char *place = below(job->location, names[i]);
        g_autofree char *copy = g_build_filename(job->folder, "treeinfo", NULL);
        g_autoptr(Error) failed = NULL;
        gsize len = 0;
        if (!is_url(job->location))
            (void)g_file_get_contents(place, ret_text, &len, NULL);
        else if (fetch(job, place, "treeinfo", false, &failed))
            (void)g_file_get_contents(copy, ret_text, &len, NULL);
        else if (error_code(failed) == ERROR_CANCELLED || error_code(failed) == ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&failed));
        if (len > TREEINFO_MAX)
            g_clear_pointer(ret_text, g_free);
    }
    return true;
}

/* What a tree says of where its kernel is. */
static void use_treeinfo(InstallJob *job, const char *text)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    OsMedia media = { 0 };

    if (os_db_detect_tree(job->db, text, &media))
        use_media(job, &media, job->location);
    if (!g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, NULL))
        return;
    g_autofree char *arch = g_key_file_get_string(file, "general", "arch", NULL);
    g_autofree char *group = g_strdup_printf("images-%s", arch ? arch : "x86_64");
    g_autofree char *kernel = g_key_file_get_string(file, group, "kernel", NULL);
    g_autofree char *initrd = g_key_file_get_string(file, group, "initrd", NULL);
    if (kernel && initrd) {
        install_set(&job->tree_kernel, kernel);
        install_set(&job->tree_initrd, initrd);
    }
}

static bool look_at_tree(InstallJob *job, Error **err)
{
    if (!make_folder(job, err))
        return false;
    g_autofree char *asked_kernel = g_strdup(job->tree_kernel), *asked_initrd = g_strdup(job->tree_initrd);
    g_autofree char *text = NULL;
    if (!read_treeinfo(job, &text, err))
        return error_prefix(err, "looking at '%s'", job->location);
    if (text)
        use_treeinfo(job, text);
    if (asked_kernel)
        install_set(&job->tree_kernel, asked_kernel);
    if (asked_initrd)
        install_set(&job->tree_initrd, asked_initrd);
    job->tree_url = is_url(job->location) ? g_strdup(job->location) : NULL;
    return true;
}

bool install_source_look(InstallJob *job, Error **err)
{
    Install *install = job->install;

    if (job->location && !is_url(job->location) && !is_folder(job->location)) {
        if (access(job->location, R_OK) != 0) {
            error_set_errno(err, errno, "cannot read '%s'", job->location);
            return error_hint(err, "a tree is a URL (http, https, ftp), a folder or an ISO image; one on NFS "
                                   "is mounted first");
        }
        install_set(&job->medium, job->location);
    }
    if (job->location && (is_url(job->location) || is_folder(job->location)))
        return look_at_tree(job, err);
    if (!job->medium)
        return true;
    g_autofree char *path = g_canonicalize_filename(job->medium, NULL);
    install_set(&job->medium, path);
    install->ejects_media = install->method != METHOD_NONE;
    /* A drive of the host is the daemon's to open; an image on another host cannot be looked at from here. */
    struct stat st;
    if (cli_is_local(job->cli) && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
        (job->os_detects || install->method == METHOD_LOCATION))
        return look_at_image(job, path, err);
    return true;
}

/* ---- kernel and initrd ---- */

static bool find_in_image(InstallJob *job, Error **err)
{
    AUTO_JSON found = NULL;
    Json *wanted = json_array();

    if (job->tree_kernel) {
        json_array_append_new(wanted, json_string(job->tree_kernel));
        json_array_append_new(wanted, json_string(job->tree_initrd ? job->tree_initrd : ""));
    }
    for (size_t i = 0; !job->tree_kernel && i < G_N_ELEMENTS(usual_places); i++) {
        json_array_append_new(wanted, json_string(usual_places[i].kernel));
        json_array_append_new(wanted, json_string(usual_places[i].initrd));
    }
    if (!read_image(job, job->medium, wanted, &found, err))
        return false;
    const Json *files = json_get_obj(found, "files");
    for (size_t i = 0; i == 0 || (!job->tree_kernel && i < G_N_ELEMENTS(usual_places)); i++) {
        const char *kernel = job->tree_kernel ? job->tree_kernel : usual_places[i].kernel;
        const char *initrd = job->tree_kernel ? job->tree_initrd : usual_places[i].initrd;
        const char *kernel_file = json_get_str(files, kernel);
        const char *initrd_file = initrd ? json_get_str(files, initrd) : NULL;
        if (!kernel_file || (initrd && !initrd_file))
            continue;
        job->kernel = g_build_filename(job->folder, kernel_file, NULL);
        job->initrd = initrd_file ? g_build_filename(job->folder, initrd_file, NULL) : NULL;
        return true;
    }
    error_set(err, ERROR_NOT_SUPPORTED, "no kernel and initrd of an installer are known in '%s'",
              job->medium);
    return error_hint(err,
                      "--location %s,kernel=PLACE,initrd=PLACE says where in there they are; --cdrom boots "
                      "it as it is",
                      job->medium);
}

static bool take_pair(InstallJob *job, const char *kernel, const char *initrd, Error **err)
{
    const char *const from[] = { kernel, initrd };
    static const char *const names[] = { "vmlinuz", "initrd" };
    char **const to[] = { &job->kernel, &job->initrd };

    for (size_t i = 0; i < G_N_ELEMENTS(from); i++) {
        g_autofree char *path = g_build_filename(job->folder, names[i], NULL);
        if (!from[i])
            continue;
        if (is_url(from[i])) {
            if (!job->cli->quiet && !job->prints)
                cli_say(job->cli, "Retrieving '%s'...\n", names[i]);
            if (!fetch(job, from[i], names[i], true, err))
                return error_prefix(err, "fetching '%s'", from[i]);
        } else if (!copy_file(from[i], path, err)) {
            return false;
        }
        install_set(to[i], path);
    }
    return true;
}

/* Whether a failure says that the file is not there, and another place may have it. */
static bool is_missing(const Error *err)
{
    return error_code(err) == ERROR_NO_STORAGE_VOL || error_code(err) == ERROR_SYSTEM;
}

static bool find_in_tree(InstallJob *job, Error **err)
{
    if (job->tree_kernel) {
        g_autofree char *kernel = below(job->location, job->tree_kernel);
        g_autofree char *initrd = job->tree_initrd ? below(job->location, job->tree_initrd) : NULL;
        return take_pair(job, kernel, initrd, err);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(usual_places); i++) {
        g_autofree char *kernel = below(job->location, usual_places[i].kernel);
        g_autofree char *initrd = below(job->location, usual_places[i].initrd);
        g_autoptr(Error) failed = NULL;
        if (take_pair(job, kernel, initrd, &failed))
            return true;
        if (!is_missing(failed))
            return error_propagate(err, g_steal_pointer(&failed));
    }
    error_set(err, ERROR_NOT_SUPPORTED, "no kernel and initrd of an installer are known in the tree '%s'",
              job->location);
    return error_hint(err, "--location TREE,kernel=PLACE,initrd=PLACE says where in there they are");
}

/* Where QEMU may read: the boot folder of a daemon of this host. */
bool install_source_place(InstallJob *job, const char *what, char **ret_path, Error **err)
{
    g_autofree char *folder =
        job->cli->root ? g_build_filename(job->cli->root, BOOT_FOLDER, NULL) : boot_folder(job);

    if (!cli_is_local(job->cli))
        return error_set(err, ERROR_NOT_SUPPORTED, "'%s' can be given to a daemon of this host only", what);
    if (job->is_dry || job->prints) {
        *ret_path = make_folder(job, err) ? g_build_filename(job->folder, what, NULL) : NULL;
        return *ret_path != NULL;
    }
    if (g_mkdir_with_parents(folder, 0711) < 0)
        return error_set_errno(err, errno, "cannot make '%s'", folder);
    *ret_path = g_strdup_printf("%s/lodge-%s-%s", folder, job->name, what);
    g_ptr_array_add(job->made, g_strdup(*ret_path));
    return true;
}

static bool publish(InstallJob *job, char **path, const char *what, Error **err)
{
    g_autofree char *place = NULL;

    if (!*path)
        return true;
    if (!install_source_place(job, what, &place, err) ||
        (strcmp(place, *path) != 0 && !copy_file(*path, place, err)))
        return false;
    /* With answers in it it is not for everybody; the daemon lends it to QEMU's user. */
    if (chmod(place, job->injected ? 0600 : 0644) < 0)
        return error_set_errno(err, errno, "cannot make '%s' readable", place);
    install_set(path, place);
    return true;
}

/* What the installer needs to find the rest, if nobody says it. */
static void add_arguments(InstallJob *job)
{
    const char *distro = job->install->os.distro;
    const char *key =
        !distro ? NULL
        : strcmp(distro, "fedora") == 0 || strcmp(distro, "rhel") == 0 || strcmp(distro, "centos") == 0 ||
                strcmp(distro, "almalinux") == 0 || strcmp(distro, "rocky") == 0
            ? "inst.repo"
        : strcmp(distro, "opensuse") == 0 || strcmp(distro, "sles") == 0 || strcmp(distro, "sled") == 0
            ? "install"
            : NULL;

    if (!job->tree_url || job->arguments_alone || !key || strstr(job->arguments->str, key))
        return;
    g_string_append_printf(job->arguments, "%s%s=%s", job->arguments->len ? " " : "", key, job->tree_url);
}

void install_source_remove(void *arg)
{
    InstallJob *job = arg;

    for (guint i = 0; i < job->made->len; i++)
        (void)unlink(job->made->pdata[i]); /* it may be gone */
}

void install_source_end(InstallJob *job)
{
    for (guint i = 0; i < job->made->len; i++)
        if (g_strcmp0(job->made->pdata[i], job->answers) != 0)
            (void)unlink(job->made->pdata[i]);
}

bool install_source_fetch(InstallJob *job, Error **err)
{
    g_auto(GStrv) injected = args_get_list(job->args, "initrd-inject");
    const InstallMethod method = job->install->method;

    if (method != METHOD_LOCATION && method != METHOD_KERNEL)
        return !injected[0] ||
               error_set(err, ERROR_INVALID_ARGUMENT, "--initrd-inject needs the initrd of --location");
    if (!make_folder(job, err))
        return false;
    const bool ok = method == METHOD_KERNEL ? take_pair(job, job->kernel_source, job->initrd_source, err)
                    : job->medium           ? find_in_image(job, err)
                                            : find_in_tree(job, err);
    if (!ok)
        return false;
    if ((injected[0] || job->injected) && !job->initrd)
        return error_set(err, ERROR_INVALID_ARGUMENT, "there is no initrd that files could be added to");
    for (char **file = injected; *file; file++)
        if (!initrd_inject(job->initrd, *file, NULL, err))
            return error_prefix(err, "--initrd-inject %s", *file);
    if (job->injected &&
        !initrd_inject_text(job->initrd, job->injected_name, job->injected, strlen(job->injected), err))
        return error_prefix(err, "adding answers to the initrd");
    add_arguments(job);
    return publish(job, &job->kernel, "vmlinuz", err) && publish(job, &job->initrd, "initrd", err);
}
