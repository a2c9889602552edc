/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/answers.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static const struct {
    const char *distro;
    AnswersKind kind;
} distros[] = {
    { "fedora", ANSWERS_KICKSTART },
    { "rhel", ANSWERS_KICKSTART },
    { "centos", ANSWERS_KICKSTART },
    { "almalinux", ANSWERS_KICKSTART },
    { "rocky", ANSWERS_KICKSTART },
    { "ol", ANSWERS_KICKSTART },
    { "scientificlinux", ANSWERS_KICKSTART },
    { "debian", ANSWERS_PRESEED },
    { "ubuntu", ANSWERS_AUTOINSTALL },
    { "opensuse", ANSWERS_AUTOYAST },
    { "sle", ANSWERS_AUTOYAST },
    { "sles", ANSWERS_AUTOYAST },
    { "sled", ANSWERS_AUTOYAST },
    { "win", ANSWERS_WINDOWS },
};

AnswersKind answers_kind(const OsFacts *os)
{
    if (os->short_id && strstr(os->short_id, "coreos")) /* the list says of it that it is a Fedora */
        return ANSWERS_IGNITION;
    for (size_t i = 0; os->distro && i < G_N_ELEMENTS(distros); i++)
        if (strcmp(distros[i].distro, os->distro) == 0) {
            /* Ubuntu had Debian's installer once. */
            const bool old = distros[i].kind == ANSWERS_AUTOINSTALL && os->version && atof(os->version) < 20;
            return old ? ANSWERS_PRESEED : distros[i].kind;
        }
    return ANSWERS_NONE;
}

const char *answers_name(AnswersKind kind)
{
    static const char *const names[] = { NULL,           "ks.cfg",     "preseed.cfg",     "user-data",
                                         "autoinst.xml", "config.ign", "autounattend.xml" };
    return names[kind];
}

const char *answers_arguments(AnswersKind kind)
{
    static const char *const arguments[] = { NULL,
                                             "inst.ks=file:/ks.cfg",
                                             "auto=true priority=critical preseed/file=/preseed.cfg",
                                             "autoinstall",
                                             "autoyast=file:///autoinst.xml",
                                             NULL,
                                             NULL };
    return arguments[kind];
}

bool answers_in_initrd(AnswersKind kind, const char **ret_label)
{
    *ret_label = kind == ANSWERS_AUTOINSTALL ? "cidata" : "OEMDRV";
    return kind == ANSWERS_KICKSTART || kind == ANSWERS_PRESEED || kind == ANSWERS_AUTOYAST;
}

/* SHA-512, as every system of today reads it. */
static bool hash_password(const char *password, char **ret_hash, Error **err)
{
    struct crypt_data data = { 0 };
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];

    if (!crypt_gensalt_rn("$6$", 0, NULL, 0, salt, sizeof(salt)) ||
        !crypt_rn(password, salt, &data, sizeof(data)))
        return error_set(err, ERROR_SYSTEM, "a password cannot be hashed on this host");
    *ret_hash = g_strdup(data.output);
    explicit_bzero(&data, sizeof(data));
    return true;
}

/* None of the formats has a way to write a value of several lines. */
static bool check(const Answers *answers, Error **err)
{
    const char *const values[] = { answers->hostname,       answers->user,   answers->user_password,
                                   answers->admin_password, answers->locale, answers->timezone,
                                   answers->keyboard,       answers->mirror, answers->product_key };

    for (size_t i = 0; i < G_N_ELEMENTS(values); i++)
        for (const char *at = values[i]; at && *at; at++)
            if ((unsigned char)*at < 0x20)
                return error_set(err, ERROR_INVALID_ARGUMENT,
                                 "a value for the installer has a control character in it");
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+/:@~?=&%";
    const char *const words[] = { answers->hostname, answers->user,     answers->locale,
                                  answers->timezone, answers->keyboard, answers->mirror };
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (words[i] && strspn(words[i], safe) != strlen(words[i]))
            return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' cannot be told to an installer", words[i]);
    for (const char *const *package = answers->packages; package && *package; package++)
        if (!**package || strspn(*package, safe) != strlen(*package))
            return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no name of a package", *package);
    return true;
}

static const char * or (const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

static void add_packages(GString *out, const Answers *answers, const char *before, const char *after)
{
    for (const char *const *package = answers->packages; package && *package; package++)
        g_string_append_printf(out, "%s%s%s", before, *package, after);
}

static void kickstart(GString *out, const Answers *a, const char *user_hash, const char *admin_hash)
{
    g_string_append_printf(out,
                           "text\nreboot\nlang %s\nkeyboard %s\ntimezone %s --utc\nnetwork --bootproto=dhcp "
                           "--activate --hostname=%s\n",
                           or (a->locale, "en_US.UTF-8"), or (a->keyboard, "us"), or (a->timezone, "UTC"),
                           or (a->hostname, "localhost"));
    if (a->mirror)
        g_string_append_printf(out, "url --url=%s\n", a->mirror);
    if (admin_hash)
        g_string_append_printf(out, "rootpw --iscrypted %s\n", admin_hash);
    else
        g_string_append(out, "rootpw --lock\n");
    if (a->user)
        g_string_append_printf(out, "user --name=%s --groups=wheel%s%s\n", a->user,
                               user_hash ? " --iscrypted --password=" : "", user_hash ? user_hash : "");
    for (const char *const *key = a->keys; key && *key; key++)
        g_string_append_printf(out, "sshkey --username=%s \"%s\"\n", or (a->user, "root"), *key);
    g_string_append(out, "firstboot --disable\nzerombr\nclearpart --all --initlabel\nautopart\nbootloader "
                         "--append=\"console=tty0 console=ttyS0\"\n"
                         "%packages\n");
    g_string_append(out, a->is_minimal ? "@core\n" : "@^workstation-product-environment\n");
    g_string_append(out, "qemu-guest-agent\n");
    add_packages(out, a, "", "\n");
    g_string_append(out, "%end\n");
}

/* "http://host:port/path" of a mirror in three answers. */
static void preseed_mirror(GString *out, const char *mirror)
{
    const char *host = mirror && g_str_has_prefix(mirror, "http://") ? mirror + strlen("http://") : NULL;
    const char *slash = host ? strchr(host, '/') : NULL;

    if (!host) {
        g_string_append(out,
                        "d-i mirror/country string manual\nd-i mirror/http/hostname string ftp.debian.org\n"
                        "d-i mirror/http/directory string /debian\nd-i mirror/http/proxy string\n");
        return;
    }
    g_string_append_printf(out,
                           "d-i mirror/country string manual\nd-i mirror/http/hostname string %.*s\nd-i "
                           "mirror/http/directory string %s\n"
                           "d-i mirror/http/proxy string\n",
                           (int)(slash ? (size_t)(slash - host) : strlen(host)), host, slash ? slash : "/");
}

static void preseed(GString *out, const Answers *a, const char *user_hash, const char *admin_hash)
{
    g_string_append_printf(out,
                           "d-i debian-installer/locale string %s\nd-i keyboard-configuration/xkb-keymap "
                           "select %s\n"
                           "d-i netcfg/choose_interface select auto\nd-i netcfg/get_hostname string %s\nd-i "
                           "netcfg/get_domain string\n",
                           or (a->locale, "en_US.UTF-8"), or (a->keyboard, "us"), or (a->hostname, "debian"));
    preseed_mirror(out, a->mirror);
    if (admin_hash)
        g_string_append_printf(out, "d-i passwd/root-password-crypted password %s\n", admin_hash);
    else
        g_string_append(out, "d-i passwd/root-login boolean false\n");
    if (a->user)
        g_string_append_printf(out,
                               "d-i passwd/user-fullname string %s\nd-i passwd/username string %s\nd-i "
                               "passwd/user-password-crypted password %s\n",
                               a->user, a->user, user_hash ? user_hash : "!");
    else
        g_string_append(out, "d-i passwd/make-user boolean false\n");
    g_string_append_printf(
        out,
        "d-i clock-setup/utc boolean true\nd-i time/zone string %s\nd-i partman-auto/method string regular\n"
        "d-i partman-auto/choose_recipe select atomic\nd-i partman-partitioning/confirm_write_new_label "
        "boolean true\n"
        "d-i partman/choose_partition select finish\nd-i partman/confirm boolean true\nd-i "
        "partman/confirm_nooverwrite boolean true\n"
        "d-i apt-setup/cdrom/set-first boolean false\n"
        "tasksel tasksel/first multiselect %s\npopularity-contest popularity-contest/participate boolean "
        "false\n"
        "d-i pkgsel/upgrade select none\nd-i pkgsel/include string openssh-server qemu-guest-agent",
        or (a->timezone, "UTC"), a->is_minimal ? "standard" : "standard, desktop");
    add_packages(out, a, " ", "");
    g_string_append(out, "\nd-i grub-installer/only_debian boolean true\nd-i grub-installer/bootdev string "
                         "default\n"
                         "d-i debian-installer/add-kernel-opts string console=tty0 console=ttyS0\n"
                         "d-i finish-install/reboot_in_progress note\nd-i cdrom-detect/eject boolean true\n");
    if (a->keys && *a->keys) {
        const char *user = or (a->user, "root");
        g_autofree char *home = a->user ? g_strdup_printf("/home/%s", a->user) : g_strdup("/root");
        g_string_append_printf(out, "d-i preseed/late_command string mkdir -p /target%s/.ssh; ", home);
        for (const char *const *key = a->keys; *key; key++) {
            g_autofree char *quoted = g_shell_quote(*key);
            g_string_append_printf(out, "echo %s >> /target%s/.ssh/authorized_keys; ", quoted, home);
        }
        g_string_append_printf(out, "in-target chown -R %s: %s/.ssh; in-target chmod -R go= %s/.ssh\n", user,
                               home, home);
    }
}

static Json *string_list(const char *const *texts)
{
    Json *list = json_array();

    for (; texts && *texts; texts++)
        json_array_append_new(list, json_string(*texts));
    return list;
}

/* JSON is YAML. */
static void autoinstall(GString *out, const Answers *a, const char *user_hash)
{
    Json *packages = string_list(a->packages);
    json_array_append_new(packages, json_string("qemu-guest-agent"));
    AUTO_JSON all =
        json_pack("{s:{s:i, s:s, s:{s:s}, s:s, s:{s:s, s:s, s:s}, s:{s:b, s:b, s:o}, s:{s:{s:s}}, s:o, s:s}}",
                  "autoinstall", "version", 1, "locale", or (a->locale, "en_US.UTF-8"), "keyboard", "layout",
                  or (a->keyboard, "us"), "timezone", or (a->timezone, "UTC"), "identity", "hostname",
                  or (a->hostname, "ubuntu"), "username", or (a->user, "ubuntu"), "password",
                  user_hash ? user_hash : "!", "ssh", "install-server", 1, "allow-pw", user_hash != NULL,
                  "authorized-keys", string_list(a->keys), "storage", "layout", "name", "direct", "packages",
                  packages, "shutdown", "reboot");
    g_autofree char *text = json_format(all);
    g_string_append_printf(out, "#cloud-config\n%s\n", text);
}

static void ignition(GString *out, const Answers *a, const char *user_hash)
{
    Json *user =
        json_pack("{s:s, s:o}", "name", or (a->user, "core"), "sshAuthorizedKeys", string_list(a->keys));
    if (user_hash)
        json_object_set_new(user, "passwordHash", json_string(user_hash));
    AUTO_JSON all =
        json_pack("{s:{s:s}, s:{s:[o]}}", "ignition", "version", "3.3.0", "passwd", "users", user);
    if (a->hostname) {
        g_autofree char *source = g_strdup_printf("data:,%s", a->hostname);
        json_object_set_new(all, "storage",
                            json_pack("{s:[{s:s, s:i, s:{s:s}}]}", "files", "path", "/etc/hostname", "mode",
                                      0644, "contents", "source", source));
    }
    g_autofree char *text = json_format(all);
    g_string_append(out, text);
}

static void autoyast(GString *out, const Answers *a, const char *user_hash, const char *admin_hash)
{
    GString *users = g_string_new(NULL);
    const struct {
        const char *name, *hash;
    } rows[] = { { "root", admin_hash }, { a->user, user_hash } };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!rows[i].name)
            continue;
        g_autofree char *text = g_markup_printf_escaped("<user><username>%s</username><encrypted "
                                                        "config:type=\"boolean\">true</"
                                                        "encrypted><user_password>%s</user_password>",
                                                        rows[i].name, rows[i].hash ? rows[i].hash : "!");
        g_string_append(users, text);
        if (a->keys && *a->keys && (i == 1 || !a->user)) {
            g_string_append(users, "<authorized_keys config:type=\"list\">");
            for (const char *const *key = a->keys; *key; key++) {
                g_autofree char *listed = g_markup_printf_escaped("<listentry>%s</listentry>", *key);
                g_string_append(users, listed);
            }
            g_string_append(users, "</authorized_keys>");
        }
        g_string_append(users, "</user>");
    }
    g_string_append_printf(
        out,
        "<?xml version=\"1.0\"?>\n<profile xmlns=\"http://www.suse.com/1.0/yast2ns\" "
        "xmlns:config=\"http://www.suse.com/1.0/configns\">"
        "<general><mode><confirm config:type=\"boolean\">false</confirm></mode></general>"
        "<language><language>%s</language></language><keyboard><keymap>%s</keymap></keyboard>"
        "<timezone><hwclock>UTC</hwclock><timezone>%s</timezone></timezone>"
        "<networking><dns><hostname>%s</hostname></dns><interfaces "
        "config:type=\"list\"><interface><device>eth0</device>"
        "<bootproto>dhcp</bootproto><startmode>auto</startmode></interface></interfaces></networking>"
        "<partitioning config:type=\"list\"><drive><initialize "
        "config:type=\"boolean\">true</initialize><use>all</use></drive></partitioning>"
        "<software><patterns config:type=\"list\"><pattern>base</pattern></patterns><packages "
        "config:type=\"list\">"
        "<package>openssh</package><package>qemu-guest-agent</package>",
        or (a->locale, "en_US"), or (a->keyboard, "english-us"), or (a->timezone, "UTC"),
        or (a->hostname, "suse"));
    add_packages(out, a, "<package>", "</package>");
    g_string_append_printf(out, "</packages></software><users config:type=\"list\">%s</users></profile>\n",
                           users->str);
    g_string_free(users, TRUE);
}

/* A password in the clear: base64 of it and a word behind it, which is what Windows calls hidden. */
static char *windows_password(const char *password, const char *word)
{
    g_autofree char *both = g_strconcat(password, word, NULL);
    glong units = 0;
    g_autofree gunichar2 *wide = g_utf8_to_utf16(both, -1, NULL, &units, NULL);

    return g_base64_encode((const guchar *)(wide ? wide : (gunichar2 *)L""), wide ? (gsize)units * 2 : 0);
}

static void windows(GString *out, const Answers *a)
{
    g_autofree char *admin = windows_password(or (a->admin_password, ""), "AdministratorPassword");
    g_autofree char *user = windows_password(or (a->user_password, ""), "Password");
    g_autofree char *account =
        a->user ? g_markup_printf_escaped("<LocalAccounts><LocalAccount "
                                          "wcm:action=\"add\"><Name>%s</Name><Group>Administrators</Group>"
                                          "<Password><Value>%s</Value><PlainText>false</PlainText></"
                                          "Password></LocalAccount></LocalAccounts>",
                                          a->user, user)
                : g_strdup("");
    g_autofree char *key =
        a->product_key ? g_markup_printf_escaped("<ProductKey><Key>%s</Key></ProductKey>", a->product_key)
                       : g_strdup("<ProductKey><WillShowUI>OnError</WillShowUI></ProductKey>");
    static const char component[] = "processorArchitecture=\"amd64\" publicKeyToken=\"31bf3856ad364e35\" "
                                    "language=\"neutral\" versionScope=\"nonSxS\"";

    g_string_append_printf(
        out,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<unattend xmlns=\"urn:schemas-microsoft-com:unattend\" "
        "xmlns:wcm=\"http://schemas.microsoft.com/WMIConfig/2002/State\">"
        "<settings pass=\"windowsPE\"><component name=\"Microsoft-Windows-International-Core-WinPE\" %s>"
        "<SetupUILanguage><UILanguage>en-US</UILanguage></SetupUILanguage><InputLocale>%s</"
        "InputLocale><UILanguage>en-US</UILanguage>"
        "<UserLocale>%s</UserLocale></component><component name=\"Microsoft-Windows-PnpCustomizationsWinPE\" "
        "%s><DriverPaths>"
        /* virtio-win, in whichever drive it is */
        "<PathAndCredentials wcm:action=\"add\" wcm:keyValue=\"1\"><Path>E:\\</Path></PathAndCredentials>"
        "<PathAndCredentials wcm:action=\"add\" "
        "wcm:keyValue=\"2\"><Path>F:\\</Path></PathAndCredentials></DriverPaths></component>"
        "<component name=\"Microsoft-Windows-Setup\" %s><DiskConfiguration><Disk "
        "wcm:action=\"add\"><DiskID>0</DiskID>"
        "<WillWipeDisk>true</WillWipeDisk><CreatePartitions><CreatePartition "
        "wcm:action=\"add\"><Order>1</Order><Type>EFI</Type><Size>260</Size>"
        "</CreatePartition><CreatePartition "
        "wcm:action=\"add\"><Order>2</Order><Type>MSR</Type><Size>16</Size></CreatePartition>"
        "<CreatePartition "
        "wcm:action=\"add\"><Order>3</Order><Type>Primary</Type><Extend>true</Extend></CreatePartition></"
        "CreatePartitions>"
        "<ModifyPartitions><ModifyPartition "
        "wcm:action=\"add\"><Order>1</Order><PartitionID>1</PartitionID><Format>FAT32</Format></"
        "ModifyPartition>"
        "<ModifyPartition "
        "wcm:action=\"add\"><Order>2</Order><PartitionID>3</PartitionID><Format>NTFS</Format></"
        "ModifyPartition></ModifyPartitions>"
        "</Disk></DiskConfiguration><ImageInstall><OSImage><InstallTo><DiskID>0</DiskID><PartitionID>3</"
        "PartitionID></InstallTo></OSImage>"
        "</ImageInstall><UserData><AcceptEula>true</AcceptEula>%s</UserData></component></settings>"
        "<settings pass=\"specialize\"><component name=\"Microsoft-Windows-Shell-Setup\" "
        "%s><ComputerName>%s</ComputerName>"
        "<TimeZone>%s</TimeZone></component></settings>"
        "<settings pass=\"oobeSystem\"><component name=\"Microsoft-Windows-Shell-Setup\" "
        "%s><OOBE><HideEULAPage>true</HideEULAPage>"
        "<HideOnlineAccountScreens>true</HideOnlineAccountScreens><HideWirelessSetupInOOBE>true</"
        "HideWirelessSetupInOOBE>"
        "<ProtectYourPC>3</ProtectYourPC></OOBE><UserAccounts><AdministratorPassword><Value>%s</"
        "Value><PlainText>false</PlainText>"
        "</AdministratorPassword>%s</UserAccounts></component></settings></unattend>\n",
        component, or (a->keyboard, "en-US"), or (a->locale, "en-US"), component, component, key, component,
        or (a->hostname, "*"), or (a->timezone, "UTC"), component, admin, account);
}

bool answers_format(AnswersKind kind, const Answers *answers, char **ret_text, Error **err)
{
    g_autofree char *user = NULL, *admin = NULL;
    GString *out = g_string_new(NULL);

    if (!check(answers, err) ||
        (answers->user_password && kind != ANSWERS_WINDOWS &&
         !hash_password(answers->user_password, &user, err)) ||
        (answers->admin_password && kind != ANSWERS_WINDOWS &&
         !hash_password(answers->admin_password, &admin, err))) {
        g_string_free(out, TRUE);
        return false;
    }
    switch (kind) {
    case ANSWERS_KICKSTART:
        kickstart(out, answers, user, admin);
        break;
    case ANSWERS_PRESEED:
        preseed(out, answers, user, admin);
        break;
    case ANSWERS_AUTOINSTALL:
        autoinstall(out, answers, user);
        break;
    case ANSWERS_AUTOYAST:
        autoyast(out, answers, user, admin);
        break;
    case ANSWERS_IGNITION:
        ignition(out, answers, user);
        break;
    case ANSWERS_WINDOWS:
        windows(out, answers);
        break;
    default:
        g_string_free(out, TRUE);
        return error_set(err, ERROR_NOT_SUPPORTED,
                         "how the installer of this system is answered is not known");
    }
    *ret_text = g_string_free(out, FALSE);
    return true;
}
