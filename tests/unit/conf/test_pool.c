/* Pool documents: what comes back is what libvirtd 9.0.0 gave back (tests/golden/pool), and what is refused.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden_documents.h"

#include "conf/pool.h"

TEST(the_table_has_no_mistakes)
{
    g_autoptr(GString) out = g_string_new(NULL);

    xml_table_lint(&pool_table, out);
    check_str(out->str, "");
}

static char *round_trip(const char *xml)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(PoolDef) def = NULL;

    check_ok(pool_def_parse(xml, strlen(xml), XML_READ_INACTIVE | XML_READ_STRICT, &def, &err), err);
    return pool_def_format(def, 0);
}

TEST(documents_come_back_as_recorded)
{
    check(golden_check_round_trips(GOLDEN_POOL_DIR, round_trip) >= 15);
}

/* Types whose back ends libvirtd had not at hand when the others were recorded. */
TEST(documents_of_servers_come_back)
{
    static const char *const cases[] = {
        "<pool type='rbd' "
        "xmlns:rbd='http://libvirt.org/schemas/storagepool/rbd/1.0'><name>r</name><source><name>p</name>"
        "<host name='m1' port='6789'/><host name='m2'/><auth type='ceph' username='admin'><secret "
        "uuid='2ec115d7-3a88-3ceb-bc12-0ac909a6fd87'/></auth></source><refresh><volume "
        "allocation='capacity'/></refresh>"
        "<rbd:config_opts><rbd:option name='client_mount_timeout' value='45'/></rbd:config_opts></pool>",
        "<pool type='iscsi-direct'><name>d</name><source><host name='h'/><device "
        "path='iqn.2013-06.com.example:z'/>"
        "<initiator><iqn name='iqn.2013-06.com.example:me'/></initiator></source></pool>",
        ("<pool type='gluster'><name>g</name><source><name>vol</name><host name='g1'/><dir "
         "path='/sub'/></source></pool>"),
        "<pool type='zfs'><name>z</name><source><name>tank/x</name><device path='/dev/sdw'/></source></pool>",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_case(cases[i]);
        g_autofree char *once = round_trip(cases[i]);
        g_autofree char *twice = round_trip(once);
        check_str(once, twice);
    }
    g_autofree char *rbd = round_trip(cases[0]);
    check_contains(rbd, "<rbd:option name='client_mount_timeout' value='45'/>");
    check_contains(rbd, "<volume allocation='capacity'/>");
    check_contains(rbd, "<secret uuid='2ec115d7-3a88-3ceb-bc12-0ac909a6fd87'/>");
}

TEST(a_folder_has_no_source)
{
    g_autofree char *text = round_trip(
        "<pool type='dir'><name>x</name><source><host name='h'/><dir path='/d'/><device path='/e'/>"
        "<name>n</name><adapter type='scsi_host' name='host1'/><vendor name='v'/></source>"
        "<target><path>/x//</path><permissions><owner>4294967295</owner></permissions></target></pool>");

    check(!strstr(text, "<host") && !strstr(text, "<dir") && !strstr(text, "<device") &&
          !strstr(text, "<adapter"));
    check(!strstr(text, "<name>n</name>") && !strstr(text, "<owner>"));
    check_contains(text, "<vendor name='v'/>");
    check_contains(text, "<path>/x</path>");
}

TEST(bad_documents_are_refused_as_observed)
{
#define T "<target><path>/x</path></target>"
    static const struct {
        const char *xml;
        ErrorCode code;
    } cases[] = {
        { "<volume/>", ERROR_XML_INVALID },
        { "<pool", ERROR_XML_SYNTAX },
        { "<pool><name>x</name>" T "</pool>", ERROR_XML_INVALID },
        { "<pool type='nope'><name>x</name>" T "</pool>", ERROR_XML_INVALID },
        { "<pool type='dir'>" T "</pool>", ERROR_XML_INVALID },
        { "<pool type='dir'><name>x</name></pool>", ERROR_XML_INVALID },
        { "<pool type='dir'><name>a/b</name>" T "</pool>", ERROR_XML_INVALID },
        { "<pool type='dir'><name>x</name><uuid>zz</uuid>" T "</pool>", ERROR_XML_INVALID },
        { "<pool "
          "type='dir'><name>x</name><target><path>/x</path><permissions><mode>9</mode></permissions></"
          "target></pool>",
          ERROR_XML_INVALID },
        { "<pool "
          "type='dir'><name>x</name><target><path>/x</path><permissions><owner>x</owner></permissions></"
          "target></pool>",
          ERROR_XML_INVALID },
        { "<pool type='dir'><name>x</name><features><cow state='x'/></features>" T "</pool>",
          ERROR_XML_INVALID },
        { "<pool type='fs'><name>x</name>" T "</pool>", ERROR_XML_INVALID },
        { "<pool type='fs'><name>x</name><source><device path='/d'/><format type='zz'/></source>" T "</pool>",
          ERROR_CONFIG_UNSUPPORTED },
        { "<pool type='netfs'><name>x</name><source><dir path='/e'/></source>" T "</pool>",
          ERROR_XML_INVALID },
        { "<pool type='netfs'><name>x</name><source><host name='h'/></source>" T "</pool>",
          ERROR_XML_INVALID },
        { "<pool type='netfs'><name>x</name><source><host name='h' port='zz'/><dir path='/e'/></source>" T
          "</pool>",
          ERROR_XML_INVALID },
        { "<pool type='logical'><source/></pool>", ERROR_XML_INVALID },
        { "<pool type='disk'><name>x</name><source/>" T "</pool>", ERROR_XML_INVALID },
        { "<pool type='disk'><name>x</name><source><device path='/d' part_separator='x'/></source>" T
          "</pool>",
          ERROR_XML_INVALID },
        { "<pool type='scsi'><name>x</name><source/>" T "</pool>", ERROR_XML_INVALID },
        { "<pool type='scsi'><name>x</name><source><adapter type='zz'/></source>" T "</pool>",
          ERROR_XML_INVALID },
        { "<pool type='iscsi'><name>x</name><source><host name='h'/><auth type='chap'><secret "
          "usage='u'/></auth>"
          "</source>" T "</pool>",
          ERROR_XML_INVALID },
        { "<pool type='dir'><name>a\nb</name>" T "</pool>", ERROR_XML_SYNTAX },
        { "<pool type='dir'><source><name>x</name></source>" T "</pool>", ERROR_XML_INVALID },
        { "<pool type='iscsi'><name>x</name><source><host name='h'/><auth type='zz' username='u'/>"
          "</source>" T "</pool>",
          ERROR_CONFIG_UNSUPPORTED },
        { "<pool type='iscsi'><name>x</name><source><host name='h'/><auth type='chap' username='u'/>"
          "</source>" T "</pool>",
          ERROR_XML_INVALID },
        { "<pool type='scsi'><name>x</name><source><adapter type='fc_host' wwnn='xyz' "
          "wwpn='10000000c9831b4b'/></source>" T "</pool>",
          ERROR_INTERNAL },
        { "<pool type='iscsi-direct'><name>x</name><source><host name='h'/><device path='iqn.a:b'/></source>"
          "</pool>",
          ERROR_CONFIG_UNSUPPORTED },
        { "<pool type='logical'><name>x</name><refresh><volume allocation='x'/></refresh></pool>",
          ERROR_CONFIG_UNSUPPORTED },
        { "<pool type='dir'><name>x</name><target><path>/x</path><permissions><mode>1777</mode>"
          "</permissions></target></pool>",
          ERROR_XML_INVALID },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        PoolDef *def = NULL;

        check_case(cases[i].xml);
        check_fails(pool_def_parse(cases[i].xml, strlen(cases[i].xml), 0, &def, &err), err, cases[i].code);
    }
}
