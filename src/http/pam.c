/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "web"
#include "http/pam.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"

#define PAM_TIMEOUT_MS 30000

static bool pam_enabled;
static char *pam_group, *pam_rules;

void http_pam_setup(bool enabled, const char *group, const char *rules)
{
    pam_enabled = enabled;
    g_free(pam_group);
    g_free(pam_rules);
    pam_group = g_strdup(group);
    pam_rules = g_strdup(rules);
}

void http_pam_shutdown(void)
{
    http_pam_setup(false, NULL, NULL);
}

/* Installed, or in a build tree. Owned; NULL. */
static char *pam_find_helper(void)
{
    static const char *const places[] = { "../libexec/lodge/lodge-pam", "../http/lodge-pam" };
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = self ? g_path_get_dirname(self) : NULL;

    for (size_t i = 0; dir && i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = g_build_filename(dir, places[i], NULL);
        if (access(path, X_OK) == 0)
            return g_steal_pointer(&path);
    }
    return NULL;
}

bool http_pam_check(const char *user, const char *password, HttpRole *ret_role, Error **err)
{
    g_autofree char *helper = pam_enabled && geteuid() == 0 ? pam_find_helper() : NULL;
    g_auto(ProcessOutput) output = { 0 };

    *ret_role = HTTP_ROLE_NONE;
    if (!helper)
        return true;
    const bool is_bounded = pam_rules && access(pam_rules, F_OK) == 0;
    const char *const argv[] = { helper, user, pam_group && !is_bounded ? pam_group : "", NULL };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = argv;
    spec.die_with_parent = true;
    if (!process_run(&spec, password, strlen(password), 4096, PAM_TIMEOUT_MS, &output, err))
        return error_prefix(err, "asking PAM about a user");
    if (WIFEXITED(output.status) && WEXITSTATUS(output.status) == 0)
        *ret_role = HTTP_ROLE_ADMIN;
    else if (output.err_len)
        log_info("PAM: %s", g_strchomp(output.err));
    return true;
}
