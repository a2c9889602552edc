/* Landlock, after landlock(7) and the kernel's userspace-api/landlock.rst. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macros.h"

/* Of later kernels than the headers may know; the kernel is told how much of it is meant. */
typedef struct Ruleset {
    uint64_t handled_access_fs, handled_access_net, scoped;
} Ruleset;
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0)
#define SCOPE_SIGNAL (UINT64_C(1) << 1)
#define ABI_OF_SCOPES 6

#define CHANGES_OF_FOLDERS                                                                                   \
    (LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |         \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |              \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

static long landlock_abi(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

bool landlock_is_there(void)
{
    return landlock_abi() >= 1;
}

static bool allow_below(int ruleset, const char *folder, uint64_t access, Error **err)
{
    AUTO_FD fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = fd };

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return true;
    if (fd < 0 || syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        return error_set_errno(err, errno, "%s cannot be left to a machine by Landlock", folder);
    return true;
}

bool landlock_make(const char *const *folders, int *ret_fd, Error **err)
{
    const long abi = landlock_abi();
    Ruleset rules = { .handled_access_fs = CHANGES_OF_FOLDERS };
    size_t size = sizeof(rules.handled_access_fs);

    *ret_fd = -1;
    if (abi < 1)
        return true;
    if (abi >= 2)
        rules.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= ABI_OF_SCOPES) {
        rules.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
        size = sizeof(rules);
    }
    AUTO_FD fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    if (fd < 0)
        return error_set_errno(err, errno, "no rules of Landlock can be made");
    for (size_t i = 0; folders[i]; i++) {
        if (!allow_below(fd, folders[i], rules.handled_access_fs, err))
            return false;
    }
    *ret_fd = fd_steal(&fd);
    return true;
}
