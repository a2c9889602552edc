/* Recorded documents: each NAME.xml of tests/golden/domain is what a user writes, NAME.out.xml what the
 * reference daemon makes of it, NAME.error the code with which it refuses. A name that starts with "strict-"
 * asks for validation. Drop in a file and run tests/golden/record.py, and it is a test.
 *
 * Addresses on PCI, USB and virtio-serial buses are given by a higher layer, with the ports they need; they
 * are left out of the comparison here. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "golden.h"

static bool line_is_address(const char *line)
{
    static const char *const kinds[] = { "pci", "usb", "virtio-serial", "ccid", "dimm" };
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *start = g_strdup_printf("<address type='%s'", kinds[i]);
        if (g_str_has_prefix(line + strspn(line, " "), start))
            return true;
    }
    return false;
}

/* "<a b='c'>" that is closed by the next line: the address was all it had. */
static bool closes(const char *line, const char *open)
{
    size_t indent = strspn(open, " ");
    return strspn(line, " ") == indent && g_str_has_prefix(line + indent, "</");
}

/* The document without addresses, and without the PCI controllers that only addresses need. */
static char *without_addresses(const char *xml)
{
    g_auto(GStrv) lines = g_strsplit(xml, "\n", -1);
    g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);
    bool skip = false;
    for (unsigned i = 0; lines[i]; i++) {
        const char *line = lines[i];
        bool port = g_str_has_prefix(line, "    <controller type='pci'") && !strstr(line, "index='0'");
        if (port)
            skip = !g_str_has_suffix(line, "/>");
        if (port || skip || line_is_address(line)) {
            skip = skip && strcmp(line, "    </controller>") != 0;
            continue;
        }
        char *last = kept->len ? g_ptr_array_index(kept, kept->len - 1) : NULL;
        bool was_open =
            last && g_str_has_suffix(last, ">") && !g_str_has_suffix(last, "/>") && !strstr(last, "</");
        if (was_open && closes(line, last)) {
            char *joined = g_strdup_printf("%.*s/>", (int)strlen(last) - 1, last);
            g_ptr_array_index(kept, kept->len - 1) = joined;
            g_free(last);
        } else {
            g_ptr_array_add(kept, g_strdup(line));
        }
    }
    g_ptr_array_add(kept, NULL);
    return g_strjoinv("\n", (char **)kept->pdata);
}

static char *result_of(const DomainDef *def)
{
    GString *out = g_string_new(NULL);
    domain_def_format(def, DOMAIN_FORMAT_INACTIVE | DOMAIN_FORMAT_SECURE, out);
    return g_string_free(out, FALSE);
}

static unsigned failures;

static void note_failure(const char *name, const char *got, const char *want)
{
    failures++;
    fprintf(stderr, "%s:\n  got  %s\n  want %s\n", name, got, want);
}

static void compare(const char *name, const char *got_xml, const char *want_xml)
{
    g_autofree char *got_text = without_addresses(got_xml);
    g_autofree char *want_text = without_addresses(want_xml);
    g_auto(GStrv) got = g_strsplit(got_text, "\n", -1);
    g_auto(GStrv) want = g_strsplit(want_text, "\n", -1);
    for (unsigned i = 0; got[i] || want[i]; i++) {
        if (g_strcmp0(got[i], want[i]) != 0) {
            note_failure(name, got[i] ?: "(end)", want[i] ?: "(end)");
            return;
        }
    }
}

static void golden(const char *name)
{
    g_autofree char *stem = g_strndup(name, strlen(name) - strlen(".xml"));
    g_autofree char *path = g_strdup_printf("%s/%s.xml", GOLDEN_DIR, stem);
    g_autofree char *out_path = g_strdup_printf("%s/%s.out.xml", GOLDEN_DIR, stem);
    g_autofree char *error_path = g_strdup_printf("%s/%s.error", GOLDEN_DIR, stem);
    g_autofree char *xml = NULL, *want = NULL;
    gsize len;
    check(g_file_get_contents(path, &xml, &len, NULL));
    DomainParseFlags flags =
        DOMAIN_PARSE_INACTIVE | (g_str_has_prefix(name, "strict-") ? DOMAIN_PARSE_VALIDATE : 0);
    g_autoptr(DomainDef) def = NULL;
    g_autoptr(Error) err = NULL;
    bool ok = domain_def_parse(xml, len, flags, &golden_hooks, &def, &err);
    if (g_file_get_contents(error_path, &want, NULL, NULL)) {
        g_strstrip(want);
        const char *code = ok ? "(accepted)" : error_code_name(error_code(err));
        if (strcmp(code, want) != 0)
            note_failure(name, ok ? code : error_message(err), want);
        return;
    }
    if (!g_file_get_contents(out_path, &want, NULL, NULL)) {
        note_failure(name, "no recording", "one");
        return;
    }
    if (!ok) {
        note_failure(name, error_message(err), "(accepted)");
        return;
    }
    g_autofree char *got = result_of(def);
    compare(name, got, want);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *inputs(const char *suffix)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(GOLDEN_DIR, 0, NULL);
    check(dir != NULL);
    for (const char *name = g_dir_read_name(dir); name; name = g_dir_read_name(dir)) {
        bool is_result = g_str_has_suffix(name, ".out.xml");
        if (g_str_has_suffix(name, suffix) &&
            (is_result || strcmp(suffix, ".xml") != 0 || !g_str_has_suffix(name, ".out.xml")))
            g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, by_name);
    return names;
}

TEST(documents_become_what_the_reference_makes_of_them)
{
    g_autoptr(GPtrArray) names = inputs(".xml");
    failures = 0;
    for (unsigned i = 0; i < names->len; i++) {
        if (!g_str_has_suffix(g_ptr_array_index(names, i), ".out.xml"))
            golden(g_ptr_array_index(names, i));
    }
    check_eq(failures, 0);
}

/* parse(format(x)) == x, also for what the reference writes. */
TEST(results_are_read_and_written_without_a_change)
{
    g_autoptr(GPtrArray) names = inputs(".out.xml");
    check(names->len > 0);
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *path = g_build_filename(GOLDEN_DIR, name, NULL);
        g_autofree char *xml = NULL;
        gsize len;
        check(g_file_get_contents(path, &xml, &len, NULL));
        g_autoptr(DomainDef) def = NULL;
        g_autoptr(Error) err = NULL;
        check_case(name);
        check_ok(domain_def_parse(xml, len,
                                  DOMAIN_PARSE_INACTIVE | DOMAIN_PARSE_VALIDATE | DOMAIN_PARSE_SKIP_DEFAULTS,
                                  &golden_hooks, &def, &err),
                 err);
        g_autofree char *again = result_of(def);
        check_str(again, xml);
        g_autoptr(DomainDef) copy = domain_def_copy(def);
        check(domain_def_equal(def, copy));
    }
}

/* The reference puts disks and controllers in order and counts consoles as it reads them, before it knows
 * their buses and adds what is missing: so reading its own result once more moves some, and then no more. */
static bool moves_once(const char *name)
{
    return strstr(name, "everything-about-disks") || strstr(name, "-sdz") ||
           strstr(name, "every-other-device");
}

TEST(defaults_settle_after_one_more_reading)
{
    g_autoptr(GPtrArray) names = inputs(".out.xml");
    failures = 0;
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *path = g_build_filename(GOLDEN_DIR, name, NULL);
        g_autofree char *xml = NULL, *last = NULL;
        gsize len;
        check(g_file_get_contents(path, &xml, &len, NULL));
        check_case(name);
        for (int round = 0; round < 2; round++) {
            const char *input = last ? last : xml;
            g_autoptr(DomainDef) def = NULL;
            g_autoptr(Error) err = NULL;
            check_ok(domain_def_parse(input, strlen(input), DOMAIN_PARSE_INACTIVE, &golden_hooks, &def, &err),
                     err);
            char *next = result_of(def);
            if (round > 0 || !moves_once(name))
                compare(name, next, input);
            g_free(last);
            last = next;
        }
    }
    check_eq(failures, 0);
}
