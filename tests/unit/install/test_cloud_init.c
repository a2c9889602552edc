/* What cloud-init is told. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "install/cloud_init.h"

static const char *const keys[] = { "ssh-ed25519 AAAA me@here", NULL };

static Json *document(const Json *files, const char *name)
{
    size_t i;
    json_t *file;

    json_array_foreach (files, i, file)
        if (g_strcmp0(json_get_str(file, "name"), name) == 0)
            return cloud_init_parse(json_get_str(file, "text"));
    return NULL;
}

static const char *text_of(const Json *files, const char *name)
{
    size_t i;
    json_t *file;

    json_array_foreach (files, i, file)
        if (g_strcmp0(json_get_str(file, "name"), name) == 0)
            return json_get_str(file, "text");
    return NULL;
}

TEST(values_that_could_be_something_else_are_refused)
{
    static const char *const bad_ips[] = { "10.0.0.5", "10.0.0.5/0", "10.0.0.5/33", "::1/129", "x/8", "" };
    static const char *const bad_hosts[] = { "", "-a", "a-", "a..b", "a_b", "a b", "a\nb", ".", "a." };
    static const char *const bad_users[] = { "", "Root", "a b", "1a", "a:b", "x\n" };

    for (size_t i = 0; i < G_N_ELEMENTS(bad_ips); i++) {
        const char *const ips[] = { bad_ips[i], NULL };
        const CloudInit init = { .ips = ips };
        g_autoptr(Error) err = NULL;
        check_case(bad_ips[i]);
        check_fails(cloud_init_check(&init, &err), err, ERROR_INVALID_ARGUMENT);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad_hosts); i++) {
        const CloudInit init = { .hostname = bad_hosts[i] };
        g_autoptr(Error) err = NULL;
        check_case(bad_hosts[i]);
        check_fails(cloud_init_check(&init, &err), err, ERROR_INVALID_ARGUMENT);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad_users); i++) {
        const CloudInit init = { .user = bad_users[i] };
        g_autoptr(Error) err = NULL;
        check_case(bad_users[i]);
        check_fails(cloud_init_check(&init, &err), err, ERROR_INVALID_ARGUMENT);
    }
    static const char *const ips[] = { "10.0.0.5/24", "fd00::5/64", NULL };
    static const char *const secret[] = { "-----BEGIN OPENSSH PRIVATE KEY-----", NULL };
    const CloudInit good = { .hostname = "web-1.example.org", .user = "_me.x-1", .ips = ips, .keys = keys };
    const CloudInit leaks = { .keys = secret };
    g_autoptr(Error) err = NULL;
    check_ok(cloud_init_check(&good, &err), err);
    check_fails(cloud_init_check(&leaks, &err), err, ERROR_INVALID_ARGUMENT);
}

TEST(what_was_made_can_be_read_and_changed)
{
    const CloudInit init = {
        .instance_id = "u-1", .hostname = "web", .user = "me", .keys = keys, .mac = "m"
    };
    const CloudInit change = { .instance_id = "u-2", .hostname = "db", .is_clone = true, .mac = "n" };
    AUTO_JSON files = cloud_init_files(&init);

    cloud_init_change(files, &change);
    AUTO_JSON user = document(files, "user-data");
    AUTO_JSON meta = document(files, "meta-data");
    check_str(json_get_str(user, "hostname"), "db");
    check_str(json_get_str(meta, "instance-id"), "u-2");
    check(json_get_arr(user, "bootcmd") != NULL);
    const Json *who = json_array_get(json_get_arr(user, "users"), 1);
    check_str(json_get_str(who, "name"), "me");
    check_contains(text_of(files, "network-config"), "\"n\"");
}

TEST(a_document_of_the_users_stays_as_it_is)
{
    static const char own[] = "#cloud-config\npackages: [hello]\n";
    const CloudInit init = { .hostname = "web", .user = "me", .keys = keys, .mac = "m", .user_data = own };
    const CloudInit change = { .hostname = "db" };
    AUTO_JSON files = cloud_init_files(&init);

    check_str(text_of(files, "user-data"), own);
    cloud_init_change(files, &change);
    check_str(text_of(files, "user-data"), own);
    AUTO_JSON vendor = document(files, "vendor-data");
    check_str(json_get_str(vendor, "hostname"), "db");
    check(json_get_obj(vendor, "reporting") != NULL);
}
