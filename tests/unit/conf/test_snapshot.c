/* Documents of snapshots and checkpoints: what libvirtd 9.0.0 made of redefined ones, and what it refused. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden_documents.h"

#include "conf/snapshot.h"
#include "golden.h"

TEST(the_tables_have_no_mistakes)
{
    g_autoptr(GString) out = g_string_new(NULL);

    xml_table_lint(&snapshot_table, out);
    xml_table_lint(&checkpoint_table, out);
    check_str(out->str, "");
}

static bool is_regular(void *arg, const char *path)
{
    return arg == NULL;
}

static char *snapshot_round_trip(const char *xml)
{
    g_autoptr(SnapshotDef) def = NULL;
    g_autoptr(Error) err = NULL;
    GString *out = g_string_new(NULL);

    check_ok(snapshot_def_parse(xml, strlen(xml), MOMENT_PARSE_REDEFINE, &golden_hooks, &def, &err), err);
    check_ok(snapshot_complete_redefined(def, is_regular, NULL, &err), err);
    snapshot_def_format(def, MOMENT_FORMAT_SECURE, out);
    return g_string_free(out, FALSE);
}

static char *checkpoint_round_trip(const char *xml)
{
    g_autoptr(CheckpointDef) def = NULL;
    g_autoptr(Error) err = NULL;
    GString *out = g_string_new(NULL);

    check_ok(checkpoint_def_parse(xml, strlen(xml), MOMENT_PARSE_REDEFINE, &golden_hooks, &def, &err), err);
    check_ok(checkpoint_align_disks(def, def->domain, &err), err);
    checkpoint_def_format(def, MOMENT_FORMAT_SECURE, out);
    return g_string_free(out, FALSE);
}

TEST(documents_come_back_as_recorded)
{
    check(golden_check_round_trips(GOLDEN_SNAPSHOT_DIR, snapshot_round_trip) >= 19);
    check(golden_check_round_trips(GOLDEN_CHECKPOINT_DIR, checkpoint_round_trip) >= 5);
}

#define MACHINE                                                                                              \
    "<domain type='qemu'><name>m</name><memory>65536</memory><os><type>hvm</type></os><devices>"             \
    "<disk type='file'><source file='/i/m.qcow2'/><target dev='vda'/></disk>"                                \
    "<disk type='file' device='cdrom'><target dev='hda'/></disk></devices></domain>"
#define SNAPSHOT(name, state, more)                                                                          \
    "<domainsnapshot>" name "<state>" state "</state><creationTime>1</creationTime>" more MACHINE            \
    "</domainsnapshot>"
#define NAMED "<name>a</name>"
#define DISKS(text) SNAPSHOT(NAMED, "shutoff", "<disks>" text "</disks>")

typedef struct BadDocument {
    const char *xml;
    ErrorCode code;
    const char *text;
} BadDocument;

TEST(bad_snapshots_are_refused_as_observed)
{
    static const BadDocument bad[] = {
        { "<snapshot/>", ERROR_XML_INVALID, "domainsnapshot" },
        { SNAPSHOT("", "shutoff", ""), ERROR_XML_INVALID, "a redefined snapshot must have a name" },
        { SNAPSHOT("<name></name>", "shutoff", ""), ERROR_XML_INVALID,
          "a redefined snapshot must have a name" },
        { SNAPSHOT("<name>a/b</name>", "shutoff", ""), ERROR_XML_SYNTAX, "name can't contain '/'" },
        { SNAPSHOT("<name>.a</name>", "shutoff", ""), ERROR_XML_SYNTAX, "name can't start with '.'" },
        { SNAPSHOT(NAMED, "bogus", ""), ERROR_CONFIG_UNSUPPORTED, "bogus" },
        { SNAPSHOT(NAMED, "blocked", ""), ERROR_INTERNAL, "Invalid domain state blocked" },
        { SNAPSHOT(NAMED, "pmsuspended", ""), ERROR_NOT_SUPPORTED, "PMSUSPENDED" },
        { SNAPSHOT(NAMED, "shutoff", "<memory snapshot='bogus'/>"), ERROR_XML_INVALID, "bogus" },
        { SNAPSHOT(NAMED, "running", "<memory snapshot='external'/>"), ERROR_XML_INVALID,
          "external memory snapshots require a filename" },
        { SNAPSHOT(NAMED, "running", "<memory snapshot='external' file='rel'/>"), ERROR_XML_INVALID,
          "memory snapshot file path (rel) must be absolute" },
        { SNAPSHOT(NAMED, "running", "<memory snapshot='internal' file='/x'/>"), ERROR_XML_INVALID,
          "memory filename '/x' requires external snapshot" },
        { SNAPSHOT(NAMED, "shutoff", "<memory snapshot='internal'/>"), ERROR_XML_INVALID,
          "memory state cannot be saved with offline or disk-only snapshot" },
        { SNAPSHOT(NAMED, "disk-snapshot", "<memory snapshot='internal'/>"), ERROR_XML_INVALID,
          "memory state cannot be saved with offline or disk-only snapshot" },
        { DISKS("<disk snapshot='no'/>"), ERROR_INTERNAL, "name" },
        { DISKS("<disk name='zz' snapshot='internal'/>"), ERROR_CONFIG_UNSUPPORTED, "no disk named 'zz'" },
        { DISKS("<disk name='vda' snapshot='bogus'/>"), ERROR_XML_INVALID, "bogus" },
        { DISKS("<disk name='vda'/><disk name='/i/m.qcow2'/>"), ERROR_CONFIG_UNSUPPORTED,
          "disk 'vda' specified twice" },
        { DISKS("<disk name='vda' snapshot='internal'><source file='/x'/></disk>"), ERROR_CONFIG_UNSUPPORTED,
          "file '/x' for disk 'vda' requires use of external snapshot mode" },
        { DISKS("<disk name='vda' snapshot='external' type='dir'><source dir='/x'/></disk>"),
          ERROR_XML_INVALID, "unsupported disk snapshot type 'dir'" },
        { DISKS("<disk name='vda' snapshot='external'><driver type='bogus'/></disk>"),
          ERROR_CONFIG_UNSUPPORTED, "bogus" },
        { DISKS("<disk name='vda' snapshot='external'><source file='x'/></disk>"), ERROR_XML_INVALID,
          "must be absolute" },
        { DISKS("<disk name='vda' snapshot='manual'/>"), ERROR_CONFIG_UNSUPPORTED,
          "disk 'vda' must use snapshot mode 'internal'" },
        { DISKS("<disk name='vda' snapshot='no'/>"), ERROR_CONFIG_UNSUPPORTED,
          "disk 'vda' must use snapshot mode 'internal'" },
        { DISKS("<disk name='hda' snapshot='external'/>"), ERROR_CONFIG_UNSUPPORTED,
          "cannot generate external snapshot name for disk 'hda' without source" },
        { DISKS("<disk name='vda' type='block' snapshot='external'/>"), ERROR_CONFIG_UNSUPPORTED,
          "cannot generate external snapshot name for disk 'vda' on a 'block' device" },
        { "<domainsnapshot><name>a</name><state>shutoff</state>" MACHINE "</domainsnapshot>", ERROR_INTERNAL,
          "missing creationTime from existing snapshot" },
        { "<domainsnapshot><name>a</name><creationTime>1</creationTime>" MACHINE "</domainsnapshot>",
          ERROR_XML_INVALID, "missing state from existing snapshot" },
        { "<domainsnapshot><name>a</name><state>shutoff</state><creationTime>1</creationTime></"
          "domainsnapshot>",
          ERROR_INTERNAL, "missing domain in snapshot" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(SnapshotDef) def = NULL;
        g_autoptr(Error) err = NULL;
        check_case(bad[i].xml);
        check(!snapshot_def_parse(bad[i].xml, strlen(bad[i].xml), MOMENT_PARSE_REDEFINE, &golden_hooks, &def,
                                  &err) ||
              !snapshot_complete_redefined(def, is_regular, NULL, &err));
        check_str(error_code_name(error_code(err)), error_code_name(bad[i].code));
        check_contains(error_message(err), bad[i].text);
    }
}

TEST(names_of_images_are_made_up_beside_regular_files_only)
{
    static const char xml[] = SNAPSHOT(NAMED, "disk-snapshot", "");
    g_autoptr(SnapshotDef) def = NULL;
    g_autoptr(Error) err = NULL;
    char not_regular;

    check_ok(snapshot_def_parse(xml, strlen(xml), MOMENT_PARSE_REDEFINE, &golden_hooks, &def, &err), err);
    check(!snapshot_complete_redefined(def, is_regular, &not_regular, &err));
    check_contains(error_message(err), "source for disk 'vda' is not a regular file");
    g_clear_pointer(&err, error_free);
    g_clear_pointer(&def, snapshot_def_free);
    check_ok(snapshot_def_parse(xml, strlen(xml), MOMENT_PARSE_REDEFINE, &golden_hooks, &def, &err), err);
    check_ok(snapshot_complete_redefined(def, is_regular, NULL, &err), err);
    check_str(((const SnapshotDisk *)g_ptr_array_index(def->disks, 0))->src.path, "/i/m.a");
    check(snapshot_is_external(def));
}

TEST(a_new_snapshot_has_no_past)
{
    static const char xml[] = SNAPSHOT(NAMED, "running", "<parent><name>b</name></parent><active>1</active>");
    g_autoptr(SnapshotDef) def = NULL;
    g_autoptr(Error) err = NULL;

    check_ok(snapshot_def_parse(xml, strlen(xml), 0, &golden_hooks, &def, &err), err);
    check(!def->parent && !def->state && !def->created_s.is_set && !def->domain && !def->is_current);
}

TEST(files_of_the_daemon_say_which_is_current)
{
    static const char xml[] = SNAPSHOT(NAMED, "shutoff", "");
    g_autoptr(SnapshotDef) def = NULL, again = NULL;
    g_autoptr(GString) out = g_string_new(NULL), shown = g_string_new(NULL);
    g_autoptr(Error) err = NULL;

    check_ok(snapshot_def_parse(xml, strlen(xml), MOMENT_PARSE_REDEFINE, &golden_hooks, &def, &err), err);
    def->is_current = 1;
    snapshot_def_format(def, MOMENT_FORMAT_STORED, out);
    check_ok(snapshot_def_parse(out->str, out->len, MOMENT_PARSE_REDEFINE | MOMENT_PARSE_STORED,
                                &golden_hooks, &again, &err),
             err);
    check(again->is_current);
    snapshot_def_format(again, MOMENT_FORMAT_NO_DOMAIN, shown);
    check(!strstr(shown->str, "active") && !strstr(shown->str, "<domain "));
}

TEST(bad_checkpoints_are_refused_as_observed)
{
#define CHECKPOINT(name, more)                                                                               \
    "<domaincheckpoint>" name "<creationTime>5</creationTime>" more MACHINE "</domaincheckpoint>"
    static const BadDocument bad[] = {
        { CHECKPOINT("", ""), ERROR_XML_INVALID, "a redefined checkpoint must have a name" },
        { "<domaincheckpoint><name>a</name>" MACHINE "</domaincheckpoint>", ERROR_INTERNAL,
          "missing creationTime from existing checkpoint" },
        { CHECKPOINT(NAMED, "<disks><disk name='vda' checkpoint='bogus'/></disks>"), ERROR_XML_SCHEMA,
          "bogus" },
        { CHECKPOINT(NAMED, "<disks><disk/></disks>"), ERROR_XML_SCHEMA, "name" },
        { CHECKPOINT(NAMED, "<disks><disk name='vda' checkpoint='no' bitmap='b'/></disks>"), ERROR_XML_SCHEMA,
          "'vda' is left alone" },
        { CHECKPOINT("<name>a/b</name>", ""), ERROR_XML_SCHEMA, "'a/b' is no name" },
        { CHECKPOINT("<name>.a</name>", ""), ERROR_XML_SCHEMA, "'.a' is no name" },
        { CHECKPOINT(NAMED "<parent><name>a b</name></parent>", ""), ERROR_XML_SCHEMA, "'a b' is no name" },
        { CHECKPOINT(NAMED, "<bogus/>"), ERROR_XML_SCHEMA, "bogus" },
        { CHECKPOINT(NAMED, "<disks><disk name='vda'/><disk name='vda'/></disks>"), ERROR_CONFIG_UNSUPPORTED,
          "disk 'vda' specified twice" },
        { CHECKPOINT(NAMED, "<disks><disk name='vdz'/></disks>"), ERROR_CONFIG_UNSUPPORTED,
          "no disk named 'vdz'" },
        { CHECKPOINT(NAMED, "<disks><disk name='hda' checkpoint='bitmap'/></disks>"),
          ERROR_CONFIG_UNSUPPORTED, "disk 'hda' is empty or readonly" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(CheckpointDef) def = NULL;
        g_autoptr(Error) err = NULL;
        check_case(bad[i].xml);
        check(!checkpoint_def_parse(bad[i].xml, strlen(bad[i].xml), MOMENT_PARSE_REDEFINE, &golden_hooks,
                                    &def, &err) ||
              !checkpoint_align_disks(def, def->domain, &err));
        check_str(error_code_name(error_code(err)), error_code_name(bad[i].code));
        check_contains(error_message(err), bad[i].text);
    }
}
