/* `lodge cp`: files and folders to and from a guest, by its agent.
 *
 * A file goes through the agent's own file commands; folders are packed and unpacked by tar on both sides.
 * The guest's names are never used here except by tar, which keeps what it unpacks below its folder. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/file.h"
#include "base/process.h"
#include "base/socket.h"
#include "cli/class.h"
#include "cli/commands.h"
#include "cli/exec.h"
#include "cli/output.h"
#include "cli/progress.h"

#define COPY_HELPER_MS 30000
#define COPY_TAR_MS (24 * 3600 * UINT64_C(1000))

typedef struct Copy {
    Cli *cli;
    Guest guest;
    WireDomain dom;
    bool from_guest, recursive;
    const char *here, *there; /* borrowed */
    uint64_t bytes, total;
    CliProgress progress;
} Copy;

/* What lies at a path of the guest. */
typedef struct Found {
    bool is_known; /* the guest could be asked */
    bool exists, is_folder;
    mode_t mode;
    uint64_t size;
} Found;

static void copy_advance(Copy *copy, size_t bytes)
{
    copy->bytes += bytes;
    progress_update(&copy->progress, copy->bytes);
}

/* ---- the guest's side ---- */

/* A guest without a shell or stat is not known to have anything. */
AWAITS static void copy_look(const Copy *copy, const char *path, Found *ret_found)
{
    const char *const argv[] = { "/bin/sh", "-c", "stat -L -c '%f %s' -- \"$1\" || echo none",
                                 "sh",      path, NULL };
    g_auto(GuestExit) ended = { 0 };
    unsigned mode;

    *ret_found = (Found){ .mode = 0644 };
    if (!guest_run(&copy->guest, argv, COPY_HELPER_MS, &ended, NULL))
        return;
    ret_found->is_known = true;
    if (sscanf(ended.out, "%x %" SCNu64, &mode, &ret_found->size) != 2)
        return;
    ret_found->exists = true;
    ret_found->is_folder = S_ISDIR(mode);
    ret_found->mode = mode & 07777;
}

static char *path_in(const char *folder, const char *path)
{
    g_autofree char *name = g_path_get_basename(path);

    return g_build_filename(folder, name, NULL);
}

/* ---- one file ---- */

static bool write_all(int fd, const char *data, size_t len, const char *path, Error **err)
{
    return file_write_all(fd, data, len) || error_set_errno(err, errno, "cannot write '%s'", path);
}

AWAITS static bool copy_read_into(Copy *copy, int fd, const char *path, Error **err)
{
    GuestFile file;
    size_t len = 1;

    if (!guest_file_open(&copy->guest, copy->there, "r", &file, err))
        return false;
    bool ok = true;
    while (ok && len > 0) {
        g_autofree char *data = NULL;
        ok = guest_file_read(&copy->guest, file, &data, &len, err) && write_all(fd, data, len, path, err);
        copy_advance(copy, ok ? len : 0);
    }
    (void)!guest_file_close(&copy->guest, file, NULL); /* all of it was read */
    return ok;
}

/* Under a name of its own until it is complete. */
AWAITS static bool copy_file_here(Copy *copy, const Found *found, Error **err)
{
    struct stat st;
    g_autofree char *inside = NULL;
    const char *path = copy->here;

    if (strcmp(path, "-") == 0)
        return copy_read_into(copy, STDOUT_FILENO, "the standard output", err);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        path = inside = path_in(path, copy->there);
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a device, a pipe */
        AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd < 0 ? error_set_errno(err, errno, "cannot open '%s'", path)
                      : copy_read_into(copy, fd, path, err);
    }
    g_autofree char *temp = g_strdup_printf("%s.XXXXXX", path);
    AUTO_FD fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot make a file beside '%s'", path);
    bool ok = copy_read_into(copy, fd, temp, err);
    if (ok && fchmod(fd, found->mode & 0777) < 0)
        ok = error_set_errno(err, errno, "cannot set the permissions of '%s'", path);
    if (ok && rename(temp, path) < 0)
        ok = error_set_errno(err, errno, "cannot put '%s' into place", path);
    if (!ok)
        (void)unlink(temp); /* best effort */
    return ok;
}

AWAITS static bool copy_write_from(Copy *copy, int fd, GuestFile file, Error **err)
{
    g_autofree char *buffer = g_malloc(GUEST_CHUNK_BYTES);

    for (;;) {
        const ssize_t n = read(fd, buffer, GUEST_CHUNK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(err, errno, "cannot read '%s'", copy->here);
        if (n == 0)
            return true;
        if (!guest_file_write(&copy->guest, file, buffer, (size_t)n, err))
            return false;
        copy_advance(copy, (size_t)n);
    }
}

AWAITS static bool copy_set_mode(const Copy *copy, const char *path, mode_t mode, Error **err)
{
    g_autofree char *text = g_strdup_printf("%o", mode & 0777);
    const char *const argv[] = { "/bin/sh", "-c", "chmod \"$1\" \"$2\"", "sh", text, path, NULL };
    g_auto(GuestExit) ended = { 0 };

    if (!guest_run(&copy->guest, argv, COPY_HELPER_MS, &ended, err))
        return false;
    return ended.code == 0 ||
           error_set(err, ERROR_OPERATION_FAILED, "the guest could not set the permissions of '%s'", path);
}

AWAITS static bool copy_file_there(Copy *copy, const Found *found, Error **err)
{
    const bool is_stdin = strcmp(copy->here, "-") == 0;
    g_autofree char *inside = found->is_folder ? path_in(copy->there, copy->here) : NULL;
    const char *path = inside ? inside : copy->there;
    GuestFile file;
    struct stat st = { .st_mode = 0644 };

    AUTO_FD fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(copy->here, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (!is_stdin && fstat(fd, &st) < 0))
        return error_set_errno(err, errno, "cannot open '%s'", copy->here);
    if (S_ISDIR(st.st_mode)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is a folder", copy->here);
        return error_hint(err, "-r copies folders");
    }
    copy->progress.total = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    if (!guest_file_open(&copy->guest, path, "w", &file, err))
        return false;
    const bool ok = copy_write_from(copy, fd, file, err);
    Error *close_err = NULL;
    const bool closed = guest_file_close(&copy->guest, file, &close_err);
    if (!ok || closed)
        error_free(close_err);
    else
        return error_propagate(err, close_err);
    /* A guest where nothing can be run has other ideas of permissions. */
    return ok && (is_stdin || !found->is_known || copy_set_mode(copy, path, st.st_mode, err));
}

/* ---- folders ---- */

typedef struct Unpack {
    Copy *copy;
    int fd;          /* tar's standard input here; -1: none */
    GString *errors; /* of the guest's tar */
} Unpack;

static bool unpack_take(void *arg, int stream, const char *data, size_t len, Error **err)
{
    Unpack *unpack = arg;

    if (stream == 2 || unpack->fd < 0) {
        if (unpack->errors->len < 4096)
            g_string_append_len(unpack->errors, data, (gssize)MIN(len, 4096));
        return true;
    }
    copy_advance(unpack->copy, len);
    return write_all(unpack->fd, data, len, "the unpacking tar", err);
}

static bool tar_failed(const char *where, const char *said, Error **err)
{
    g_autofree char *printable = text_printable(said);

    return error_set(err, ERROR_OPERATION_FAILED, "tar %s failed: %s", where,
                     *g_strstrip(printable) ? printable : "(it did not say why)");
}

/* @argv runs here, with a pipe in the place of its standard input or output; *ret_fd is the other end. */
AWAITS static bool tar_start(const char *const *argv, bool reads, Process **ret_process, int *ret_fd,
                             Error **err)
{
    int ends[2];
    g_autofree char *cwd = g_get_current_dir();

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set_errno(err, errno, "cannot make a pipe");
    AUTO_FD ours = ends[reads ? 1 : 0];
    AUTO_FD its = ends[reads ? 0 : 1];
    const ProcessSpec spec = { .argv = argv,
                               .cwd = cwd,
                               .stdin_fd = reads ? its : -1,
                               .stdout_fd = reads ? -1 : its,
                               .stderr_fd = STDERR_FILENO,
                               .die_with_parent = true };
    if (!process_start(&spec, ret_process, err))
        return false;
    *ret_fd = fd_steal(&ours);
    return true;
}

AWAITS static bool tar_end(Process *process, Error **err)
{
    if (!process_wait(process, COPY_TAR_MS, err))
        return false;
    const int status = process_status(process);
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) || tar_failed("here", "see above", err);
}

/* As cp does it: into a folder that is there, else under the new name. */
AWAITS static bool copy_folder_here(Copy *copy, const char *tar, Error **err)
{
    struct stat st;
    g_autofree char *inside = NULL;
    const char *path = copy->here;
    g_autoptr(Process) process = NULL;
    g_autoptr(GString) errors = g_string_new(NULL);
    int fd = -1, code = 0;

    if (stat(path, &st) == 0)
        path = inside = path_in(path, copy->there);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return error_set_errno(err, errno, "cannot make folder '%s'", path);
    const char *const here[] = { tar, "-x", "-C", path, "-f", "-", "--no-same-owner", NULL };
    const char *const there[] = { "tar", "-c", "-C", copy->there, "-f", "-", ".", NULL };
    if (!tar_start(here, true, &process, &fd, err))
        return false;
    Unpack unpack = { .copy = copy, .fd = fd, .errors = errors };
    const Exec exec = {
        .guest = &copy->guest, .argv = there, .stdin_fd = -1, .on_output = unpack_take, .arg = &unpack
    };
    bool ok = exec_run(&exec, &code, err);
    (void)close(fd);
    Error *why = NULL;
    const bool unpacked = tar_end(process, &why);
    if (ok && code != 0)
        ok = tar_failed("in the guest", errors->str, err);
    if (ok && !unpacked)
        return error_propagate(err, why);
    error_free(why);
    return ok;
}

AWAITS static bool copy_folder_there(Copy *copy, const char *tar, const Found *found, Error **err)
{
    g_autofree char *inside = found->exists ? path_in(copy->there, copy->here) : NULL;
    const char *path = inside ? inside : copy->there;
    g_autoptr(Process) process = NULL;
    g_autoptr(GString) errors = g_string_new(NULL);
    int fd = -1, code = 0;
    const char *const here[] = { tar, "-c", "-C", copy->here, "-f", "-", ".", NULL };
    const char *const there[] = { "/bin/sh", "-c", "mkdir -p \"$1\" && exec tar -x -C \"$1\" -f -",
                                  "sh",      path, NULL };

    if (!tar_start(here, false, &process, &fd, err))
        return false;
    Unpack unpack = { .copy = copy, .fd = -1, .errors = errors };
    const Exec exec = {
        .guest = &copy->guest, .argv = there, .stdin_fd = fd, .on_output = unpack_take, .arg = &unpack
    };
    bool ok = exec_run(&exec, &code, err);
    (void)close(fd);
    Error *why = NULL;
    const bool packed = tar_end(process, &why);
    if (ok && code != 0)
        ok = tar_failed("in the guest", errors->str, err);
    if (ok && !packed)
        return error_propagate(err, why);
    error_free(why);
    return ok;
}

/* ---- the command ---- */

/* "VM:PATH": what is in front of the colon has no slash. */
static bool copy_split(const char *text, char **ret_machine, const char **ret_path)
{
    const char *colon = strchr(text, ':'), *slash = strchr(text, '/');

    if (!colon || colon == text || (slash && slash < colon))
        return false;
    *ret_machine = g_strndup(text, (size_t)(colon - text));
    *ret_path = colon[1] ? colon + 1 : ".";
    return true;
}

AWAITS static bool copy_go(Copy *copy, Error **err)
{
    Found found;
    g_autofree char *tar = copy->recursive ? g_find_program_in_path("tar") : NULL;

    copy_look(copy, copy->there, &found);
    copy->progress.total = copy->from_guest ? found.size : 0;
    if (copy->recursive && !tar)
        return error_set(err, ERROR_NOT_SUPPORTED, "there is no tar here");
    if (copy->from_guest && found.is_folder && !copy->recursive) {
        error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is a folder of the guest", copy->there);
        return error_hint(err, "-r copies folders");
    }
    struct stat st;
    if (copy->recursive &&
        (copy->from_guest ? found.is_folder : stat(copy->here, &st) == 0 && S_ISDIR(st.st_mode)))
        return copy->from_guest ? copy_folder_here(copy, tar, err)
                                : copy_folder_there(copy, tar, &found, err);
    return copy->from_guest ? copy_file_here(copy, &found, err) : copy_file_there(copy, &found, err);
}

static bool copy_run(Cli *cli, const CliArgs *args, Error **err)
{
    Copy copy = { .cli = cli, .recursive = args_has(args, "recursive") };
    g_autofree char *machine = NULL;
    g_autofree char *other = NULL;
    const char *from = args_get(args, "source"), *to = args_get(args, "destination"), *unused;

    copy.from_guest = copy_split(from, &machine, &copy.there);
    copy.here = copy.from_guest ? to : from;
    if (copy.from_guest ? copy_split(to, &other, &unused) : !copy_split(to, &machine, &copy.there)) {
        error_set(err, ERROR_INVALID_ARGUMENT,
                  "one of source and destination is MACHINE:PATH, the other a path here");
        return error_hint(err, "./NAME is a path here even if it has a colon");
    }
    if (!class_lookup_text(cli, &class_domain, args, machine, &copy.dom, err))
        return false;
    copy.guest = (Guest){ cli, &copy.dom };
    cli_doing(cli, "Failed to copy '%s'", from);
    progress_begin(&copy.progress, cli, "copied", 0, true);
    const bool ok = copy_go(&copy, err);
    progress_end(&copy.progress);
    wire_domain_clear(&copy.dom);
    if (ok && !(copy.from_guest && strcmp(copy.here, "-") == 0))
        cli_message(cli, "%" PRIu64 " bytes copied", copy.bytes);
    return ok;
}

static const CliOption copy_options[] = {
    OPT(CLI_STRING, "source", "what to copy: a path, or MACHINE:PATH", .flags = CLI_REQUIRED,
        .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "destination", "where to: likewise", .flags = CLI_REQUIRED, .complete = COMPLETE_FILE),
    OPT(CLI_BOOL, "recursive", "folders, too, with all that is in them", .short_name = 'r'),
    { 0 },
};

const CliCommand commands_copy[] = {
    COMMAND("cp", GROUP_LODGE, "copy files to or from a guest", copy_options, copy_run,
            .doc = "One of both is MACHINE:PATH. The guest's agent reads and writes files as its own user, "
                   "and keeps "
                   "permissions if the guest has a shell; folders need tar on both sides, and room for the "
                   "archive in "
                   "the guest's /tmp. - is the standard input or output."),
    { 0 },
};
