/* The table engine, with a small document of its own. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "conf/xml_table.h"

typedef enum Shape { SHAPE_ABSENT, SHAPE_ROUND, SHAPE_SQUARE, SHAPE_COUNT } ENUM8 Shape;
static const char *const shape_list[] = { NULL, "round", "square" };
static const EnumNames shape_names = { "shape", SHAPE_COUNT, shape_list };

typedef struct Apple {
    char *sort;
    OptU32 weight;
} Apple;
typedef struct Basket {
    Shape shape;
    char *owner;
    char *round_only;
    uint64_t size_bytes;
    uint32_t color;
    bool open;
    bool has_lid;
    Tristate lid_locked;
    CpuSet *places;
    GPtrArray *apples;
    Apple *gift;
    char *secret;
    char *live;
    char *notes;
    Kept *kept;
} Basket;

static const XmlTable apple_table =
    TABLE(Apple, "apple",
          ROWS(ATTR("sort", Apple, sort, .flags = ROW_REQUIRED, .doc = "sort"),
               ATTR("weight", Apple, weight, .max = 500, .doc = "grams")),
          .doc = "An apple.");
static const XmlTable basket_table =
    TABLE(Basket, "basket",
          ROWS(ATTR("shape", Basket, shape, .names = &shape_names, .doc = "shape"),
               KEPT_ATTR("maker", .doc = "who made it"), CHILD("owner", Basket, owner, .doc = "owner"),
               CHILD("center", Basket, round_only, ONLY(Basket, shape, BIT(SHAPE_ROUND)), .doc = "center"),
               CHILD("size", Basket, size_bytes, .unit = XML_UNIT_KIB, .max = INT64_MAX, .doc = "size"),
               CHILD("color", Basket, color, .flags = ROW_HEX, .max = 0xffffff, .width = 6, .doc = "color"),
               FLAG("open", Basket, open, .doc = "open"),
               GROUP_FLAG("lid", Basket, has_lid,
                          ROWS(ATTR("locked", Basket, lid_locked, .names = &tristate_yes_no_names,
                                    .doc = "locked")),
                          .doc = "lid"),
               CHILD("places", Basket, places, .doc = "places"), KEPT("ribbon", .doc = "ribbon"),
               LIST("apple", Basket, apples, &apple_table, .doc = "apples"),
               OBJECT("gift", Basket, gift, &apple_table, .flags = ROW_SINGLE, .doc = "gift"),
               CHILD("secret", Basket, secret, .flags = ROW_SECRET, .doc = "secret"),
               CHILD("live", Basket, live, .flags = ROW_LIVE, .doc = "live"),
               VERBATIM("notes", Basket, notes, .doc = "notes")),
          KEEPS(Basket), .doc = "A basket.");

static bool basket_read(const char *text, unsigned flags, Basket **ret_basket, Error **err)
{
    g_autoptr(xmlDoc) doc = NULL;
    if (!xml_document_read(text, strlen(text), "(basket)", &doc, err))
        return false;
    XmlReader reader = { .flags = flags, .source = "(basket)" };
    return xml_table_read(&basket_table, &reader, xmlDocGetRootElement(doc), (void **)ret_basket, err);
}

static char *basket_write(const Basket *basket, unsigned flags)
{
    GString *out = g_string_new(NULL);
    xml_table_write(&basket_table, "basket", basket, flags, 0, out);
    return g_string_free(out, FALSE);
}

static const char full[] = "<basket shape='round' maker='M&amp;N'>\n"
                           "  <owner>a&lt;b</owner>\n"
                           "  <center>c</center>\n"
                           "  <size unit='KiB'>2</size>\n"
                           "  <color>0x00ff00</color>\n"
                           "  <open/>\n"
                           "  <lid locked='yes'/>\n"
                           "  <places>0-2</places>\n"
                           "  <ribbon color='red'>\n"
                           "    <knot/>\n"
                           "  </ribbon>\n"
                           "  <apple sort='x' weight='0'/>\n"
                           "  <apple sort='y'/>\n"
                           "  <gift sort='z'/>\n"
                           "  <secret>s</secret>\n"
                           "  <live>l</live>\n"
                           "  <notes>\n"
                           "    <n:a xmlns:n=\"urn:n\" q=\"'\"/>\n"
                           "  </notes>\n"
                           "</basket>\n";

#define WITH_ALL XML_FORMAT_SECURE

TEST(what_is_written_is_what_was_read)
{
    g_autoptr(Error) err = NULL;
    Basket *basket = NULL;
    check_ok(basket_read(full, XML_READ_STRICT, &basket, &err), err);
    g_autofree char *text = basket_write(basket, WITH_ALL);
    check_str(text, full);
    xml_table_free(&basket_table, basket);
}

TEST(an_element_without_text_is_absent)
{
    g_autoptr(Error) err = NULL;
    Basket *basket = NULL;
    const char *text = "<basket><size/><color></color><places/></basket>";
    check_ok(basket_read(text, 0, &basket, &err), err);
    g_autofree char *out = basket_write(basket, WITH_ALL);
    check_str(out, "<basket/>\n");
    xml_table_free(&basket_table, basket);
    check_fails(basket_read(text, XML_READ_STRICT, &basket, &err), err, ERROR_XML_SCHEMA);
}

TEST(a_copy_is_equal_and_lives_on_its_own)
{
    Basket *basket = NULL;
    check(basket_read(full, 0, &basket, NULL));
    Basket *copy = xml_table_copy(&basket_table, basket);
    check(xml_table_equal(&basket_table, basket, copy));
    xml_table_free(&basket_table, basket);
    g_autofree char *text = basket_write(copy, WITH_ALL);
    check_str(text, full);
    xml_table_free(&basket_table, copy);
}

TEST(secrets_and_live_values_come_only_when_asked_for)
{
    Basket *basket = NULL;
    check(basket_read(full, 0, &basket, NULL));
    g_autofree char *text = basket_write(basket, XML_FORMAT_INACTIVE);
    check(!strstr(text, "secret"));
    check(!strstr(text, "live"));
    xml_table_free(&basket_table, basket);
    check(basket_read(full, XML_READ_INACTIVE, &basket, NULL));
    check(basket->live == NULL);
    check_str(basket->secret, "s");
    xml_table_free(&basket_table, basket);
}

TEST(an_empty_element_is_an_empty_document)
{
    Basket *basket = NULL;
    check(basket_read("<basket/>", XML_READ_STRICT, &basket, NULL));
    g_autofree char *text = basket_write(basket, WITH_ALL);
    check_str(text, "<basket/>\n");
    xml_table_free(&basket_table, basket);
}

/* A blank line inside text is content: indenting it again with each writing would let it grow. */
TEST(text_between_kept_elements_stays_as_it_is)
{
    static const char text[] = "<basket>\n"
                               "  <owner>two\n   lines</owner>\n"
                               "  <notes>\n"
                               "    <n:a xmlns:n=\"urn:n\">\n"
                               "      <n:b/>\n"
                               "    </n:a>\n"
                               "    <n:a xmlns:n=\"urn:n\">\n"
                               "  word\n"
                               "      <n:b q=\"1&#10;2\"/>\n"
                               "</n:a>\n"
                               "  </notes>\n"
                               "</basket>\n";
    Basket *basket = NULL;
    check(basket_read(text, 0, &basket, NULL));
    g_autofree char *again = basket_write(basket, WITH_ALL);
    check_str(again, text);
    xml_table_free(&basket_table, basket);
}

TEST(line_ends_in_attributes_survive)
{
    static const char text[] = "<basket maker='a&#10;b&#9;c&#13;d'>\n  <apple sort='x&#10;y'/>\n</basket>\n";
    Basket *basket = NULL;
    check(basket_read(text, 0, &basket, NULL));
    g_autofree char *again = basket_write(basket, WITH_ALL);
    check_str(again, text);
    xml_table_free(&basket_table, basket);
}

TEST(control_characters_that_xml_lacks_are_left_out)
{
    g_autoptr(GString) out = g_string_new(NULL);
    xml_escape("a\001b\tc\nd\033", out);
    check_str(out->str, "ab\tc\nd");
}

TEST(mistakes_are_told_with_their_line)
{
    static const struct {
        const char *text;
        unsigned flags;
        ErrorCode code;
        const char *says;
    } cases[] = {
        { "<basket\nshape='oval'/>", 0, ERROR_XML_INVALID,
          "(basket):2: element 'basket': attribute 'shape'" },
        { "<basket>\n<apple/></basket>", 0, ERROR_XML_INVALID,
          "(basket):2: element 'apple': attribute 'sort' is missing" },
        { "<basket>\n<apple sort=''/></basket>", 0, ERROR_XML_INVALID, "(basket):2: element 'apple'" },
        { "<basket>\n\n<apple sort='a' weight='501'/></basket>", 0, ERROR_XML_INVALID, "(basket):3:" },
        { "<basket><apple sort='a' weight='-1'/></basket>", 0, ERROR_XML_INVALID, "weight" },
        { "<basket><size>1.5</size></basket>", 0, ERROR_XML_INVALID, "size" },
        { "<basket><size unit='apples'>1</size></basket>", 0, ERROR_INVALID_ARGUMENT, "apples" },
        { "<basket><size unit='EiB'>100</size></basket>", 0, ERROR_OVERFLOW, "100" },
        { "<basket><places>x</places></basket>", 0, ERROR_INVALID_ARGUMENT, "places" },
        { "<basket><gift sort='a'/><gift sort='b'/></basket>", 0, ERROR_INTERNAL, "only one" },
        { "<basket>\n<pear/></basket>", XML_READ_STRICT, ERROR_XML_SCHEMA, "(basket):2: element 'pear'" },
        { "<basket a='1'/>", XML_READ_STRICT, ERROR_XML_SCHEMA, "'a'" },
        { "<basket shape='square'><center>x</center></basket>", XML_READ_STRICT, ERROR_XML_SCHEMA, "center" },
        { "<basket><owner>a</owner><owner>b</owner></basket>", XML_READ_STRICT, ERROR_XML_SCHEMA, "owner" },
        { "<basket shape='oval'/>", XML_READ_STRICT, ERROR_XML_SCHEMA, "oval" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        Basket *basket = NULL;
        check_case(cases[i].text);
        check(!basket_read(cases[i].text, cases[i].flags, &basket, &err));
        check(basket == NULL);
        check_eq(error_code(err), cases[i].code);
        check(strstr(error_message(err), cases[i].says) != NULL);
    }
}

static void count_dropped(void *arg, const char *path, unsigned line)
{
    GString *all = arg;
    g_string_append_printf(all, "%s@%u ", path, line);
}

TEST(what_no_row_describes_is_reported_when_dropped)
{
    static const char text[] = "<basket b='1'>\n<pear/>\n<apple sort='a' x='1'/></basket>";
    g_autoptr(xmlDoc) doc = NULL;
    check(xml_document_read(text, strlen(text), "(basket)", &doc, NULL));
    g_autoptr(GString) all = g_string_new(NULL);
    XmlReader reader = { .source = "(basket)", .dropped = count_dropped, .arg = all };
    void *basket = NULL;
    check(xml_table_read(&basket_table, &reader, xmlDocGetRootElement(doc), &basket, NULL));
    check_str(all->str, "/basket/@b@1 /basket/pear@2 /basket/apple/@x@3 ");
    xml_table_free(&basket_table, basket);
}

static bool note_path(void *arg, const char *path, const XmlRow *row)
{
    g_string_append_printf(arg, "%s ", path);
    return true;
}

TEST(differences_are_named_by_path)
{
    Basket *a = NULL, *b = NULL;
    check(basket_read(full, 0, &a, NULL));
    check(basket_read("<basket shape='round' maker='M&amp;N'><owner>other</owner><center>c</center><size "
                      "unit='KiB'>2</size>"
                      "<color>0xff00</color><lid locked='no'/><places>0,1,2</places><apple sort='x' "
                      "weight='1'/></basket>",
                      0, &b, NULL));
    g_autoptr(GString) paths = g_string_new(NULL);
    xml_table_diff(&basket_table, a, b, note_path, paths);
    check_str(paths->str,
              "owner open lid/@locked apple[1]/@weight apple gift secret live notes (kept elements) ");
    check(!xml_table_equal(&basket_table, a, b));
    xml_table_free(&basket_table, a);
    xml_table_free(&basket_table, b);
}

/* "#" in @piece becomes a number. */
static char *repeated(const char *before, const char *piece, unsigned count, const char *after)
{
    GString *text = g_string_new(before);
    for (unsigned i = 0; i < count; i++) {
        const char *number = strchr(piece, '#');
        int before_number = number ? (int)(number - piece) : (int)strlen(piece);
        g_string_append_printf(text, "%.*s", before_number, piece);
        if (number)
            g_string_append_printf(text, "%u%s", i, number + 1);
    }
    g_string_append(text, after);
    return g_string_free(text, FALSE);
}

TEST(what_the_library_does_not_do_in_linear_time_is_counted_first)
{
    const struct {
        const char *before, *piece, *after;
        unsigned fits, too_many;
    } cases[] = {
        { "<a", " a#=''", "/>", 256, 257 },
        { "<a", " a#='<>\"'", "/>", 0, 40000 },
        { "<a", " xmlns:p#='x'", "/>", 128, 129 },
        { "<b xmlns:q='y'><a", " xmlns:p#='x'", "/></b>", 127, 128 },
        { "<a>", "<b/>", "</a>", 65535, 65536 },
        { "<a>", "<!--<-->", "</a>", 65535, 65536 },
        { "<a>", "<?b < ?>", "</a>", 65535, 65536 },
        { "<a>", "<b xmlns:p='#'/>", "</a>", 2000, 70000 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *good = repeated(cases[i].before, cases[i].piece, cases[i].fits, cases[i].after);
        g_autofree char *bad = repeated(cases[i].before, cases[i].piece, cases[i].too_many, cases[i].after);
        g_autoptr(xmlDoc) doc = NULL;
        g_autoptr(Error) err = NULL;
        check_case(cases[i].piece);
        check_ok(xml_document_read(good, strlen(good), "(x)", &doc, &err), err);
        xmlDoc *none = NULL;
        check(!xml_document_read(bad, strlen(bad), "(x)", &none, &err));
        check_eq(error_code(err), ERROR_XML_INVALID);
    }
}

TEST(a_document_is_utf8_whatever_it_declares)
{
    static const char *const encodings[] = { "UTF-8",    "ISO-8859-1",   "utf-16", "UTF-16LE",
                                             "us-ascii", "windows-1252", "UCS-4" };
    for (size_t i = 0; i < G_N_ELEMENTS(encodings); i++) {
        g_autofree char *text =
            g_strdup_printf("<?xml version='1.0' encoding='%s'?><a b='\xc3\xa9'/>", encodings[i]);
        g_autoptr(xmlDoc) doc = NULL;
        g_autoptr(Error) err = NULL;
        check_case(encodings[i]);
        check_ok(xml_document_read(text, strlen(text), "(x)", &doc, &err), err);
        check_str(xml_attr(xmlDocGetRootElement(doc), "b"), "\xc3\xa9");
    }
}

TEST(names_of_name_spaces_are_not_escaped_twice)
{
    static const char text[] = "<a><p:b xmlns:p=\"http://x/?a=1&amp;b=2\" c=\"&lt;&amp;&#10;\"/></a>";
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(Error) err = NULL;
    check_ok(xml_document_read(text, strlen(text), "(x)", &doc, &err), err);
    g_autofree char *inside = xml_content_to_text(xmlDocGetRootElement(doc));
    check_str(inside, "<p:b xmlns:p=\"http://x/?a=1&amp;b=2\" c=\"&lt;&amp;&#10;\"/>");
}

TEST(hostile_documents_are_refused_in_bounded_time)
{
    g_autoptr(GString) deep = g_string_new(NULL);
    for (int i = 0; i < 200; i++)
        g_string_append(deep, "<a>");
    for (int i = 0; i < 200; i++)
        g_string_append(deep, "</a>");
    const struct {
        const char *text;
        ErrorCode code;
    } cases[] = {
        { "", ERROR_XML_SYNTAX },
        { "<a", ERROR_XML_SYNTAX },
        { "<a></b>", ERROR_XML_SYNTAX },
        { "<!DOCTYPE a><a/>", ERROR_XML_SYNTAX },
        { "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", ERROR_XML_SYNTAX },
        { "<!DOCTYPE a [<!ENTITY x 'y'><!ENTITY z '&x;&x;&x;'>]><a>&z;</a>", ERROR_XML_SYNTAX },
        { "<a>&nothing;</a>", ERROR_XML_SYNTAX },
        { "<a>\xff</a>", ERROR_XML_SYNTAX },
        { deep->str, ERROR_XML_INVALID },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        xmlDoc *doc = NULL;
        check_case(cases[i].text);
        check(!xml_document_read(cases[i].text, strlen(cases[i].text), "(x)", &doc, &err));
        check_eq(error_code(err), cases[i].code);
        check(doc == NULL);
    }
    g_autofree char *long_text = g_strnfill(XML_DOCUMENT_MAX + 1, ' ');
    g_autoptr(Error) err = NULL;
    xmlDoc *doc = NULL;
    check(!xml_document_read(long_text, XML_DOCUMENT_MAX + 1, "(x)", &doc, &err));
    check_eq(error_code(err), ERROR_OVERFLOW);
}
