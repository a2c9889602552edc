/* Checksums. The order matters: libgcrypt sets itself up once in a process. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/digest.h"

enum { THREADS = 16, PROCESSES = 100 };

static int n_waiting;

static void *hash_at_once(void *arg)
{
    char sum[32];

    __atomic_add_fetch(&n_waiting, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&n_waiting, __ATOMIC_SEQ_CST) < THREADS)
        g_thread_yield();
    digest_of(GCRY_MD_SHA256, "abc", 3, sum);
    return NULL;
}

/* Whoever is first, libgcrypt is ready when the others come. */
TEST(threads_may_begin_at_the_same_moment)
{
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        const pid_t pid = fork();
        if (pid == 0) {
            GThread *threads[THREADS];
            for (int k = 0; k < THREADS; k++)
                threads[k] = g_thread_new("digest", hash_at_once, NULL);
            for (int k = 0; k < THREADS; k++)
                (void)g_thread_join(threads[k]);
            _exit(0);
        }
        check(pid > 0 && waitpid(pid, &status, 0) == pid);
        check_eq(status, 0);
    }
}

TEST(checksums_are_those_of_everybody)
{
    static const char abc[] =
        "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\xb0\x03\x61\xa3\x96\x17"
        "\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad";
    char sum[32];

    digest_of(GCRY_MD_SHA256, "abc", 3, sum);
    check(memcmp(sum, abc, sizeof(sum)) == 0);
    gcry_md_hd_t handle = digest_open(GCRY_MD_SHA256);
    gcry_md_write(handle, "ab", 2);
    gcry_md_write(handle, "c", 1);
    check(memcmp(gcry_md_read(handle, GCRY_MD_SHA256), abc, sizeof(sum)) == 0);
    gcry_md_close(handle);
}
