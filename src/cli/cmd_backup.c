/* Commands of checkpoints and backups that no class has. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/class.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"
#include "cli/row.h"

#define OPT_QUIESCE                                                                                          \
    OPT_FLAG("quiesce", VIR_DOMAIN_CHECKPOINT_CREATE_QUIESCE, "let the guest write its data first")

static const CliOption checkpoint_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "xmlfile", "the XML of the checkpoint", .flags = CLI_CONTENT, .arg = "xml_desc",
        .otherwise = "<domaincheckpoint/>", .complete = COMPLETE_FILE),
    OPT_FLAG("redefine", VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE,
             "store the definition of a checkpoint that exists"),
    OPT_FLAG("redefine-validate", VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE,
             "with --redefine: refuse one whose bitmaps are not there"),
    OPT_QUIESCE,
    { 0 },
};

static const CliOption checkpoint_as_options[] = {
    OPT_DOMAIN,
    OPT_STRING("name", "name of the checkpoint"),
    OPT_STRING("description", "description of the checkpoint"),
    OPT_BOOL("print-xml", "print the XML instead of making the checkpoint"),
    OPT_QUIESCE,
    OPT(CLI_STRING, "diskspec", "a disk: TARGET[,checkpoint=no|bitmap][,bitmap=NAME]; may be repeated",
        .flags = CLI_NAMED | CLI_LINES),
    { 0 },
};

/* "vda,checkpoint=bitmap,bitmap=name" */
static bool add_disk(GString *xml, const char *spec, Error **err)
{
    static const char *const known[] = { "checkpoint", "bitmap" };
    g_auto(GStrv) words = g_strsplit(spec, ",", -1);
    g_autofree char *target = g_markup_escape_text(words[0], -1);

    if (!*words[0])
        return error_set(err, ERROR_INVALID_ARGUMENT, "Failed to parse --diskspec '%s'", spec);
    g_string_append_printf(xml, "    <disk name='%s'", target);
    for (char **word = words + 1; *word; word++) {
        char *value = strchr(*word, '=');
        bool is_known = false;
        if (value)
            *value++ = '\0';
        for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
            is_known = is_known || strcmp(*word, known[i]) == 0;
        if (!value || !is_known)
            return error_set(err, ERROR_INVALID_ARGUMENT, "Failed to parse --diskspec '%s'", spec);
        g_autofree char *text = g_markup_escape_text(value, -1);
        g_string_append_printf(xml, " %s='%s'", *word, text);
    }
    g_string_append(xml, "/>\n");
    return true;
}

static bool checkpoint_as_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(GString) xml = g_string_new("<domaincheckpoint>\n");
    const char *lines = args_get(args, "diskspec");

    row_add_element(xml, "name", args, "name");
    row_add_element(xml, "description", args, "description");
    if (lines) {
        g_auto(GStrv) specs = g_strsplit(lines, "\n", -1);
        g_string_append(xml, "  <disks>\n");
        for (char **spec = specs; *spec; spec++) {
            if (!add_disk(xml, *spec, err))
                return false;
        }
        g_string_append(xml, "  </disks>\n");
    }
    g_string_append(xml, "</domaincheckpoint>\n");
    return row_use_document(cli, args, "xml_desc", xml, err);
}

/* ---- backups ---- */

static const CliOption begin_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "backupxml", "the XML of the backup; all disks into new files if absent",
        .flags = CLI_CONTENT, .arg = "backup_xml", .otherwise = "<domainbackup/>", .complete = COMPLETE_FILE),
    OPT_XML("checkpointxml", "checkpoint_xml", 0,
            "the XML of a checkpoint to make at the same moment, for the next incremental backup"),
    OPT_FLAG("reuse-external", VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL, "write into images that are there"),
    OPT_FLAG("preserve-domain-on-shutdown", 2 /* after 9.0 */,
             "if the guest shuts down meanwhile, end the domain only after the backup"),
    { 0 },
};
static const CliOption backup_dumpxml_options[] = { OPT_DOMAIN_ACTIVE, OPT_XPATH, { 0 } };

const CliCommand commands_backup[] = {
    COMMAND("checkpoint-create", GROUP_CHECKPOINT, "make a checkpoint as an XML file describes",
            checkpoint_options, NULL, .class = &class_checkpoint, .proc = PROC_DOMAIN_CHECKPOINT_CREATE_XML,
            .done = "Domain checkpoint {name} created{xmlfile? from '|}{xmlfile}{xmlfile?'|}"),
    COMMAND("checkpoint-create-as", GROUP_CHECKPOINT, "make a checkpoint", checkpoint_as_options,
            checkpoint_as_run, .class = &class_checkpoint, .proc = PROC_DOMAIN_CHECKPOINT_CREATE_XML,
            .doing = "Failed to create a checkpoint of domain '{domain}'",
            .done = "Domain checkpoint {name} created",
            .json = "{\"message\": string}; with --print-xml {\"xml\": string}"),
    COMMAND("backup-begin", GROUP_BACKUP, "begin a backup of a running domain", begin_options, NULL,
            .doc = "Copies the disks as they are at this moment to images (push), or serves them to programs "
                   "that fetch what they want over NBD (pull), until domjobabort ends that. 'domjobinfo' "
                   "tells how far it is, 'domjobinfo --completed' how it ended.",
            .proc = PROC_DOMAIN_BACKUP_BEGIN, .done = "Backup started"),
    COMMAND("backup-dumpxml", GROUP_BACKUP, "show the backup that runs", backup_dumpxml_options, NULL,
            .proc = PROC_DOMAIN_BACKUP_GET_XML_DESC, .show = "xml"),
    { 0 },
};
