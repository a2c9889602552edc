/* Lists of images. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "install/catalogue.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TEST(checksums_are_found_in_both_forms)
{
    static const struct {
        const char *list, *found;
    } cases[] = {
        { HASH "  a.img\n", "sha256:" HASH },
        { "x\n" HASH " *a.img\n", "sha256:" HASH },
        { HASH HASH "  a.img", "sha512:" HASH HASH },
        { "# x\nSHA256 (a.img) = " HASH "\n", "sha256:" HASH },
        { HASH "  b-a.img\n", NULL },
        { "nonsense  a.img\n", NULL },
        { "SHA256 (a.img) = \n", NULL },
        { "", NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *found = catalogue_checksum(cases[i].list, "a.img");
        check_case(cases[i].list);
        check(g_strcmp0(found, cases[i].found) == 0);
    }
}

TEST(names_are_the_same_with_and_without_hyphens)
{
    g_autoptr(Catalogue) catalogue = catalogue_new();
    g_autoptr(Error) err = NULL;

    check_ok(catalogue_load(catalogue, &err), err);
    check(catalogue_find(catalogue, "debian12") != NULL);
    check(catalogue_find(catalogue, "debian12") == catalogue_find(catalogue, "Debian-12"));
    check(catalogue_find(catalogue, "debian") == NULL);
    check(catalogue_find(catalogue, "") == NULL);
}

TEST(streams_that_are_none_are_refused_or_give_nothing)
{
    static const char *const texts[] = {
        "{}", "{\"products\": {\"p\": {\"arch\": \"amd64\"}}}", "{\"products\": 1}",
        ("{\"products\": {\"p\": {\"arch\": \"amd64\", \"os\": \"o\", \"version\": "
         "\"1\", \"versions\": {\"1\": {\"items\": {\"i\": {}}}}}}}"),
        "{\"index\": {\"x\": {\"path\": 3}}}"
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Catalogue) catalogue = catalogue_new();
        g_autoptr(Error) err = NULL;
        g_auto(GStrv) more = NULL;
        check_case(texts[i]);
        check_ok(catalogue_add_stream(catalogue, "http://h/streams/v1/i.json", texts[i], &more, &err), err);
        check_eq(catalogue->entries->len, 0);
    }
    g_autoptr(Catalogue) catalogue = catalogue_new();
    g_autoptr(Error) err = NULL;
    g_auto(GStrv) more = NULL;
    check_fails(catalogue_add_stream(catalogue, "http://h/streams/v1/i.json", "<html>", &more, &err), err,
                ERROR_INVALID_ARGUMENT);
}
