/* What lodge-media may not do once it has opened what it works on. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "media/media.h"

#define READS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITES                                                                                               \
    (READS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |     \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR)
#define ALL ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

static bool allow(int rules, const char *path, uint64_t access, Error **err)
{
    AUTO_FD fd = open(path, O_PATH | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set_errno(err, errno, "cannot open '%s'", path);
    const struct landlock_path_beneath_attr beneath = {
        .allowed_access = S_ISDIR(st.st_mode)
                              ? access
                              : access & (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE),
        .parent_fd = fd
    };
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
        return error_set_errno(err, errno, "cannot confine to '%s'", path);
    return true;
}

static bool become_nobody(Error **err)
{
    const struct passwd *nobody = getpwnam("nobody");

    if (!nobody || setgroups(0, NULL) < 0 || setgid(nobody->pw_gid) < 0 || setuid(nobody->pw_uid) < 0)
        return error_set_errno(err, nobody ? errno : ENOENT, "cannot become the user nobody");
    return true;
}

bool media_confine(const char *readable, const char *writable, Error **err)
{
    const struct landlock_ruleset_attr attr = { .handled_access_fs = ALL };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_set_errno(err, errno, "cannot give up new privileges");
    AUTO_FD rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (rules < 0 && errno != ENOSYS && errno != EOPNOTSUPP)
        return error_set_errno(err, errno, "cannot make a Landlock rule set");
    if (rules >= 0 && ((readable && !allow(rules, readable, READS, err)) ||
                       (writable && !allow(rules, writable, WRITES, err))))
        return false;
    if (geteuid() == 0 && !become_nobody(err))
        return false;
    if (rules >= 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        return error_set_errno(err, errno, "cannot confine by Landlock");
    return true;
}

bool media_open_into(const char *path, const char *folder, int *ret_fd, int *ret_folder_fd, Error **err)
{
    struct stat st;

    *ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*ret_fd < 0 || fstat(*ret_fd, &st) < 0)
        return error_set_errno(err, errno, "cannot open '%s'", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not a file", path);
    *ret_folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (*ret_folder_fd < 0)
        return error_set_errno(err, errno, "cannot open '%s'", folder);
    /* Who calls as root has it read by nobody, whose this folder is meanwhile. */
    const struct passwd *nobody = geteuid() == 0 ? getpwnam("nobody") : NULL;
    if (nobody && fchown(*ret_folder_fd, nobody->pw_uid, nobody->pw_gid) < 0)
        return error_set_errno(err, errno, "cannot open '%s' for the helper", folder);
    return media_confine(NULL, folder, err);
}
