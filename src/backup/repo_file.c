/* Files of a repository. They are read and written by threads that know no fiber, so base/file.h does not
 * serve here. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/repo_private.h"
#include "base/file.h"

bool repo_sync_dir(const char *dir, Error **err)
{
    AUTO_FD fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return (fd >= 0 && fsync(fd) == 0) || error_set_errno(err, errno, "cannot write folder '%s'", dir);
}

bool repo_put_file(const char *tmp, const char *dir, const char *name, const void *data, size_t len,
                   Error **err)
{
    g_autofree char *from = path_join(tmp, "put-XXXXXX"), *to = path_join(dir, name);
    AUTO_FD fd = g_mkstemp_full(from, O_WRONLY | O_CLOEXEC, 0600);

    if (fd < 0)
        return error_set_errno(err, errno, "cannot write '%s'", to);
    for (size_t done = 0; done < len;) {
        const ssize_t n = write(fd, (const char *)data + done, len - done);
        if (n < 0 && errno != EINTR) {
            error_set_errno(err, errno, "cannot write '%s'", to);
            (void)unlink(from);
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    if (fsync(fd) < 0 || rename(from, to) < 0) {
        error_set_errno(err, errno, "cannot write '%s'", to);
        (void)unlink(from);
        return false;
    }
    return repo_sync_dir(dir, err);
}

bool repo_read_file(const char *path, size_t max, char **ret_data, size_t *ret_len, Error **err)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat info;

    if (fd < 0 || fstat(fd, &info) < 0)
        return error_set_errno(err, errno, "cannot read '%s'", path);
    if (!S_ISREG(info.st_mode) || (uint64_t)info.st_size > max)
        return error_set(err, ERROR_OPERATION_FAILED, "'%s' is too large, or no file", path);
    g_autofree char *data = g_malloc((size_t)info.st_size + 1);
    size_t len = 0;
    while (len < (size_t)info.st_size) {
        const ssize_t n = read(fd, data + len, (size_t)info.st_size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(err, errno, "cannot read '%s'", path);
        if (n == 0)
            break;
        len += (size_t)n;
    }
    data[len] = '\0';
    *ret_data = g_steal_pointer(&data);
    *ret_len = len;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool repo_list_dir(const char *path, GPtrArray **ret_names, Error **err)
{
    DIR *dir = opendir(path);

    if (!dir)
        return error_set_errno(err, errno, "cannot read folder '%s'", path);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            g_ptr_array_add(names, g_strdup(entry->d_name));
    (void)closedir(dir);
    g_ptr_array_sort(names, compare_names);
    *ret_names = names;
    return true;
}

void repo_remove_dir(const char *path)
{
    g_autoptr(GPtrArray) names = NULL;

    if (repo_list_dir(path, &names, NULL)) {
        for (guint i = 0; i < names->len; i++) {
            g_autofree char *file = path_join(path, names->pdata[i]);
            (void)unlink(file); /* what stays, the next sweep removes */
        }
        (void)rmdir(path);
    }
}
