/* TPMs: swtpm beside QEMU with a state that lasts, or the host's own.
 *
 * The state of machine UUID lies in swtpm/UUID below the libraries' folder, as libvirt's does, and is swtpm's
 * user's. It is made once, by swtpm_setup, with keys and certificates; it ends with the machine's definition
 * (a transient machine's with the machine), unless the document or the caller says that it stays. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "tpm"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/worker.h"
#include "conf/secret.h"
#include "core/secret.h"
#include "machine/vm_helper.h"
#include "qemu/device.h"

#define SETUP_TIMEOUT_MS 120000 /* RSA keys, on a busy host */
#define CIPHER "aes-256-cbc"

char *vm_tpm_folder(const Host *host, const Uuid *uuid)
{
    g_autofree char *lib = g_path_get_dirname(host->paths->lib_qemu);
    char text[UUID_STRING_LEN];

    uuid_format(uuid, text);
    return path_join(lib, "swtpm", text);
}

/* Where swtpm has it: tpm1.2 or tpm2. */
static char *state_path(const Vm *vm, const TpmDef *tpm)
{
    g_autofree char *folder = vm_tpm_folder(vm->host, &vm->uuid);

    return path_join(folder, tpm->version == TPM_VERSION_1_2 ? "tpm1.2" : "tpm2");
}

/* ---- user ---- */

bool vm_tpm_owner(const Host *host, uid_t *ret_uid, gid_t *ret_gid, Error **err)
{
    *ret_uid = geteuid();
    *ret_gid = getegid();
    if (geteuid() != 0)
        return true;
    const struct passwd *user = getpwnam(host->config->swtpm_user);
    const struct group *group = getgrnam(host->config->swtpm_group);
    if (!user || !group) {
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "there is no user '%s' or group '%s' for emulated TPMs",
                  host->config->swtpm_user, host->config->swtpm_group);
        return error_hint(err, "swtpm's package makes them; or set swtpm_user and swtpm_group in qemu.conf");
    }
    *ret_uid = user->pw_uid;
    *ret_gid = group->gr_gid;
    return true;
}

static bool run_as_owner(const Host *host, ProcessSpec *spec, Error **err)
{
    spec->set_user = geteuid() == 0;
    return vm_tpm_owner(host, &spec->uid, &spec->gid, err);
}

static char *find_tool(const char *name, Error **err)
{
    char *program = g_find_program_in_path(name);

    if (!program) {
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "Unable to find '%s' binary in $PATH", name);
        error_hint(err, "emulated TPMs need the packages swtpm and swtpm-tools");
    }
    return program;
}

/* ---- folders ---- */

typedef struct FolderJob {
    char *folder, *path;
    char *authority; /* folder of the authority that signs the TPMs' certificates */
    bool is_own;     /* it is not the host's: it needs a configuration, too */
    uid_t uid;
    gid_t gid;
    bool is_new;
} FolderJob;

static void folder_job_free(void *data)
{
    FolderJob *job = data;

    g_free(job->folder);
    g_free(job->path);
    g_free(job->authority);
    g_free(job);
}

/* The host's, which is root's until somebody uses it; a daemon with a root of its own has its own. */
static char *authority_folder(const Host *host)
{
    g_autofree char *lib = g_path_get_dirname(host->paths->lib_qemu);

    return *host->paths->root ? path_join(lib, "swtpm-localca") : g_strdup("/var/lib/swtpm-localca");
}

static char *authority_config(const Host *host)
{
    g_autofree char *folder = authority_folder(host);

    return path_join(folder, "swtpm_setup.conf");
}

static bool write_config(const char *folder, const char *name, const char *format, Error **err)
{
    g_autofree char *path = path_join(folder, name);
    g_auto(GStrv) parts = g_strsplit(format, "@", -1);
    g_autofree char *text = g_strjoinv(folder, parts);
    g_autoptr(GError) why = NULL;

    return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, &why) ||
           error_set(err, ERROR_SYSTEM, "cannot write '%s': %s", path, why->message);
}

static bool make_authority(const FolderJob *job, Error **err)
{
    if ((mkdir(job->authority, 0730) < 0 && errno != EEXIST) ||
        lchown(job->authority, job->uid, job->gid) < 0)
        return error_set_errno(err, errno, "cannot make the folder '%s'", job->authority);
    return !job->is_own || (write_config(job->authority, "swtpm_setup.conf",
                                         "create_certs_tool = /usr/bin/swtpm_localca\n"
                                         "create_certs_tool_config = @/swtpm-localca.conf\n"
                                         "create_certs_tool_options = /etc/swtpm-localca.options\n"
                                         "active_pcr_banks = sha256\n",
                                         err) &&
                            write_config(job->authority, "swtpm-localca.conf",
                                         "statedir = @\n"
                                         "signingkey = @/signkey.pem\n"
                                         "issuercert = @/issuercert.pem\n"
                                         "certserial = @/certserial\n",
                                         err));
}

static bool folder_is_empty(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

    return dir && !g_dir_read_name(dir);
}

static bool folder_job_run(void *data, Error **err)
{
    FolderJob *job = data;
    g_autofree char *all = g_path_get_dirname(job->folder);

    if (g_mkdir_with_parents(all, 0711) < 0 || (mkdir(job->folder, 0711) < 0 && errno != EEXIST) ||
        (mkdir(job->path, 0700) < 0 && errno != EEXIST) || lchown(job->path, job->uid, job->gid) < 0)
        return error_set_errno(err, errno, "cannot make the folder '%s' of a TPM", job->path);
    job->is_new = folder_is_empty(job->path);
    return make_authority(job, err);
}

AWAITS static bool make_folder(const Vm *vm, const char *path, bool *ret_is_new, Error **err)
{
    FolderJob *job = g_new0(FolderJob, 1);

    *job = (FolderJob){ .folder = vm_tpm_folder(vm->host, &vm->uuid),
                        .path = g_strdup(path),
                        .authority = authority_folder(vm->host),
                        .is_own = *vm->host->paths->root != 0 };
    if (!vm_tpm_owner(vm->host, &job->uid, &job->gid, err)) {
        folder_job_free(job);
        return false;
    }
    if (!worker_call(worker_lane_state(), folder_job_run, job, folder_job_free, FILE_DEADLINE_MS, err))
        return false;
    *ret_is_new = job->is_new;
    folder_job_free(job);
    return true;
}

/* ---- secret ---- */

/* A pipe with the passphrase in it; *ret_fd is -1 where the state is not encrypted. */
static bool open_passphrase(const Vm *vm, const TpmDef *tpm, int *ret_fd, Error **err)
{
    g_autoptr(GBytes) value = NULL;
    Uuid uuid;
    int ends[2];
    gsize len = 0;

    *ret_fd = -1;
    if (!tpm->encryption_secret)
        return true;
    if (!uuid_parse(tpm->encryption_secret, &uuid, err))
        return false;
    g_autoptr(Object) secret = object_find_by_uuid(host_registry(vm->host, &secret_class), &uuid, NULL, err);
    if (!secret || !secret_get_value(secret, NULL, &value, err))
        return error_prefix(err, "the TPM's state");
    const void *bytes = g_bytes_get_data(value, &len);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return error_set_errno(err, errno, "cannot make a pipe");
    AUTO_FD read_fd = ends[0];
    AUTO_FD write_fd = ends[1];
    if (write(write_fd, bytes, len) != (ssize_t)len)
        return error_set(err, ERROR_OVERFLOW, "the secret of a TPM is too long");
    (void)fcntl(read_fd, F_SETFL, 0); /* its reader waits for the end, which is there */
    *ret_fd = fd_steal(&read_fd);
    return true;
}

/* ---- set-up ---- */

static void add_banks(const TpmDef *tpm, GPtrArray *argv)
{
    const struct {
        bool is_on;
        const char *name;
    } banks[] = { { tpm->pcr_sha1, "sha1" },
                  { tpm->pcr_sha256, "sha256" },
                  { tpm->pcr_sha384, "sha384" },
                  { tpm->pcr_sha512, "sha512" } };
    g_autoptr(GString) list = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(banks); i++) {
        if (banks[i].is_on)
            g_string_append_printf(list, "%s%s", list->len ? "," : "", banks[i].name);
    }
    if (!list->len)
        return;
    g_ptr_array_add(argv, g_strdup("--pcr-banks"));
    g_ptr_array_add(argv, g_strdup(list->str));
}

static void add_words(GPtrArray *argv, const char *const *words)
{
    for (; *words; words++)
        g_ptr_array_add(argv, g_strdup(*words));
}

/* @is_new: keys and certificates are made; else only the banks change. */
AWAITS static bool set_up(const Vm *vm, const TpmDef *tpm, const char *path, bool is_new, Error **err)
{
    static const char *const make[] = { "--createek",   "--create-ek-cert", "--create-platform-cert",
                                        "--lock-nvram", "--not-overwrite",  NULL };
    g_autofree char *program = find_tool("swtpm_setup", err);
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    char uuid[UUID_STRING_LEN];
    int passphrase = -1;

    if (!program || !run_as_owner(vm->host, &spec, err) || !open_passphrase(vm, tpm, &passphrase, err))
        return false;
    AUTO_FD passphrase_fd = passphrase;
    uuid_format(&vm->uuid, uuid);
    g_ptr_array_add(argv, g_strdup(program));
    if (tpm->version == TPM_VERSION_2_0)
        g_ptr_array_add(argv, g_strdup("--tpm2"));
    add_words(argv, (const char *const[]){ "--tpmstate", path, NULL });
    if (*vm->host->paths->root) {
        g_autofree char *config = authority_config(vm->host);
        add_words(argv, (const char *const[]){ "--config", config, NULL });
    }
    if (passphrase_fd >= 0) {
        g_autofree char *fd = g_strdup_printf("%d", passphrase_fd);
        add_words(argv, (const char *const[]){ "--cipher", CIPHER, "--pwdfile-fd", fd, NULL });
    }
    if (is_new) {
        g_autofree char *id = g_strdup_printf("%s:%s", vm->name, uuid);
        add_words(argv, (const char *const[]){ "--vmid", id, NULL });
        add_words(argv, make);
    } else {
        g_ptr_array_add(argv, g_strdup("--reconfigure"));
    }
    add_banks(tpm, argv);
    g_ptr_array_add(argv, NULL);
    spec.argv = (const char *const *)argv->pdata;
    spec.fds = &passphrase_fd;
    spec.n_fds = passphrase_fd >= 0;
    spec.die_with_parent = true;
    if (!process_run(&spec, NULL, 0, 0, SETUP_TIMEOUT_MS, &output, err))
        return error_prefix(err, "setting up the TPM");
    if (output.status == 0)
        return true;
    g_strchomp(output.out);
    g_strchomp(output.err);
    return error_set(err, ERROR_INTERNAL, "Could not run '%s'. exitstatus: %d: %s%s%s", program,
                     WIFEXITED(output.status) ? WEXITSTATUS(output.status) : -1, output.err,
                     *output.err && *output.out ? "\n" : "", output.out);
}

/* ---- swtpm ---- */

AWAITS static bool launch_swtpm(Vm *vm, VmHelper *helper, Error **err)
{
    const TpmDef *tpm = def_list_len(vm->live->tpms) ? g_ptr_array_index(vm->live->tpms, 0) : NULL;
    g_autofree char *program = find_tool("swtpm", err);
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    ProcessSpec spec = PROCESS_SPEC_INIT;
    int passphrase = -1;

    if (!program || !tpm || !run_as_owner(vm->host, &spec, err) ||
        !open_passphrase(vm, tpm, &passphrase, err))
        return false;
    AUTO_FD passphrase_fd = passphrase;
    g_autofree char *path = state_path(vm, tpm);
    g_autofree char *control = g_strdup_printf("type=unixio,fd=%d", helper->listen_fd);
    g_autofree char *state = g_strdup_printf("dir=%s,mode=0600", path);
    add_words(argv, (const char *const[]){ program, "socket", "--ctrl", control, "--tpmstate", state,
                                           "--terminate", NULL });
    if (tpm->version == TPM_VERSION_2_0)
        g_ptr_array_add(argv, g_strdup("--tpm2"));
    if (tpm->debug.is_set) {
        g_autofree char *level = g_strdup_printf("level=%u", tpm->debug.value);
        add_words(argv, (const char *const[]){ "--log", level, NULL });
    }
    if (passphrase_fd >= 0) {
        g_autofree char *key = g_strdup_printf("pwdfd=%d,mode=" CIPHER, passphrase_fd);
        add_words(argv, (const char *const[]){ "--key", key, NULL });
    }
    g_ptr_array_add(argv, NULL);
    const int fds[] = { helper->listen_fd, passphrase_fd };
    spec.argv = (const char *const *)argv->pdata;
    spec.fds = fds;
    spec.n_fds = passphrase_fd >= 0 ? 2 : 1;
    return vm_helper_fork(helper, &spec, err);
}

AWAITS static bool prepare_emulator(Vm *vm, const TpmDef *tpm, Error **err)
{
    g_autofree char *name = g_strdup_printf("%s-swtpm", tpm->info.alias);
    g_autofree char *socket = device_tpm_socket(vm->run->lib_dir, tpm);
    g_autofree char *path = state_path(vm, tpm);
    const bool has_banks = tpm->pcr_sha1 || tpm->pcr_sha256 || tpm->pcr_sha384 || tpm->pcr_sha512;
    bool is_new = false;

    if (!make_folder(vm, path, &is_new, err))
        return false;
    if ((is_new || has_banks) && !set_up(vm, tpm, path, is_new, err)) {
        if (is_new) /* half of a state must not pass for one */
            (void)!file_remove_tree(path, NULL);
        return false;
    }
    return vm_helper_prepare(vm, name, socket, true, launch_swtpm, err);
}

/* ---- the host's ---- */

static char *cancel_path(const char *device)
{
    g_autofree char *name = g_path_get_basename(device);
    char *path = g_strdup_printf("/sys/class/tpm/%s/device/cancel", name);

    if (access(path, F_OK) == 0)
        return path;
    g_free(path);
    return g_strdup_printf("/sys/class/misc/%s/device/cancel", name);
}

AWAITS static bool prepare_passthrough(Vm *vm, const TpmDef *tpm, PlanFds *fds, Error **err)
{
    g_autofree char *name = device_tpm_fd_name(tpm->info.alias, false);
    g_autofree char *cancel_name = device_tpm_fd_name(tpm->info.alias, true);
    g_autofree char *cancel = cancel_path(tpm->device_path);
    int fd = -1;

    if (!vm_open_device(vm, tpm->device_path, &fd, err))
        return error_prefix(err, "Could not open TPM device %s", tpm->device_path);
    plan_fds_add(fds, name, fd);
    fd = open(cancel, O_WRONLY | O_CLOEXEC); /* sysfs does not hang */
    if (fd < 0)
        return error_set_errno(err, errno, "Could not open TPM device's cancel path %s", cancel);
    plan_fds_add(fds, cancel_name, fd);
    return true;
}

bool vm_prepare_tpm(Vm *vm, TpmDef *tpm, PlanFds *fds, Error **err)
{
    switch (tpm->backend) {
    case TPM_BACKEND_EMULATOR:
        return prepare_emulator(vm, tpm, err);
    case TPM_BACKEND_PASSTHROUGH:
        return prepare_passthrough(vm, tpm, fds, err);
    default:
        return true;
    }
}

/* ---- its end ---- */

static bool is_kept(const DomainDef *def)
{
    for (DEF_EACH(TpmDef, tpm, def ? def->tpms : NULL)) {
        if (tpm->persistent_state == TRISTATE_ON)
            return true;
    }
    return false;
}

char *vm_tpm_state_folder(const Vm *vm)
{
    for (DEF_EACH(TpmDef, tpm, vm_def(vm) ? vm_def(vm)->tpms : NULL)) {
        if (tpm->backend == TPM_BACKEND_EMULATOR)
            return vm_tpm_folder(vm->host, &vm->uuid);
    }
    return NULL;
}

AWAITS static bool remove_state(Host *host, const Uuid *uuid, Error **err)
{
    g_autofree char *folder = vm_tpm_folder(host, uuid);

    return file_remove_tree(folder, err);
}

void vm_tpm_release(Vm *vm)
{
    g_autoptr(Error) err = NULL;

    if (vm->config || !def_list_len(vm->live->tpms) || is_kept(vm->live))
        return;
    if (!remove_state(vm->host, &vm->uuid, &err))
        log_warning_error(err, "the state of a TPM is left behind");
}

bool vm_tpm_undefine(const Vm *vm, unsigned flags, Error **err)
{
    const bool keeps =
        flags & VIR_DOMAIN_UNDEFINE_KEEP_TPM || (is_kept(vm->config) && !(flags & VIR_DOMAIN_UNDEFINE_TPM));

    if (!def_list_len(vm->config->tpms) || keeps || vm->live)
        return true;
    return remove_state(vm->host, &vm->uuid, err) || error_prefix(err, "failed to remove the TPM's state");
}
