/* What a system is told so that nobody has to be there: answers for its installer (--unattended), or a seed
 * for cloud-init (--cloud-init). Passwords come from files and go into a file that only QEMU's user reads;
 * they are in no argument, document or log. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/uuid.h"
#include "cli/install_job.h"
#include "cli/output.h"
#include "install/answers.h"
#include "install/document.h"
#include "install/media_run.h"
#include "install/option_list.h"

#define QUIET_MS 60000
#define PASSWORD_BYTES 12

static void forget(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    g_free(*secret);
    *secret = NULL;
}

/* The first line of a file, without its end; *ret_text NULL: no file was named. */
static bool first_line(InstallWords *words, const char *option, char **ret_text, Error **err)
{
    const char *path = install_word_take(words, option);
    g_autoptr(GError) error = NULL;
    gsize len = 0;

    if (!path)
        return true;
    if (!g_file_get_contents(path, ret_text, &len, &error))
        return error_set(err, ERROR_SYSTEM, "%s: %s", option, error->message);
    (*ret_text)[strcspn(*ret_text, "\r\n")] = '\0';
    return **ret_text ||
           error_set(err, ERROR_INVALID_ARGUMENT, "%s: the first line of '%s' is empty", option, path);
}

static bool read_text(InstallWords *words, const char *option, char **ret_text, Error **err)
{
    const char *path = install_word_take(words, option);
    g_autoptr(GError) error = NULL;

    return !path || g_file_get_contents(path, ret_text, NULL, &error) ||
           error_set(err, ERROR_SYSTEM, "%s: %s", option, error->message);
}

/* A word that none takes is refused. */
static bool check_left(const InstallWords *words, Error **err)
{
    for (guint i = 0; i < words->list->len; i++) {
        const InstallWord *word = &g_array_index(words->list, InstallWord, i);
        if (word->is_used || (!word->name && !*word->value))
            continue;
        error_set(err, ERROR_INVALID_ARGUMENT, "--%s does not have '%s'", words->option->name,
                  word->name ? word->name : word->value);
        return error_hint(err, "--%s=? lists what it has", words->option->name);
    }
    return true;
}

/* An ISO image for the time of the installation, in a drive of its own. @files: taken over. */
static bool add_image(InstallJob *job, const char *label, Json *files, Error **err)
{
    g_autofree char *path = NULL;
    AUTO_JSON result = NULL;

    if (!install_source_place(job, "answers.iso", &path, err)) {
        json_decref(files);
        return false;
    }
    AUTO_JSON request = json_pack("{s:s, s:s, s:o}", "path", path, "label", label, "files", files);
    if (!media_run("iso-make", request, NULL, QUIET_MS, &result, err))
        return error_prefix(err, "making '%s'", path);
    job->answers = g_strdup(path);
    job->install->ejects_media = true;
    return install_add_medium(job->install, path, err);
}

/* ---- installers ---- */

static const char *login_name(InstallWords *words)
{
    const char *given = install_word_take(words, "user-login");
    const struct passwd *own = getuid() ? getpwuid(getuid()) : NULL;

    return given ? given : own ? own->pw_name : NULL;
}

static char **list_of(InstallWords *words, const char *name)
{
    const char *text = install_word_take(words, name);

    return text ? g_strsplit_set(text, " +:", -1) : NULL;
}

static bool fill(InstallJob *job, InstallWords *words, AnswersKind kind, Answers *answers, Error **err)
{
    const char *profile = install_word_take(words, "profile");

    answers->is_minimal = !profile || strcmp(profile, "desktop") != 0;
    if (profile && strcmp(profile, "desktop") != 0 && strcmp(profile, "jeos") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--unattended: profile is desktop or jeos, not '%s'",
                         profile);
    answers->user = login_name(words);
    answers->hostname = install_word_take(words, "hostname");
    answers->locale = install_word_take(words, "locale");
    answers->timezone = install_word_take(words, "timezone");
    answers->keyboard = install_word_take(words, "keyboard");
    answers->mirror = install_word_take(words, "mirror");
    answers->product_key = install_word_take(words, "product-key");
    if (install_word_take(words, "reg-login"))
        return error_set(err, ERROR_NOT_SUPPORTED,
                         "--unattended: systems are registered by hand: reg-login is not known");
    if (!answers->mirror && kind == ANSWERS_KICKSTART)
        answers->mirror = job->tree_url;
    return true;
}

static bool format(InstallJob *job, InstallWords *words, AnswersKind kind, char **ret_text, Error **err)
{
    Answers answers = { 0 };
    g_autofree char *key = NULL;
    char *user = NULL, *admin = NULL;
    g_auto(GStrv) packages = list_of(words, "packages");
    const char *keys[] = { NULL, NULL };

    bool ok = fill(job, words, kind, &answers, err) && first_line(words, "user-password-file", &user, err) &&
              first_line(words, "admin-password-file", &admin, err) &&
              first_line(words, "ssh-key", &key, err) && check_left(words, err);
    if (ok && !user && !admin && !key) {
        error_set(err, ERROR_INVALID_ARGUMENT,
                  "nobody could log in to the system: --unattended needs a password or a key");
        ok = error_hint(err,
                        "user-login=NAME,user-password-file=FILE, admin-password-file=FILE or ssh-key=FILE");
    }
    keys[0] = key;
    answers.user_password = user;
    answers.admin_password = admin;
    answers.keys = key ? keys : NULL;
    answers.packages = (const char *const *)packages;
    ok = ok && answers_format(kind, &answers, ret_text, err);
    forget(&user);
    forget(&admin);
    return ok;
}

/* QEMU reads it when it starts, and gives it to the first start of the image. */
static bool add_ignition(InstallJob *job, const char *text, Error **err)
{
    if (job->install->method != METHOD_NONE) {
        error_set(err, ERROR_INVALID_ARGUMENT, "CoreOS is not installed: its image has the system already");
        return error_hint(err, "--import --disk IMAGE.qcow2");
    }
    job->has_seed = true;
    return install_source_place(job, "ignition.json", &job->install->ignition, err) &&
           file_replace(job->install->ignition, text, strlen(text), 0600, err);
}

static bool deliver(InstallJob *job, AnswersKind kind, const char *text, Error **err)
{
    const char *label, *arguments = answers_arguments(kind);

    if (kind == ANSWERS_IGNITION)
        return add_ignition(job, text, err);
    if (arguments)
        g_string_append_printf(job->arguments, "%s%s", job->arguments->len ? " " : "", arguments);
    if (answers_in_initrd(kind, &label)) {
        if (job->install->method == METHOD_CDROM)
            job->install->method =
                METHOD_LOCATION; /* the answers go in with the kernel, out of the same medium */
        if (job->install->method != METHOD_LOCATION && job->install->method != METHOD_KERNEL)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "--unattended of this system needs --location, --cdrom or --install");
        job->injected_name = answers_name(kind);
        job->injected = g_strdup(text);
        return true;
    }
    Json *files = json_pack("[{s:s, s:s}]", "name", answers_name(kind), "text", text);
    if (kind == ANSWERS_AUTOINSTALL)
        json_array_append_new(files,
                              json_pack("{s:s, s:s}", "name", "meta-data", "text", "instance-id: lodge\n"));
    return add_image(job, label, files, err);
}

static bool unattended(InstallJob *job, const char *value, Error **err)
{
    g_auto(InstallWords) words = { 0 };
    const AnswersKind kind = answers_kind(&job->install->os);
    char *text = NULL;

    if (kind == ANSWERS_NONE) {
        error_set(err, ERROR_NOT_SUPPORTED, "--unattended: how the installer of %s is answered is not known",
                  job->install->os.name ? job->install->os.name : "an unknown system");
        return error_hint(err, "--osinfo names the system; --initrd-inject and --extra-args give an "
                               "installer a file of your own");
    }
    if (!install_words_split(install_option_find("unattended"), value, &words, err))
        return false;
    InstallWord *front = &g_array_index(words.list, InstallWord, 0);
    if (!front->name && *front->value)
        front->name = g_strdup("profile");
    const bool ok = format(job, &words, kind, &text, err) && deliver(job, kind, text, err);
    forget(&text);
    return ok;
}

/* ---- cloud-init ---- */

/* Readable, and long enough that nobody guesses it. */
static char *make_password(void)
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    uint8_t bytes[PASSWORD_BYTES];
    char *text = g_malloc0(sizeof(bytes) + 1);

    random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        text[i] = letters[bytes[i] % (sizeof(letters) - 1)];
    return text;
}

static bool user_data(InstallJob *job, InstallWords *words, bool bare, char **ret_text, Error **err)
{
    g_autofree char *root_key = NULL, *user_key = NULL;
    char *password = NULL;
    bool disable = bare, generate = bare;
    AUTO_JSON all = json_object();

    bool ok = install_word_take_bool(words, "disable", &disable, err) &&
              install_word_take_bool(words, "root-password-generate", &generate, err) &&
              first_line(words, "root-password-file", &password, err) &&
              first_line(words, "root-ssh-key", &root_key, err) &&
              first_line(words, "clouduser-ssh-key", &user_key, err);
    if (ok && generate && !password) {
        password = make_password();
        fprintf(stderr, "Password for first root login is: %s\n", password);
    }
    if (ok && password) {
        g_autofree char *pair = g_strdup_printf("root:%s", password);
        json_object_set_new(all, "ssh_pwauth", json_true());
        json_object_set_new(all, "disable_root", json_false());
        json_object_set_new(all, "chpasswd", json_pack("{s:s, s:b}", "list", pair, "expire", generate));
        explicit_bzero(pair, strlen(pair));
    }
    if (ok && root_key)
        json_object_set_new(all, "users",
                            json_pack("[s, {s:s, s:[s]}]", "default", "name", "root", "ssh_authorized_keys",
                                      root_key));
    if (ok && user_key)
        json_object_set_new(all, "ssh_authorized_keys", json_pack("[s]", user_key));
    if (ok && disable)
        json_object_set_new(all, "runcmd",
                            json_pack("[s]",
                                      "echo \"Disabled by lodge install\" > /etc/cloud/cloud-init.disabled"));
    forget(&password);
    if (!ok)
        return false;
    g_autofree char *text = json_format(all);
    *ret_text = g_strdup_printf("#cloud-config\n%s\n", text);
    return true;
}

static bool cloud_init(InstallJob *job, const char *value, Error **err)
{
    g_auto(InstallWords) words = { 0 };
    g_autofree char *meta = NULL, *network = NULL;
    char *user = NULL;

    if (!install_words_split(install_option_find("cloud-init"), value, &words, err))
        return false;
    bool ok = read_text(&words, "user-data", &user, err) && read_text(&words, "meta-data", &meta, err) &&
              read_text(&words, "network-config", &network, err);
    char *own = NULL;
    ok = ok && user_data(job, &words, !*value, &own, err) && check_left(&words, err);
    if (ok && !user)
        user = g_steal_pointer(&own);
    forget(&own);
    if (ok) {
        Json *files = json_pack("[{s:s, s:s}, {s:s, s:s}]", "name", "user-data", "text", user, "name",
                                "meta-data", "text", meta ? meta : "instance-id: lodge\n");
        if (network)
            json_array_append_new(files, json_pack("{s:s, s:s}", "name", "network-config", "text", network));
        job->has_seed = true;
        ok = add_image(job, "cidata", files, err);
    }
    forget(&user);
    return ok;
}

bool install_answers(InstallJob *job, Error **err)
{
    g_auto(GStrv) answers = args_get_list(job->args, "unattended"),
                  seeds = args_get_list(job->args, "cloud-init");

    if (answers[0] && !unattended(job, answers[0], err))
        return false;
    return !seeds[0] || cloud_init(job, seeds[0], err);
}
