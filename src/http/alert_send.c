/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/alert_send.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "base/worker.h"

#define CHILD_TIMEOUT_MS 30000
#define CHILD_OUTPUT_MAX 4096
#define LOOK_TIMEOUT_MS 5000
#define MAIL_MAX 254

/* ---- the child ---- */

AWAITS static bool run(const char *const *argv, const char *text, const char *doing, Error **err)
{
    static const char *const envp[] = { "LC_ALL=C",
                                        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                        "HOME=/root", NULL };
    g_auto(ProcessOutput) output = { 0 };
    ProcessSpec spec = PROCESS_SPEC_INIT;

    spec.argv = argv;
    spec.envp = envp;
    spec.new_session = true;
    if (!process_run(&spec, text, strlen(text), CHILD_OUTPUT_MAX, CHILD_TIMEOUT_MS, &output, err))
        return error_prefix(err, "%s", doing);
    if (output.status == 0)
        return true;
    return error_set(err, ERROR_OPERATION_FAILED, "%s: '%s' failed: %s", doing, argv[0],
                     *g_strstrip(output.err) ? output.err : "it does not say why");
}

/* ---- mail ---- */

bool alert_check_mail(const char *to, Error **err)
{
    const char *sign = strchr(to, '@');

    for (const char *at = to; *at; at++) {
        if (!g_ascii_isgraph(*at) || strchr(",;<>()\"\\", *at))
            return error_set(err, ERROR_INVALID_ARGUMENT, "'mail_to' must be one plain address");
    }
    return (*to != '-' && strlen(to) <= MAIL_MAX && (!sign || (sign > to && sign[1]))) ||
           error_set(err, ERROR_INVALID_ARGUMENT, "'mail_to' must be one plain address");
}

/* A header is one line of ASCII; names of machines may be anything. Owned. */
static char *header_text(const char *text)
{
    char *out = g_strdup(text);

    for (char *at = out; *at; at++)
        *at = g_ascii_isprint(*at) ? *at : '?';
    return out;
}

static char *news_title(const Json *one)
{
    const Json *alert = json_object_get(one, "alert");

    return g_strdup_printf("%s %s: %s '%s'", json_get_str(alert, "kind"), json_get_str(one, "event"),
                           json_get_str(alert, "object_kind"), json_get_str(alert, "object"));
}

static char *mail_format(const char *to, const Json *news)
{
    GString *mail = g_string_new(NULL);
    const Json *one = json_array_get(news, 0);
    g_autofree char *title = news_title(one);
    g_autofree char *plain = header_text(title), *host = header_text(json_get_str(one, "host"));
    size_t i;

    g_string_append_printf(mail, "To: %s\nSubject: [lodge %s] %s", to, host, plain);
    if (json_array_size(news) > 1)
        g_string_append_printf(mail, " (and %zu more)", json_array_size(news) - 1);
    g_string_append(mail, "\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n"
                          "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n");
    json_array_foreach (news, i, one) {
        const Json *alert = json_object_get(one, "alert");
        const char *command = json_get_str(alert, "command");
        g_autofree char *line = news_title(one);
        g_string_append_printf(mail, "%s (%s, since %s)\n  %s\n", line, json_get_str(alert, "severity"),
                               json_get_str(alert, "since"), json_get_str(alert, "detail"));
        if (command && strcmp(json_get_str(one, "event"), "began") == 0)
            g_string_append_printf(mail, "  %s: %s\n", json_get_str(alert, "hint"), command);
    }
    return g_string_free(mail, FALSE);
}

static char *find_sendmail(void)
{
    static const char *const places[] = { "/usr/sbin/sendmail", "/usr/lib/sendmail" };
    char *found = g_find_program_in_path("sendmail");

    for (size_t i = 0; i < G_N_ELEMENTS(places) && !found; i++)
        found = access(places[i], X_OK) == 0 ? g_strdup(places[i]) : NULL;
    return found;
}

bool alert_send_mail(const char *to, const Json *news, Error **err)
{
    g_autofree char *program = find_sendmail(), *mail = mail_format(to, news);
    const char *const argv[] = { program, "-i", "--", to, NULL };

    if (!program) {
        error_set(err, ERROR_OPERATION_FAILED, "there is no 'sendmail' to mail an alert");
        return error_hint(err, "install a mail transfer agent, or use a hook ('lodge alerts settings')");
    }
    return run(argv, mail, "mailing an alert", err);
}

/* ---- a script ---- */

static bool hook_look(void *data, Error **err)
{
    const char *hook = data;
    struct stat st;

    if (stat(hook, &st) < 0)
        return error_set_errno(err, errno, "the alerts' hook '%s'", hook);
    if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
        return error_set(err, ERROR_INVALID_ARGUMENT, "the alerts' hook '%s' is no program", hook);
    if ((st.st_uid != 0 && st.st_uid != geteuid()) || st.st_mode & 022) {
        error_set(err, ERROR_ACCESS_DENIED, "others than root could change the alerts' hook '%s'", hook);
        return error_hint(err, "chown root:root '%s' && chmod 0755 '%s'", hook, hook);
    }
    return true;
}

bool alert_check_hook(const char *hook, Error **err)
{
    char *copy = g_strdup(hook);

    if (*hook != '/') {
        g_free(copy);
        return error_set(err, ERROR_INVALID_ARGUMENT, "'hook' must be an absolute path");
    }
    if (!worker_call_path(hook, "looking at", hook_look, copy, g_free, LOOK_TIMEOUT_MS, err))
        return false;
    g_free(copy);
    return true;
}

bool alert_send_hook(const char *hook, const Json *one, Error **err)
{
    g_autofree char *text = json_format(one);
    const char *const argv[] = { hook, NULL };

    return alert_check_hook(hook, err) && run(argv, text, "telling a hook of an alert", err);
}
