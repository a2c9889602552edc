/* Commands that change or show the definition of a domain. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"

static const CliOption define_options[] = {
    OPT_FILE("the XML of the domain; - reads the standard input"),
    OPT_BOOL("validate", "refuse XML that does not follow the schema"),
    { 0 },
};

/* Owned name of the domain that was defined. */
static bool define_xml(Cli *cli, const char *xml, unsigned flags, char **ret_name, Error **err)
{
    WireDomainDefineXmlFlagsArgs with = { .xml = (char *)xml, .flags = flags };
    WireDomainDefineXmlArgs plain = { .xml = (char *)xml };
    WireDomainDefineXmlRet ret;
    if (flags) {
        WireDomainDefineXmlFlagsRet got;
        if (!cli_call(cli, PROC_DOMAIN_DEFINE_XML_FLAGS, &with, &got, err))
            return false;
        *ret_name = got.dom.name;
        return true;
    }
    if (!cli_call(cli, PROC_DOMAIN_DEFINE_XML, &plain, &ret, err))
        return false;
    *ret_name = ret.dom.name;
    return true;
}

static bool define_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *xml = NULL;
    g_autofree char *name = NULL;
    const char *file = args_get(args, "file");
    if (!cli_read_file(file, &xml, err))
        return false;
    cli_doing(cli, "Failed to define domain from %s", file);
    if (!define_xml(cli, xml, args_has(args, "validate") ? VIR_DOMAIN_DEFINE_VALIDATE : 0, &name, err))
        return false;
    cli_message(cli, "Domain '%s' defined from %s", name, file);
    return true;
}

/* ---- undefine ---- */

static const CliOption undefine_options[] = {
    OPT_DOMAIN,
    OPT_BOOL("managed-save", "remove the managed save image too"),
    OPT_STRING("storage", "remove these disks too: targets or paths, separated by commas"),
    OPT_BOOL("remove-all-storage", "remove all disks too"),
    OPT_BOOL("delete-storage-volume-snapshots", "remove the snapshots of removed volumes"),
    OPT_BOOL("wipe-storage", "overwrite the disks before they are removed"),
    OPT_BOOL("snapshots-metadata", "forget the snapshots too"),
    OPT_BOOL("checkpoints-metadata", "forget the checkpoints too"),
    OPT_BOOL("nvram", "remove the firmware's variables too"),
    OPT_BOOL("keep-nvram", "keep the firmware's variables"),
    OPT_BOOL("tpm", "remove the TPM's state too"),
    OPT_BOOL("keep-tpm", "keep the TPM's state"),
    { 0 },
};

static unsigned undefine_flags(const CliArgs *args)
{
    static const struct {
        const char *option;
        unsigned flag;
    } flags[] = {
        { "managed-save", VIR_DOMAIN_UNDEFINE_MANAGED_SAVE },
        { "snapshots-metadata", VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA },
        { "checkpoints-metadata", VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA },
        { "nvram", VIR_DOMAIN_UNDEFINE_NVRAM },
        { "keep-nvram", VIR_DOMAIN_UNDEFINE_KEEP_NVRAM },
        { "tpm", VIR_DOMAIN_UNDEFINE_TPM },
        { "keep-tpm", VIR_DOMAIN_UNDEFINE_KEEP_TPM },
    };
    unsigned result = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++)
        result |= args_has(args, flags[i].option) ? flags[i].flag : 0;
    return result;
}

static bool undefine_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    if (args_has(args, "storage") || args_has(args, "remove-all-storage") || args_has(args, "wipe-storage") ||
        args_has(args, "delete-storage-volume-snapshots")) {
        error_set(err, ERROR_NOT_SUPPORTED, "lodge cannot remove the disks together with a domain yet");
        return error_hint(err,
                          "'lodge domblklist DOMAIN' shows the disks: undefine the domain, then remove them "
                          "with 'lodge vol-delete' or rm");
    }
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to undefine domain '%s'", dom.name);
    WireDomainUndefineFlagsArgs call = { .dom = dom, .flags = undefine_flags(args) };
    if (!cli_call(cli, PROC_DOMAIN_UNDEFINE_FLAGS, &call, NULL, err)) {
        WireDomainIsPersistentArgs ask = { .dom = dom };
        WireDomainIsPersistentRet persistent;
        bool refused = wire_error_code(*err) == VIR_ERR_OPERATION_INVALID;
        if (refused && cli_call(cli, PROC_DOMAIN_IS_PERSISTENT, &ask, &persistent, NULL) &&
            persistent.persistent)
            error_hint(err, "'lodge help undefine' shows the options that remove what still belongs to it");
        return false;
    }
    cli_message(cli, "Domain '%s' has been undefined", dom.name);
    return true;
}

/* ---- dumpxml and edit ---- */

static const CliOption dumpxml_options[] = {
    OPT_DOMAIN,
    OPT_BOOL("inactive", "the stored definition, also while the domain runs"),
    OPT_BOOL("security-info", "with passwords"),
    OPT_BOOL("update-cpu", "with the CPU features that this host adds"),
    OPT_BOOL("migratable", "as a migration would send it"),
    OPT_XPATH,
    { 0 },
};

static bool dumpxml_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    unsigned flags = (args_has(args, "inactive") ? VIR_DOMAIN_XML_INACTIVE : 0) |
                     (args_has(args, "security-info") ? VIR_DOMAIN_XML_SECURE : 0) |
                     (args_has(args, "update-cpu") ? VIR_DOMAIN_XML_UPDATE_CPU : 0) |
                     (args_has(args, "migratable") ? VIR_DOMAIN_XML_MIGRATABLE : 0);
    return cli_domain(cli, args, &dom, err) && cli_domain_xml(cli, &dom, flags, &xml, err) &&
           cli_print_xml(cli, args, xml, err);
}

static const CliOption edit_options[] = {
    OPT_DOMAIN,
    OPT_BOOL("skip-validate", "accept what the schema does not know"),
    { 0 },
};

typedef struct EditDomain {
    const WireDomain *dom;
    char *before;
    bool skip_validate;
} EditDomain;

static bool edit_apply(Cli *cli, const char *edited, bool relaxed, void *arg, Error **err)
{
    EditDomain *edit = arg;
    g_autofree char *now = NULL;
    g_autofree char *name = NULL;
    /* Somebody else may have changed it while the editor was open. */
    if (!cli_domain_xml(cli, edit->dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE, &now, err))
        return false;
    if (strcmp(now, edit->before) != 0)
        return error_set(err, ERROR_OPERATION_FAILED, "the XML configuration was changed by another user");
    return define_xml(cli, edited, relaxed || edit->skip_validate ? 0 : VIR_DOMAIN_DEFINE_VALIDATE, &name,
                      err);
}

static bool edit_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    if (!cli_domain(cli, args, &dom, err) ||
        !cli_domain_xml(cli, &dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE, &xml, err))
        return false;
    EditDomain edit = { .dom = &dom, .before = xml, .skip_validate = args_has(args, "skip-validate") };
    g_autofree char *what = g_strdup_printf("Domain '%s' XML configuration", dom.name);
    return cli_edit(cli, what, xml, edit_apply, &edit, err);
}

/* ---- names ---- */

static const CliOption rename_options[] = {
    OPT_DOMAIN_INACTIVE,
    OPT_REQUIRED("new-name", "the new name"),
    { 0 },
};

static bool rename_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to rename domain '%s'", dom.name);
    WireDomainRenameArgs call = { .dom = dom, .new_name = (char *)args_get(args, "new-name") };
    if (!cli_call(cli, PROC_DOMAIN_RENAME, &call, NULL, err))
        return false;
    cli_message(cli, "Domain successfully renamed");
    return true;
}

static const CliOption name_options[] = { OPT_DOMAIN, { 0 } };

static bool domid_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    if (!cli_domain(cli, args, &dom, err))
        return false;
    if (cli->json)
        cli_print_json(cli, json_pack("{s:o}", "id", dom.id < 0 ? json_null() : json_integer(dom.id)));
    else if (dom.id < 0)
        fputs("-\n", cli->out);
    else
        fprintf(cli->out, "%d\n", dom.id);
    return true;
}

static bool domname_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_print_value(cli, "name", dom.name);
    return true;
}

static bool domuuid_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    char uuid[UUID_STRING_LEN];
    if (!cli_domain(cli, args, &dom, err))
        return false;
    uuid_format(&dom.uuid, uuid);
    cli_print_value(cli, "uuid", uuid);
    return true;
}

/* ---- description, title, metadata ---- */

static bool set_metadata(Cli *cli, const WireDomain *dom, int type, const char *text, const char *key,
                         const char *uri, unsigned flags, Error **err)
{
    WireDomainSetMetadataArgs call = { .dom = *dom, .type = type, .flags = flags };
    /* The protocol's optional strings. */
    call.metadata = (char *)text;
    call.key = (char *)key;
    call.uri = (char *)uri;
    return cli_call(cli, PROC_DOMAIN_SET_METADATA, &call, NULL, err);
}

/* *ret_text is NULL if there is none. */
static bool get_metadata(Cli *cli, const WireDomain *dom, int type, const char *uri, unsigned flags,
                         char **ret_text, Error **err)
{
    g_autoptr(Error) failed = NULL;
    WireDomainGetMetadataArgs call = { .dom = *dom, .type = type, .uri = (char *)uri, .flags = flags };
    WireDomainGetMetadataRet ret;
    *ret_text = NULL;
    if (cli_call(cli, PROC_DOMAIN_GET_METADATA, &call, &ret, &failed)) {
        *ret_text = ret.metadata;
        return true;
    }
    if (wire_error_code(failed) == VIR_ERR_NO_DOMAIN_METADATA)
        return true;
    return error_propagate(err, g_steal_pointer(&failed));
}

static const CliOption desc_options[] = {
    OPT_DOMAIN,
    OPT_AFFECT,
    OPT_BOOL("title", "the title instead of the description"),
    OPT_BOOL("edit", "change it in an editor"),
    { .name = "new-desc",
      .type = CLI_STRING,
      .flags = CLI_MANY | CLI_EMPTY_OK,
      .doc = "the new text; an empty one removes it" },
    { 0 },
};

typedef struct EditMetadata {
    const WireDomain *dom;
    int type;
    unsigned flags;
    const char *key;
    const char *uri;
} EditMetadata;

static bool metadata_apply(Cli *cli, const char *edited, bool relaxed, void *arg, Error **err)
{
    EditMetadata *edit = arg;
    g_autofree char *text = g_strdup(edited);
    g_strchomp(text);
    return set_metadata(cli, edit->dom, edit->type, *text ? text : NULL, edit->key, edit->uri, edit->flags,
                        err);
}

static bool desc_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *old = NULL;
    int type = args_has(args, "title") ? VIR_DOMAIN_METADATA_TITLE : VIR_DOMAIN_METADATA_DESCRIPTION;
    const char *what = args_has(args, "title") ? "title" : "description";
    char *const *words = args_get_many(args, "new-desc");
    unsigned flags = args_affect(args);
    if (!cli_domain(cli, args, &dom, err))
        return false;
    if (*words && !args_has(args, "edit")) {
        g_autofree char *text = g_strjoinv(" ", (char **)words);
        cli_doing(cli, "Failed to set new domain %s", what);
        if (!set_metadata(cli, &dom, type, *text ? text : NULL, NULL, NULL, flags, err))
            return false;
        cli_message(cli, "Domain %s updated successfully", what);
        return true;
    }
    if (!get_metadata(cli, &dom, type, NULL, flags, &old, err))
        return false;
    if (args_has(args, "edit")) {
        g_autofree char *text = *words ? g_strjoinv(" ", (char **)words) : g_strdup(old ? old : "");
        g_autofree char *title = g_strdup_printf("Domain %s", what);
        EditMetadata edit = { .dom = &dom, .type = type, .flags = flags };
        return cli_edit(cli, title, text, metadata_apply, &edit, err);
    }
    if (old || cli->json)
        cli_print_text(cli, what, old ? old : "");
    else
        cli_message(cli, "No %s for domain: %s", what, dom.name);
    return true;
}

static const CliOption metadata_options[] = {
    OPT_DOMAIN,
    OPT_REQUIRED("uri", "namespace of the metadata"),
    OPT_AFFECT,
    OPT_BOOL("edit", "change it in an editor"),
    OPT_STRING("key", "prefix of the namespace, for new metadata"),
    OPT_STRING("set", "the new XML"),
    OPT_BOOL("remove", "remove it"),
    { 0 },
};

static bool metadata_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *old = NULL;
    const char *uri = args_get(args, "uri");
    const char *set = args_get(args, "set");
    unsigned flags = args_affect(args);
    EditMetadata edit = { .dom = &dom, .type = VIR_DOMAIN_METADATA_ELEMENT, .flags = flags, .uri = uri };
    edit.key = args_get(args, "key");
    if ((set || args_has(args, "edit")) && !edit.key) {
        error_set(err, ERROR_INVALID_ARGUMENT, "namespace key is required when modifying metadata");
        return error_hint(err, "add --key PREFIX");
    }
    if (!cli_domain(cli, args, &dom, err))
        return false;
    if (set || args_has(args, "remove")) {
        if (!set_metadata(cli, &dom, VIR_DOMAIN_METADATA_ELEMENT, set, edit.key, uri, flags, err))
            return false;
        cli_message(cli, set ? "Metadata modified" : "Metadata removed");
        return true;
    }
    WireDomainGetMetadataArgs call = { .dom = dom, .type = edit.type, .uri = (char *)uri, .flags = flags };
    WireDomainGetMetadataRet ret;
    if (args_has(args, "edit")) {
        if (!get_metadata(cli, &dom, edit.type, uri, flags, &old, err))
            return false;
        return cli_edit(cli, "Metadata", old ? old : "", metadata_apply, &edit, err);
    }
    if (!cli_call(cli, PROC_DOMAIN_GET_METADATA, &call, &ret, err))
        return false;
    cli_print_text(cli, "metadata", ret.metadata);
    g_free(ret.metadata);
    return true;
}

const CliCommand commands_define[] = {
    { .name = "define",
      .group = GROUP_DOMAIN,
      .summary = "store the definition of a domain",
      .doc = "Stores the definition of a domain, or replaces it. A running domain uses the new one from its "
             "next "
             "start on.",
      .options = define_options,
      .run = define_run },
    { .name = "undefine",
      .group = GROUP_DOMAIN,
      .summary = "remove the definition of a domain",
      .doc =
          "Removes the stored definition. A running domain runs on until it stops. What still belongs to the "
          "domain must be removed or kept on purpose.",
      .options = undefine_options,
      .exclusive = "nvram keep-nvram; tpm keep-tpm",
      .run = undefine_run },
    { .name = "dumpxml",
      .group = GROUP_DOMAIN,
      .summary = "print the XML of a domain",
      .options = dumpxml_options,
      .json = "{\"xml\": string}",
      .run = dumpxml_run },
    { .name = "edit",
      .group = GROUP_DOMAIN,
      .summary = "change the definition of a domain in an editor",
      .doc = "Opens the stored definition in $VISUAL or $EDITOR and stores the result. If it is refused, you "
             "are "
             "asked whether to edit again.",
      .options = edit_options,
      .run = edit_run },
    { .name = "domrename",
      .group = GROUP_DOMAIN,
      .summary = "rename an inactive domain",
      .options = rename_options,
      .run = rename_run },
    { .name = "domid",
      .group = GROUP_DOMAIN,
      .summary = "print the id of a domain",
      .doc = "Prints the id of a running domain, or - if it does not run.",
      .options = name_options,
      .json = "{\"id\": number|null}",
      .run = domid_run },
    { .name = "domname",
      .group = GROUP_DOMAIN,
      .summary = "print the name of a domain",
      .options = name_options,
      .json = "{\"name\": string}",
      .run = domname_run },
    { .name = "domuuid",
      .group = GROUP_DOMAIN,
      .summary = "print the UUID of a domain",
      .options = name_options,
      .json = "{\"uuid\": string}",
      .run = domuuid_run },
    { .name = "desc",
      .group = GROUP_DOMAIN,
      .summary = "show or change the description or title of a domain",
      .options = desc_options,
      .exclusive = EXCLUSIVE_AFFECT,
      .json = "{\"description\": string} or {\"title\": string}; {\"message\": string} after a change",
      .run = desc_run },
    { .name = "metadata",
      .group = GROUP_DOMAIN,
      .summary = "show or change the custom metadata of a domain",
      .options = metadata_options,
      .exclusive = EXCLUSIVE_AFFECT "; edit set remove",
      .json = "{\"metadata\": string}; {\"message\": string} after a change",
      .run = metadata_run },
    { 0 },
};
