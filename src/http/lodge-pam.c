/* `lodge-pam USER GROUP <PASSWORD`: whether PAM's service "lodge" lets this user of the host in. Exit status
 * 0: yes, and the user is root or in GROUP; 1: no. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <grp.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char password[1024];

static int answer(int n, const struct pam_message **messages, struct pam_response **ret_answers, void *arg)
{
    if (n <= 0 || n > PAM_MAX_NUM_MSG)
        return PAM_CONV_ERR;
    struct pam_response *answers = calloc((size_t)n, sizeof *answers);
    if (!answers)
        return PAM_BUF_ERR;
    for (int i = 0; i < n; i++) {
        if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
            answers[i].resp = strdup(password);
    }
    *ret_answers = answers;
    return PAM_SUCCESS;
}

static bool is_member(const char *user, const char *group)
{
    const struct passwd *entry = getpwnam(user);
    gid_t groups[1024];
    int n = (int)(sizeof groups / sizeof *groups);

    if (!entry)
        return false;
    if (entry->pw_uid == 0)
        return true;
    const struct group *wanted = *group ? getgrnam(group) : NULL;
    if (!wanted)
        return false;
    const gid_t gid = wanted->gr_gid;
    if (getgrouplist(user, entry->pw_gid, groups, &n) < 0)
        return false;
    for (int i = 0; i < n; i++) {
        if (groups[i] == gid)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    const struct pam_conv conversation = { .conv = answer };
    pam_handle_t *pam = NULL;

    if (argc != 3) {
        fprintf(stderr,
                "lodge-pam serves lodged and is not for people: usage: lodge-pam USER GROUP <PASSWORD\n");
        return 2;
    }
    size_t len = fread(password, 1, sizeof password - 1, stdin);
    password[len] = '\0';
    if (strlen(password) != len || !is_member(argv[1], argv[2]))
        return 1;
    int r = pam_start("lodge", argv[1], &conversation, &pam);
    if (r == PAM_SUCCESS)
        r = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
    if (r == PAM_SUCCESS)
        r = pam_acct_mgmt(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
    if (r != PAM_SUCCESS)
        fprintf(stderr, "%s\n", pam ? pam_strerror(pam, r) : "PAM cannot be used");
    if (pam)
        pam_end(pam, r);
    explicit_bzero(password, sizeof password);
    return r == PAM_SUCCESS ? 0 : 1;
}
