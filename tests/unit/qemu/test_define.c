/* Definition as a whole: defaults, implied devices and addresses. Each NAME.xml in tests/golden/define is a
 * document as a user writes it, NAME.out.xml what the reference implementation makes of it, NAME.error the
 * code with which it is refused. Drop in a pair and it is a test. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <string.h>

#include "base/file.h"
#include "golden_platform.h"
#include "qemu/address.h"

static bool define(const char *text, size_t len, char **ret_xml, Error **err)
{
    g_autoptr(DomainDef) def = NULL;

    if (!domain_def_parse(text, len, DOMAIN_PARSE_INACTIVE, &golden_hooks, &def, err) ||
        !qemu_assign_addresses(def, NULL, err))
        return false;
    GString *out = g_string_new(NULL);
    domain_def_format(def, DOMAIN_FORMAT_INACTIVE | DOMAIN_FORMAT_SECURE, out);
    *ret_xml = g_string_free(out, FALSE);
    return true;
}

static bool define_file(const char *path, char **ret_xml, Error **err)
{
    g_autofree char *text = NULL;
    size_t len;
    return file_read(path, 1 << 20, &text, &len, err) && define(text, len, ret_xml, err);
}

static char *expected_path(const char *input, const char *suffix)
{
    g_autofree char *stem = g_strndup(input, strlen(input) - strlen(".xml"));
    return g_strconcat(stem, suffix, NULL);
}

static unsigned n_different;

static void check_golden(const char *input)
{
    g_autofree char *out_path = expected_path(input, ".out.xml");
    g_autofree char *error_path = expected_path(input, ".error");
    g_autofree char *got = NULL;
    g_autofree char *want = NULL;
    g_autoptr(Error) err = NULL;

    check_case(input);
    bool ok = define_file(input, &got, &err);
    if (g_file_test(error_path, G_FILE_TEST_EXISTS)) {
        check(g_file_get_contents(error_path, &want, NULL, NULL));
        n_different +=
            !golden_compare_lines(input, ok ? "ok" : error_code_name(error_code(err)), g_strstrip(want));
        return;
    }
    if (!ok) {
        n_different += !golden_compare_lines(input, error_message(err), "ok");
        return;
    }
    check(g_file_get_contents(out_path, &want, NULL, NULL));
    n_different += !golden_compare_lines(input, got, want);
}

TEST(definitions_come_out_as_the_reference_makes_them)
{
    n_different = 0;
    g_autoptr(GPtrArray) names = NULL;
    check(file_list_dir(GOLDEN_DIR, &names, NULL));
    check(names->len > 0);
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (!g_str_has_suffix(name, ".xml") || g_str_has_suffix(name, ".out.xml"))
            continue;
        g_autofree char *path = g_build_filename(GOLDEN_DIR, name, NULL);
        check_golden(path);
    }
    check_eq(n_different, 0);
}

/* Twice: the first round may sort controllers that were appended. */
TEST(defining_what_came_out_changes_nothing)
{
    n_different = 0;
    g_autoptr(GPtrArray) names = NULL;
    check(file_list_dir(GOLDEN_DIR, &names, NULL));
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (!g_str_has_suffix(name, ".out.xml"))
            continue;
        g_autofree char *path = g_build_filename(GOLDEN_DIR, name, NULL);
        g_autofree char *first = NULL;
        g_autofree char *second = NULL;
        g_autoptr(Error) err = NULL;
        check_case(path);
        check_ok(define_file(path, &first, &err), err);
        check_ok(define(first, strlen(first), &second, &err), err);
        n_different += !golden_compare_lines(path, second, first);
    }
    check_eq(n_different, 0);
}
