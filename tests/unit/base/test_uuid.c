/* UUIDs and MAC addresses. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/uuid.h"

#define SAMPLE "c7a5fdbd-edaf-9455-926a-d65c16db1809"

TEST(uuid_parse_reads_the_usual_spellings)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        { SAMPLE, true },
        { "C7A5FDBD-EDAF-9455-926A-D65C16DB1809", true },
        { "c7a5fdbdedaf9455926ad65c16db1809", true },
        { "  c7a5fdbd-edaf-9455-926a-d65c16db1809\n", true },
        { "", false },
        { "c7a5fdbd-edaf-9455-926a-d65c16db180", false },
        { "c7a5fdbd-edaf-9455-926a-d65c16db18090", false },
        { "c7a5fdbd-edaf-9455-926a-d65c16db180g", false },
        { "c7a5fdbd--edaf-9455-926a-d65c16db1809", false },
        { "-c7a5fdbd-edaf-9455-926a-d65c16db1809", false },
        { "c7a5fdbd-edaf-9455-926a-d65c16db1809 x", false },
        { "00000000-0000-0000-0000-000000000000", false },
        { NULL, false },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        Uuid uuid = { { 0 } };
        check_case(cases[i].text);
        check_eq(uuid_parse(cases[i].text, &uuid, &err), cases[i].ok);
        check_eq(error_code(err), cases[i].ok ? ERROR_NONE : ERROR_INVALID_ARGUMENT);
        char text[UUID_STRING_LEN];
        uuid_format(&uuid, text);
        check_str(text, cases[i].ok ? SAMPLE : "00000000-0000-0000-0000-000000000000");
        check_eq(uuid_is_null(&uuid), !cases[i].ok);
    }
}

TEST(a_uuid_of_one_repeated_byte_is_one)
{
    Uuid uuid;
    char text[UUID_STRING_LEN];
    check(uuid_parse("11111111-1111-1111-1111-111111111111", &uuid, NULL));
    uuid_format(&uuid, text);
    check_str(text, "11111111-1111-1111-1111-111111111111");
}

TEST(generated_uuids_are_random_ones)
{
    Uuid a, b;
    uuid_generate(&a);
    uuid_generate(&b);
    check(!uuid_equal(&a, &b));
    check_eq(a.bytes[6] >> 4, 4);
    check_eq(a.bytes[8] >> 6, 2);
    check(uuid_table_equal(&a, &a));
    check(uuid_hash(&a) != uuid_hash(&b));
}

TEST(mac_parse_round_trips)
{
    static const struct {
        const char *text;
        const char *back; /* NULL: refused */
    } cases[] = {
        { "52:54:00:ab:CD:ef", "52:54:00:ab:cd:ef" },
        { "0:16:3e:1:2:3", "00:16:3e:01:02:03" },
        { "52:54:00:ab:cd", NULL },
        { "52:54:00:ab:cd:ef:01", NULL },
        { "52-54-00-ab-cd-ef", NULL },
        { "525:4:00:ab:cd:ef", NULL },
        { "52:54:00:ab:cd:", NULL },
        { ":52:54:00:ab:cd", NULL },
        { " 52:54:00:ab:cd:ef", NULL },
        { "", NULL },
        { NULL, NULL },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        Mac mac;
        check_case(cases[i].text);
        check_eq(mac_parse(cases[i].text, &mac, &err), cases[i].back != NULL);
        if (!cases[i].back)
            continue;
        char text[MAC_STRING_LEN];
        mac_format(&mac, text);
        check_str(text, cases[i].back);
    }
}

TEST(mac_generate_keeps_the_prefix)
{
    const uint8_t prefix[3] = { 0x52, 0x54, 0x00 };
    Mac a, b;
    mac_generate(prefix, &a);
    mac_generate(prefix, &b);
    check(memcmp(a.bytes, prefix, 3) == 0);
    check(memcmp(a.bytes, b.bytes, 6) != 0 || memcmp(a.bytes, prefix, 3) == 0);
}
