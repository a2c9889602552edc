/* Volume documents: those that libvirtd 9.0.0 wrote (tests/golden/volume) come back, bad ones are refused as
 * by it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "conf/volume.h"

TEST(the_table_has_no_mistakes)
{
    g_autoptr(GString) out = g_string_new(NULL);

    xml_table_lint(&volume_table, out);
    check_str(out->str, "");
}

TEST(recorded_documents_come_back)
{
    g_autoptr(GDir) dir = g_dir_open(GOLDEN_VOLUME_DIR, 0, NULL);
    unsigned count = 0;

    for (const char *name = g_dir_read_name(dir); name; name = g_dir_read_name(dir)) {
        g_autofree char *path = g_build_filename(GOLDEN_VOLUME_DIR, name, NULL);
        g_autofree char *text = NULL;
        g_autoptr(Error) err = NULL;
        g_autoptr(VolumeDef) def = NULL;

        check_case(name);
        check(g_file_get_contents(path, &text, NULL, NULL));
        check_ok(volume_def_parse(text, strlen(text), VOLUME_PARSE_STRICT, &def, &err), err);
        g_autofree char *again = volume_def_format(def);
        check_str(again, text);
        count++;
    }
    check(count >= 10);
}

TEST(a_document_for_a_new_volume_is_read)
{
    static const char xml[] =
        "<volume><name>v</name><capacity unit='GiB'>2</capacity><source><device path='/dev/sda'><extent "
        "start='512' "
        "end='1024'/></device></source><target><format type='qcow2'/><clusterSize "
        "unit='KiB'>64</clusterSize><nocow/>"
        "<permissions><mode>640</mode><owner>-1</owner></permissions><encryption format='luks' "
        "engine='qemu'><secret "
        "type='passphrase' uuid='2ec115d7-3a88-3ceb-bc12-0ac909a6fd87'/><cipher name='aes' size='256' "
        "mode='xts' "
        "hash='plain64'/><ivgen name='plain64' hash='sha256'/></encryption></target></volume>";
    g_autoptr(Error) err = NULL;
    g_autoptr(VolumeDef) def = NULL;

    check_ok(volume_def_parse(xml, strlen(xml), VOLUME_PARSE_STRICT, &def, &err), err);
    check_eq(def->capacity.value, UINT64_C(2) << 30);
    check_eq(def->allocation.is_set, false);
    check_eq(def->target.cluster_bytes, 65536);
    check(def->target.nocow);
    check_eq(def->target.permissions->mode.value, 0640);
    check_eq(def->target.permissions->owner.is_set, false);
    check_eq(def->target.encryption->format, VOLUME_ENCRYPTION_LUKS);
    check_eq(def->target.encryption->cipher_bits, 256);
    check_eq(def->target.encryption->secrets->len, 1);
    g_autofree char *text = volume_def_format(def);
    check_contains(text, "<mode>0640</mode>");
    check_contains(text, "<extent start='512' end='1024'/>");
    check_contains(text, "<cipher name='aes' size='256' mode='xts' hash='plain64'/>");
}

TEST(bad_documents_are_refused_as_observed)
{
#define C "<capacity>1</capacity>"
#define SECRET "<secret type='passphrase' usage='u'/>"
#define ENCRYPTED(text)                                                                                      \
    "<volume><name>x</name>" C "<target><encryption format='luks'>" text "</encryption></target></volume>"
    static const struct {
        const char *xml;
        ErrorCode code;
    } cases[] = {
        { "<pool/>", ERROR_XML_INVALID },
        { "<volume", ERROR_XML_SYNTAX },
        { "<volume/>", ERROR_XML_INVALID },
        { "<volume><name>x</name></volume>", ERROR_XML_INVALID },
        { "<volume>" C "</volume>", ERROR_XML_INVALID },
        { "<volume><name>a/b</name>" C "</volume>", ERROR_INVALID_STATE },
        { "<volume><name>x</name><capacity>-1</capacity></volume>", ERROR_XML_INVALID },
        { "<volume><name>x</name>" C "<allocation>x</allocation></volume>", ERROR_XML_INVALID },
        { "<volume type='zz'><name>x</name>" C "</volume>", ERROR_CONFIG_UNSUPPORTED },
        { "<volume><name>x</name>" C "<target><permissions><mode>9</mode></permissions></target></volume>",
          ERROR_XML_INVALID },
        { "<volume><name>x</name>" C "<target><compat>2.x</compat></target></volume>", ERROR_XML_INVALID },
        { "<volume><name>x</name>" C "<target><features><zz/></features></target></volume>",
          ERROR_CONFIG_UNSUPPORTED },
        { "<volume><name>x</name>" C "<target><encryption format='zz'/></target></volume>",
          ERROR_CONFIG_UNSUPPORTED },
        { "<volume><name>x</name>" C
          "<target><encryption format='luks'><secret type='zz'/></encryption></target></volume>",
          ERROR_CONFIG_UNSUPPORTED },
        { "<volume><name>x</name>" C "<target><clusterSize>a</clusterSize></target></volume>",
          ERROR_XML_INVALID },
        { "<volume><name>x</name><capacity>9223372036854775808</capacity></volume>", ERROR_OVERFLOW },
        { "<volume><name>x</name>" C "<target><compat>1</compat></target></volume>", ERROR_XML_INVALID },
        { "<volume><name>x</name>" C "<target><compat>.1</compat></target></volume>", ERROR_XML_INVALID },
        { ENCRYPTED("<secret type='passphrase'/>"), ERROR_XML_INVALID },
        { ENCRYPTED(SECRET "<cipher name='aes'/>"), ERROR_XML_INVALID },
        { ENCRYPTED(SECRET "<cipher size='256'/>"), ERROR_XML_INVALID },
        { ENCRYPTED(SECRET "<ivgen name='plain64'/>"), ERROR_XML_INVALID },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        VolumeDef *def = NULL;

        check_case(cases[i].xml);
        check_fails(volume_def_parse(cases[i].xml, strlen(cases[i].xml), 0, &def, &err), err, cases[i].code);
    }
}

TEST(a_backing_store_without_a_path_is_none)
{
    static const char bare[] =
        "<volume><name>x</name>" C "<backingStore><format type='raw'/></backingStore></volume>";
    static const char based[] = "<volume><name>x</name><backingStore><path>/x</path></backingStore></volume>";
    g_autoptr(Error) err = NULL;
    g_autoptr(VolumeDef) without = NULL;
    g_autoptr(VolumeDef) with = NULL;

    check_ok(volume_def_parse(bare, strlen(bare), 0, &without, &err), err);
    check(!without->backing);
    check_ok(volume_def_parse(based, strlen(based), 0, &with, &err), err); /* its capacity is the other's */
    check_str(with->backing->path, "/x");
}
