/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/foreign.h"

#include <glib.h>
#include <string.h>

/* Beginnings of their words, and ours: "%" stands for the version that follows theirs. The more special ones
 * come first. */
static const struct {
    const char *theirs, *ours;
} words[] = {
    { "windows2025", "win2k25" },
    { "windows2022", "win2k22" },
    { "windows2019", "win2k19" },
    { "windows2016", "win2k16" },
    { "windows2012", "win2k12r2" },
    { "windows2008", "win2k8r2" },
    { "windows9srv", "win2k16" },
    { "windows8srv", "win2k12r2" },
    { "windows7srv", "win2k8r2" },
    { "windows12", "win11" },
    { "windows11", "win11" },
    { "windows10", "win10" },
    { "windows9", "win10" },
    { "windows81", "win8.1" },
    { "windows8", "win8" },
    { "windows7", "win7" },
    { "windowsvista", "winvista" },
    { "windowsxp", "winxp" },
    { "winxp", "winxp" },
    { "debian", "debian%" },
    { "ubuntu", "ubuntu%" },
    { "fedora", "fedora%" },
    { "centos", "centos-stream%" },
    { "rhel", "rhel%" },
    { "redhat", "rhel%" },
    { "oraclelinux", "ol%" },
    { "oracle", "ol%" },
    { "rocky", "rocky%" },
    { "almalinux", "almalinux%" },
    { "opensuse", "opensuse%" },
    { "sles", "sles%" },
    { "freebsd", "freebsd%" },
    { "openbsd", "openbsd%" },
    { "archlinux", "archlinux" },
    { "other6xlinux", "linux2022" },
    { "other5xlinux", "linux2020" },
    { "other4xlinux", "linux2018" },
    { "other3xlinux", "linux2016" },
    { "otherlinux", "linux2016" },
    { "other26xlinux", "linux2016" },
    { "linux", "linux2016" },
    { "gentoo", "gentoo" },
};

/* CIM_OperatingSystem.OSType */
static const struct {
    unsigned number;
    const char *word;
} numbers[] = { { 36, "linux" },        { 69, "winxp" },        { 79, "rhel" },      { 80, "rhel" },
                { 84, "sles" },         { 85, "sles" },         { 93, "ubuntu" },    { 94, "ubuntu" },
                { 95, "debian" },       { 96, "debian" },       { 99, "linux" },     { 100, "linux" },
                { 101, "linux" },       { 103, "windows7srv" }, { 105, "windows7" }, { 106, "centos" },
                { 107, "centos" },      { 108, "oracle" },      { 109, "oracle" },   { 113, "windows8" },
                { 115, "windows8srv" }, { 118, "windows81" },   { 120, "windows10" } };

static bool find_version(OsDb *db, const char *stem, const char *version, OsFacts *ret_facts)
{
    g_autofree char *exact = g_strconcat(stem, version, NULL);
    g_autofree char *near = g_strdup_printf("%s%s.99", stem, *version ? version : "99999");

    return (*version && os_db_find(db, exact, ret_facts)) || os_db_nearest(db, near, ret_facts);
}

static bool find_word(OsDb *db, const char *word, OsFacts *ret_facts)
{
    g_autofree char *lower = g_ascii_strdown(word, -1);

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        const size_t len = strlen(words[i].theirs);
        const char *place = strchr(words[i].ours, '%');
        if (strncmp(lower, words[i].theirs, len) != 0)
            continue;
        if (!place)
            return os_db_find(db, words[i].ours, ret_facts);
        /* "64" is how wide it is. */
        const size_t digits = strspn(lower + len, "0123456789");
        g_autofree char *stem = g_strndup(words[i].ours, (size_t)(place - words[i].ours));
        g_autofree char *version = g_strndup(lower + len, digits);
        if (strcmp(version, "64") == 0)
            *version = '\0';
        return find_version(db, stem, version, ret_facts);
    }
    return false;
}

bool foreign_find(OsDb *db, const char *word, uint64_t number, OsFacts *ret_facts)
{
    if (word && (os_db_find(db, word, ret_facts) || find_word(db, word, ret_facts)))
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
        if (numbers[i].number == number)
            return find_word(db, numbers[i].word, ret_facts);
    return false;
}

unsigned foreign_number(const OsFacts *facts)
{
    static const struct {
        const char *distro;
        unsigned number;
    } known[] = { { "debian", 96 }, { "ubuntu", 94 }, { "rhel", 80 }, { "centos", 107 },
                  { "sles", 85 },   { "ol", 109 },    { "win", 120 } };

    for (size_t i = 0; facts->distro && i < G_N_ELEMENTS(known); i++)
        if (strcmp(facts->distro, known[i].distro) == 0)
            return known[i].number;
    return facts->family && strcmp(facts->family, "linux") == 0 ? 101 : 102;
}
