/* The configuration: defaults, what files say, and how wrong files are refused. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "core/config.h"
#include "core/config_keys.h"
#include "core/paths.h"

static char *dir;
static Paths *paths;

static void begin(void)
{
    dir = check_make_dir();
    paths = paths_new_system(dir);
}

static void end(void)
{
    paths_free(paths);
    check_remove_dir(dir);
}

static void write_conf(const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(paths->etc, name, NULL);
    g_assert(g_mkdir_with_parents(paths->etc, 0755) == 0);
    g_assert(g_file_set_contents(path, text, -1, NULL));
}

static const ConfigOrigin *origin(const Config *config, const char *key)
{
    const GPtrArray *all = config_origins(config);
    for (unsigned i = 0; i < all->len; i++) {
        const ConfigOrigin *one = g_ptr_array_index(all, i);
        if (strcmp(one->key, key) == 0)
            return one;
    }
    return NULL;
}

TEST(keys_are_unique_and_documented)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        const ConfigKey *key = &config_keys[i];
        check_case(key->name);
        if (key->type != CONFIG_KEY_UNUSED)
            check(key->doc && *key->doc);
        if (key->type == CONFIG_KEY_UINT || key->type == CONFIG_KEY_INT)
            check(key->max > key->min);
        for (size_t k = 0; k < i; k++)
            check(strcmp(config_keys[k].file, key->file) != 0 || strcmp(config_keys[k].name, key->name) != 0);
    }
}

TEST(defaults_hold_without_files)
{
    g_autoptr(Config) config = NULL;
    g_autoptr(Error) err = NULL;
    begin();
    check_ok(config_load(paths, NULL, &config, &err), err);
    check_eq(config->max_clients, 5000);
    check_eq(config->max_client_requests, 5);
    check_eq(config->keepalive_interval_s, 5);
    check_eq(config->log_level, 3);
    check_eq(config->unix_sock_ro_perms, 0777);
    check_eq(config->unix_sock_rw_perms, 0700); /* a private root is its owner's */
    check_str(config->auth_unix_rw, "none");
    check_str(config->unix_sock_dir, paths->run);
    check_str(config->vnc_listen, "127.0.0.1");
    check_eq(config->remote_display_port_min, 5900);
    check(config->dynamic_ownership && config->seccomp_sandbox && !config->set_process_name);
    check_eq(config->start_timeout_s, 30);
    check_eq(config->storage_timeout_s, 10);
    check_str(config->auto_dump_path, paths->dump);
    check(config->n_qemu_groups >= 1);
    check_str(origin(config, "max_clients")->origin, "default");
    end();
}

TEST(files_override_defaults_and_are_named_as_origin)
{
    g_autoptr(Config) config = NULL;
    g_autoptr(Error) err = NULL;
    begin();
    write_conf("libvirtd.conf", "# comment\nmax_clients = 77\nunix_sock_rw_perms = \"0750\"\n"
                                "log_outputs = \"1:file:/tmp/x 3:stderr\"\nlisten_tls = 0\nsurprise = 5\n");
    write_conf("qemu.conf",
               "user = \"+12345\"\ngroup = \"+54321\"\nvnc_password = \"geheim\"\nmax_core = \"unlimited\"\n"
               "nvram = [ \"/a:/b\", \"/c:/d\" ]\nset_process_name = 1\n");
    check_ok(config_load(paths, NULL, &config, &err), err);
    check_eq(config->max_clients, 77);
    check_eq(config->unix_sock_rw_perms, 0750);
    check_str(config->log_outputs[1], "3:stderr");
    check_eq(config->max_core_bytes, UINT64_MAX);
    check_str(config->nvram[1], "/c:/d");
    check(config->set_process_name);
    g_autofree char *where = g_strconcat(paths->etc, "/libvirtd.conf:2", NULL);
    check_str(origin(config, "max_clients")->origin, where);
    check_str(origin(config, "max_clients")->value, "77");
    check_str(origin(config, "vnc_password")->value, "***");
    check_str(origin(config, "nvram")->value, "[\"/a:/b\", \"/c:/d\"]");
    check_str(origin(config, "unix_sock_rw_perms")->value, "0750");
    if (geteuid() == 0) {
        check_eq(config->qemu_uid, 12345);
        check_eq(config->qemu_gid, 54321);
    } else {
        check_eq(config->qemu_uid, geteuid()); /* nobody else's */
    }
    end();
}

TEST(wrong_values_are_refused_with_file_and_line)
{
    static const struct {
        const char *file, *text, *message;
    } cases[] = {
        { "libvirtd.conf", "\nmax_clients = \"many\"\n",
          "libvirtd.conf:2: max_clients must be a number from 1 to" },
        { "libvirtd.conf", "max_clients = 0\n", ":1: max_clients must be a number" },
        { "libvirtd.conf", "max_clients = -5\n", ":1: max_clients must be a number" },
        { "libvirtd.conf", "keepalive_interval = -2\n", "keepalive_interval must be a number from -1" },
        { "libvirtd.conf", "unix_sock_rw_perms = \"0999\"\n", "octal" },
        { "libvirtd.conf", "unix_sock_rw_perms = 770\n", "octal" },
        { "libvirtd.conf", "auth_unix_rw = \"bogus\"\n", "one of \"none\", \"polkit\"" },
        { "libvirtd.conf", "log_level = 9\n", "from 1 to 4" },
        { "libvirtd.conf", "log_outputs = \"9:nowhere\"\n", "LEVEL:stderr" },
        { "libvirtd.conf", "host_uuid = \"00000000-0000-0000-0000-000000000000\"\n", "UUID" },
        { "libvirtd.conf", "host_uuid = \"zz\"\n", "UUID" },
        { "libvirtd.conf", "unix_sock_dir = \"relative\"\n", "absolute path" },
        { "libvirtd.conf", "unix_sock_group = \"no-such-group-here\"\n",
          ":1: unix_sock_group 'no-such-group-here'" },
        { "libvirtd.conf", "max_clients 5\n", ":1:" },
        { "qemu.conf", "dynamic_ownership = 2\n", "qemu.conf:1: dynamic_ownership must be 0 or 1" },
        { "qemu.conf", "save_image_format = \"rar\"\n", "one of \"raw\"" },
        { "qemu.conf", "nvram = \"/a:/b\"\n", "list of strings" },
        { "qemu.conf", "nvram = [ \"/a\" ]\n", "CODE:VARS" },
        { "qemu.conf", "max_core = \"big\"\n", "unlimited" },
        { "qemu.conf", "remote_display_port_min = 80\n", "from 5900" },
        { "qemu.conf", "\n\nremote_display_port_min = 6000\nremote_display_port_max = 5950\n",
          "qemu.conf:4:" },
    };
    begin();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Config *config = NULL;
        g_autoptr(Error) err = NULL;
        check_case(cases[i].text);
        write_conf("libvirtd.conf", "");
        write_conf("qemu.conf", "");
        write_conf(cases[i].file, cases[i].text);
        check(!config_load(paths, NULL, &config, &err));
        check_eq(error_code(err), ERROR_CONFIG_SYNTAX);
        check_contains(error_message(err), cases[i].message);
        check(config == NULL);
    }
    end();
}

TEST(users_that_do_not_exist_are_refused)
{
    Config *config = NULL;
    g_autoptr(Error) err = NULL;
    if (geteuid() != 0)
        skip();
    begin();
    write_conf("qemu.conf", "user = \"no-such-user-here\"\n");
    check_fails(config_load(paths, NULL, &config, &err), err, ERROR_CONFIG_SYNTAX);
    write_conf("qemu.conf", "group = \"no-such-group-here\"\n");
    check_fails(config_load(paths, NULL, &config, &err), err, ERROR_CONFIG_SYNTAX);
    end();
}

TEST(another_file_can_be_named_but_must_exist)
{
    g_autoptr(Config) config = NULL;
    g_autoptr(Error) err = NULL;
    begin();
    g_autofree char *path = g_build_filename(dir, "my.conf", NULL);
    check_fails(config_load(paths, path, &config, &err), err, ERROR_SYSTEM);
    g_assert(g_file_set_contents(path, "max_clients = 3\n", -1, NULL));
    check_ok(config_load(paths, path, &config, &err), err);
    check_eq(config->max_clients, 3);
    end();
}
