/* The archive is cpio's "newc" form, as Documentation/driver-api/early-userspace/buffer-format of the kernel
 * describes it: a header of hexadecimal numbers, the name, the content, each filled up to four bytes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/initrd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define BLOCK 512u

static void fill(GString *out, size_t unit)
{
    while (out->len % unit)
        g_string_append_c(out, '\0');
}

static void add_entry(GString *out, unsigned inode, const char *name, unsigned mode, const char *data,
                      size_t len)
{
    g_string_append_printf(out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", inode, mode, 0u,
                           0u, 1u, 0u, (unsigned)len, 0u, 0u, 0u, 0u, (unsigned)strlen(name) + 1, 0u);
    g_string_append_len(out, name, (gssize)strlen(name) + 1);
    fill(out, 4);
    g_string_append_len(out, data, (gssize)len);
    fill(out, 4);
}

bool initrd_inject_text(const char *initrd, const char *name, const char *text, size_t len, Error **err)
{
    AUTO_FD fd = open(initrd, O_WRONLY | O_APPEND | O_CLOEXEC);
    g_autoptr(GString) out = g_string_new(NULL);

    if (len > UINT32_MAX)
        return error_set(err, ERROR_OVERFLOW, "'%s' is too large for an initrd", name);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open '%s'", initrd);
    const off_t end = lseek(fd, 0, SEEK_END);
    /* Archives begin at multiples of four; zeroes between them mean nothing. */
    for (off_t at = end; at % 4; at++)
        g_string_append_c(out, '\0');
    g_autoptr(GString) archive = g_string_new(NULL);
    add_entry(archive, 1, name, 0100644, text, len);
    add_entry(archive, 0, "TRAILER!!!", 0, "", 0);
    fill(archive, BLOCK);
    g_string_append_len(out, archive->str, (gssize)archive->len);
    for (size_t done = 0; done < out->len;) {
        const ssize_t n = write(fd, out->str + done, out->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set_errno(err, errno, "cannot write '%s'", initrd);
        done += (size_t)n;
    }
    return true;
}

bool initrd_inject(const char *initrd, const char *file, const char *name, Error **err)
{
    g_autofree char *text = NULL, *own = g_path_get_basename(file);
    g_autoptr(GError) error = NULL;
    gsize len = 0;

    if (!g_file_get_contents(file, &text, &len, &error))
        return error_set(err, ERROR_SYSTEM, "cannot read it: %s", error->message);
    return initrd_inject_text(initrd, name ? name : own, text, len, err);
}
