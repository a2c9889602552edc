/* Images, by qemu-nbd. The passphrase goes from the daemon into a file in memory that only the
 * child has. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/disk_nbd.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "base/uuid.h"

#define READY_MS 20000
#define STEP_MS 5
#define MAKE_MS 120000 /* LUKS tries out how often it hashes */
#define MAKE_TRIES 10
#define END_MS 10000 /* to write what it still has */

struct DiskNbd {
    Process *process;
    char *folder, *socket, *pid_file, *uri;
};

/* ---- the passphrase ---- */

static bool nbd_find_secret(Cli *cli, XmlDoc *doc, xmlNode *encryption, WireSecret *ret_secret, Error **err)
{
    g_autofree char *uuid = xml_get(doc, encryption, "./secret/@uuid");
    g_autofree char *usage = xml_get(doc, encryption, "./secret/@usage");
    WireSecretLookupByUuidArgs by_uuid = { 0 };
    const WireSecretLookupByUsageArgs by_usage = { .usage_type = VIR_SECRET_USAGE_TYPE_VOLUME,
                                                   .usage_id = usage };

    if (uuid && !uuid_parse(uuid, &by_uuid.uuid, err))
        return false;
    if (!uuid && !usage)
        return error_set(err, ERROR_INVALID_ARGUMENT, "nothing says which secret opens it");
    return uuid ? cli_call(cli, PROC_SECRET_LOOKUP_BY_UUID, &by_uuid, ret_secret, err)
                : cli_call(cli, PROC_SECRET_LOOKUP_BY_USAGE, &by_usage, ret_secret, err);
}

static int nbd_open_secret(Cli *cli, XmlDoc *doc, xmlNode *encryption, Error **err)
{
    g_auto(WireSecretGetValueArgs) args = { 0 };
    g_auto(WireSecretGetValueRet) ret = { 0 };

    if (!nbd_find_secret(cli, doc, encryption, &args.secret, err) ||
        !cli_call(cli, PROC_SECRET_GET_VALUE, &args, &ret, err))
        return -1;
    AUTO_FD fd = memfd_create("passphrase", MFD_CLOEXEC);
    const bool ok = fd >= 0 && write(fd, ret.value.data, ret.value.len) == (ssize_t)ret.value.len;
    if (!ok)
        error_set_errno(err, errno, "cannot keep a passphrase");
    explicit_bzero(ret.value.data, ret.value.len);
    return ok ? fd_steal(&fd) : -1;
}

/* ---- the server ---- */

static char *nbd_options(const char *path, const char *format, DiskNbdUse use)
{
    const bool is_qcow2 = strcmp(format, "qcow2") == 0;
    g_auto(GStrv) parts = g_strsplit(path, ",", -1);
    g_autofree char *escaped = g_strjoinv(",,", parts);

    return g_strdup_printf("driver=%s,%skey-secret=key,file.driver=file,file.filename=%s%s",
                           is_qcow2 ? "qcow2" : "luks", is_qcow2 ? "encrypt.format=luks,encrypt." : "",
                           escaped,
                           use == DISK_NBD_WRITE  ? ""
                           : use == DISK_NBD_READ ? ",read-only=on"
                                                  : ",force-share=on,read-only=on");
}

static bool nbd_await(DiskNbd *nbd, const char *path, Error **err)
{
    for (unsigned waited = 0; waited < READY_MS && !process_has_exited(nbd->process); waited += STEP_MS) {
        /* The socket is there before the image is open; this one behind it. */
        if (access(nbd->pid_file, F_OK) == 0)
            return true;
        if (!fiber_sleep(STEP_MS, err))
            return false;
    }
    return error_set(err, ERROR_OPERATION_FAILED, "qemu-nbd cannot open image '%s'", path);
}

static const char *nbd_find_program(const char *path, char **ret_program, Error **err)
{
    *ret_program = g_find_program_in_path("qemu-nbd");
    if (!*ret_program) {
        error_set(err, ERROR_NOT_SUPPORTED, "cannot open image '%s': there is no qemu-nbd", path);
        error_hint(err, "install the package qemu-utils");
    }
    return *ret_program;
}

/* @options: words for what is served, ends with NULL; @key: a descriptor that the child keeps; -1: none */
static bool nbd_launch(const char *path, const char *const *options, int key, bool writes, DiskNbd **ret_nbd,
                       Error **err)
{
    g_autofree char *program = NULL;
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    if (!nbd_find_program(path, &program, err))
        return false;
    DiskNbd *nbd = g_new0(DiskNbd, 1);
    nbd->folder = g_dir_make_tmp("lodge-XXXXXX", NULL);
    nbd->socket = g_strdup_printf("%s/s", nbd->folder ? nbd->folder : "/nonexistent");
    nbd->pid_file = g_strconcat(nbd->socket, ".pid", NULL);
    nbd->uri = g_strdup_printf("nbd://?socket=%s", nbd->socket);
    /* Any number of clients: each of several threads has a connection. */
    const char *const words[] = { program, "-k", nbd->socket, "--pid-file", nbd->pid_file, "-t", "-e", "0" };
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        g_ptr_array_add(argv, (void *)words[i]);
    if (!writes)
        g_ptr_array_add(argv, (void *)"-r");
    for (; *options; options++)
        g_ptr_array_add(argv, (void *)*options);
    g_ptr_array_add(argv, NULL);
    const ProcessSpec spec = { .argv = (const char *const *)argv->pdata,
                               .stdin_fd = -1,
                               .stdout_fd = -1,
                               .stderr_fd = STDERR_FILENO,
                               .fds = &key,
                               .n_fds = key >= 0,
                               .die_with_parent = true };
    if (process_start(&spec, &nbd->process, err) && nbd_await(nbd, path, err)) {
        *ret_nbd = nbd;
        return true;
    }
    disk_nbd_stop(nbd);
    return false;
}

/* The passphrase of an image; -1. */
static int nbd_open_key(Cli *cli, const char *path, const char *format, XmlDoc *doc, xmlNode *encryption,
                        Error **err)
{
    static const char *const known[] = { "raw", "luks", "qcow2", NULL };
    g_autofree char *kind = xml_get(doc, encryption, "./@format");

    if (g_strcmp0(kind, "luks") != 0 || !g_strv_contains(known, format)) {
        error_set(err, ERROR_NOT_SUPPORTED, "image '%s' is encrypted in a way that cannot be opened here",
                  path);
        return -1;
    }
    const int key = nbd_open_secret(cli, doc, encryption, err);
    if (key < 0)
        error_prefix(err, "image '%s'", path);
    return key;
}

bool disk_nbd_start(Cli *cli, const char *path, const char *format, XmlDoc *doc, xmlNode *encryption,
                    DiskNbdUse use, DiskNbd **ret_nbd, Error **err)
{
    AUTO_FD key = nbd_open_key(cli, path, format, doc, encryption, err);

    if (key < 0)
        return false;
    g_autofree char *object = g_strdup_printf("secret,id=key,file=/dev/fd/%d", key);
    g_autofree char *options = nbd_options(path, format, use);
    const char *const words[] = { "--object", object, "--image-opts", options, NULL };
    if (nbd_launch(path, words, key, use == DISK_NBD_WRITE, ret_nbd, err))
        return true;
    return error_hint_text(err ? *err : NULL) ? false : error_hint(err, "is the value of its secret right?");
}

bool disk_nbd_make(Cli *cli, const char *path, const char *format, uint64_t bytes, XmlDoc *doc,
                   xmlNode *encryption, Error **err)
{
    const bool is_qcow2 = strcmp(format, "qcow2") == 0;
    AUTO_FD key = nbd_open_key(cli, path, format, doc, encryption, err);
    g_autofree char *program = g_find_program_in_path("qemu-img");
    g_autofree char *object = g_strdup_printf("secret,id=key,file=/dev/fd/%d", key);
    g_autofree char *size = g_strdup_printf("%" PRIu64, bytes);

    if (key < 0)
        return false;
    if (!program)
        return error_set(err, ERROR_NOT_SUPPORTED, "there is no qemu-img");
    const char *const argv[] = { program,
                                 "create",
                                 "-q",
                                 "--object",
                                 object,
                                 "-f",
                                 is_qcow2 ? "qcow2" : "luks",
                                 "-o",
                                 is_qcow2 ? "encrypt.format=luks,encrypt.key-secret=key" : "key-secret=key",
                                 "--",
                                 path,
                                 size,
                                 NULL };
    const ProcessSpec spec = {
        .argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .fds = &key, .n_fds = 1
    };
    /* QEMU 7.2 measures how fast it hashes, and gives up when the kernel says that it took no time. */
    for (unsigned i = 0; i < MAKE_TRIES; i++) {
        g_auto(ProcessOutput) output = { 0 };
        if (!process_run(&spec, NULL, 0, 0, MAKE_MS, &output, err))
            return false;
        if (output.status == 0)
            return true;
        if (i + 1 == MAKE_TRIES || !strstr(output.err, "Unable to get accurate CPU usage"))
            return error_set(err, ERROR_OPERATION_FAILED, "cannot make '%s': %s", path,
                             g_strstrip(output.err));
    }
    return false;
}

bool disk_nbd_serve(const char *path, const char *format, const char *bitmap, bool writes, DiskNbd **ret_nbd,
                    Error **err)
{
    /* What is written is synced once, at the end. */
    const char *const plain[] = { "-f", format, "--cache=writeback", "--", path, NULL };
    const char *const with_bitmap[] = { "-B", bitmap, "-f", format, "--", path, NULL };

    return nbd_launch(path, bitmap ? with_bitmap : plain, -1, writes, ret_nbd, err);
}

const char *disk_nbd_socket(const DiskNbd *nbd)
{
    return nbd->socket;
}

const char *disk_nbd_uri(const DiskNbd *nbd)
{
    return nbd->uri;
}

void disk_nbd_stop(DiskNbd *nbd)
{
    if (!nbd)
        return;
    if (nbd->process) {
        (void)process_kill(nbd->process, SIGTERM, NULL);
        if (!process_wait(nbd->process, END_MS, NULL))
            (void)process_kill(nbd->process, SIGKILL, NULL);
        process_free(nbd->process);
    }
    (void)unlink(nbd->pid_file);
    (void)unlink(nbd->socket);
    if (nbd->folder)
        (void)rmdir(nbd->folder);
    g_free(nbd->folder);
    g_free(nbd->pid_file);
    g_free(nbd->socket);
    g_free(nbd->uri);
    g_free(nbd);
}
