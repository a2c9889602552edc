/* Where everything lies. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <sys/stat.h>

#include "base/file.h"
#include "core/paths.h"

TEST(system_paths_are_below_the_root)
{
    static const struct {
        const char *root, *etc, *run;
    } cases[] = {
        { NULL, "/etc/libvirt", "/run/libvirt" },
        { "", "/etc/libvirt", "/run/libvirt" },
        { "/", "/etc/libvirt", "/run/libvirt" },
        { "/srv/x", "/srv/x/etc/libvirt", "/srv/x/run/libvirt" },
        { "/srv/x//", "/srv/x/etc/libvirt", "/srv/x/run/libvirt" },
        { "/srv/./y/../x", "/srv/x/etc/libvirt", "/srv/x/run/libvirt" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_case(cases[i].root);
        g_autoptr(Paths) paths = paths_new_system(cases[i].root);
        check_str(paths->etc, cases[i].etc);
        check_str(paths->run, cases[i].run);
        check(!paths->is_session);
    }
    g_autoptr(Paths) relative = paths_new_system("some/where");
    check(relative->etc[0] == '/');
    g_autoptr(Paths) paths = paths_new_system("/r");
    check_str(paths->autostart, "/r/etc/libvirt/qemu/autostart");
    check_str(paths->save, "/r/var/lib/libvirt/qemu/save");
    check_str(paths->channel_target, "/r/var/lib/libvirt/qemu/channel/target");
    check_str(paths->run_qemu, "/r/run/libvirt/qemu");
    check_str(paths->log_qemu, "/r/var/log/libvirt/qemu");
}

TEST(session_paths_follow_xdg)
{
    Paths *paths = NULL;
    g_autoptr(Error) err = NULL;
    g_setenv("HOME", "/home/u", TRUE);
    g_unsetenv("XDG_CONFIG_HOME");
    g_unsetenv("XDG_CACHE_HOME");
    g_setenv("XDG_DATA_HOME", "relative/counts/as/unset", TRUE);
    g_setenv("XDG_RUNTIME_DIR", "/run/user/7", TRUE);
    check_ok(paths_new_session(&paths, &err), err);
    check(paths->is_session);
    check_str(paths->etc, "/home/u/.config/libvirt");
    check_str(paths->lib_qemu, "/home/u/.local/share/libvirt/qemu");
    check_str(paths->run, "/run/user/7/libvirt");
    check_str(paths->log_qemu, "/home/u/.cache/libvirt/qemu/log");
    g_clear_pointer(&paths, paths_free);
    g_unsetenv("XDG_RUNTIME_DIR");
    check_ok(paths_new_session(&paths, &err), err);
    check_str(paths->run, "/home/u/.cache/libvirt");
    g_clear_pointer(&paths, paths_free);
    g_unsetenv("HOME");
    check_fails(paths_new_session(&paths, &err), err, ERROR_SYSTEM);
}

TEST_FIBER(folders_are_made_and_stay_roots)
{
    char *dir = check_make_dir();
    g_autoptr(Paths) paths = paths_new_system(dir);
    g_autoptr(Error) err = NULL;
    struct stat info;

    check_ok(paths_make_dirs(paths, &err), err);
    check_ok(paths_make_dirs(paths, &err), err); /* again: nothing to do */
    check_eq(stat(paths->save, &info), 0);
    check_eq(info.st_uid, geteuid());
    check_eq(info.st_mode & 07777, 0711);
    check_eq(stat(paths->lib_qemu, &info), 0);
    check_eq(info.st_mode & 07777, 0751);
    check_eq(stat(paths->images, &info), 0);
    check_eq(info.st_mode & 07777, 0711);
    check_remove_dir(dir);
}

/* As libvirtd leaves them, and after a QEMU that broke out put a link into its folder. */
TEST_FIBER(folders_of_the_machines_user_are_taken_back)
{
    if (geteuid() != 0)
        return;
    char *dir = check_make_dir();
    g_autoptr(Paths) paths = paths_new_system(dir);
    g_autofree char *own = path_join(dir, "own");
    g_autoptr(Error) err = NULL;
    struct stat info;

    check_ok(paths_make_dirs(paths, &err), err);
    check_eq(chown(paths->lib_qemu, 12345, 12345) | chown(paths->nvram, 12345, 12345), 0);
    check_eq(mkdir(own, 0700) | rmdir(paths->save) | symlink(own, paths->save), 0);
    check_eq(lchown(paths->save, 12345, 12345), 0);
    check_ok(paths_make_dirs(paths, &err), err);
    check_eq(stat(own, &info), 0);
    check_eq(info.st_mode & 07777, 0700);
    check_eq(lstat(paths->save, &info), 0);
    check(S_ISDIR(info.st_mode));
    check_eq(stat(paths->nvram, &info), 0);
    check_eq(info.st_uid, 0);
    check_eq(stat(paths->lib_qemu, &info), 0);
    check_eq(info.st_uid, 0);
    check_remove_dir(dir);
}
