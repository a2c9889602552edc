/* Commands that change or show the definition of a domain. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/class.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"
#include "cli/row.h"
#include "cli/undefine.h"

static const CliOption define_options[] = {
    OPT_XML("file", "xml", CLI_REQUIRED, "the XML of the domain; - reads the standard input"),
    OPT_VALIDATE(VIR_DOMAIN_DEFINE_VALIDATE),
    { 0 },
};

/* ---- undefine ---- */

static const CliOption undefine_options[] = {
    OPT_DOMAINS(COMPLETE_DOMAIN),
    OPT_FLAG("managed-save", VIR_DOMAIN_UNDEFINE_MANAGED_SAVE, "remove the managed save image too"),
    OPT_NAMED("storage", "remove these disks too: targets or paths, separated by commas"),
    OPT_BOOL("remove-all-storage", "remove all disks too, but not what others need and discs in drives"),
    OPT_BOOL("delete-storage-volume-snapshots", "accepted: snapshots inside of an image go with it"),
    OPT_BOOL("wipe-storage", "overwrite the disks before they are removed"),
    OPT_FLAG("snapshots-metadata", VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA, "forget the snapshots too"),
    OPT_FLAG("checkpoints-metadata", VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA, "forget the checkpoints too"),
    OPT_FLAG("nvram", VIR_DOMAIN_UNDEFINE_NVRAM, "remove the firmware's variables too"),
    OPT_FLAG("keep-nvram", VIR_DOMAIN_UNDEFINE_KEEP_NVRAM, "keep the firmware's variables"),
    OPT_FLAG("tpm", VIR_DOMAIN_UNDEFINE_TPM, "remove the TPM's state too"),
    OPT_FLAG("keep-tpm", VIR_DOMAIN_UNDEFINE_KEEP_TPM, "keep the TPM's state"),
    { 0 },
};

static bool undefine_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(GPtrArray) disks = NULL;

    if ((args_has(args, "storage") || args_has(args, "remove-all-storage")) &&
        (!cli_domain(cli, args, &dom, err) ||
         !undefine_collect(cli, &dom, args_get(args, "storage"), &disks, err)))
        return false;
    if (row_run(cli, args, err)) {
        if (disks)
            undefine_remove(cli, disks, args_has(args, "wipe-storage") ? UNDEFINE_WIPE : 0);
        return true;
    }
    wire_domain_clear(&dom);
    /* What still belongs to it? Nothing, if there is no definition. */
    g_autofree char *doing = g_strdup(cli->doing);
    WireDomainIsPersistentRet persistent;
    if (wire_error_code(*err) == VIR_ERR_OPERATION_INVALID && cli_domain(cli, args, &dom, NULL)) {
        WireDomainIsPersistentArgs ask = { .dom = dom };
        if (cli_call(cli, PROC_DOMAIN_IS_PERSISTENT, &ask, &persistent, NULL) && persistent.persistent)
            error_hint(err, "'lodge help undefine' shows the options that remove what still belongs to it");
    }
    cli_doing(cli, doing ? "%s" : NULL, doing);
    return false;
}

/* ---- dumpxml, edit, names ---- */

static const CliOption dumpxml_options[] = {
    OPT_DOMAIN,
    OPT_FLAG("inactive", VIR_DOMAIN_XML_INACTIVE, "the stored definition, also while the domain runs"),
    OPT_FLAG("security-info", VIR_DOMAIN_XML_SECURE, "with passwords"),
    OPT_FLAG("update-cpu", VIR_DOMAIN_XML_UPDATE_CPU, "with the CPU features that this host adds"),
    OPT_FLAG("migratable", VIR_DOMAIN_XML_MIGRATABLE, "as a migration would send it"),
    OPT_XPATH,
    { 0 },
};

static const CliOption edit_options[] = {
    OPT_DOMAIN,
    OPT_BOOL("skip-validate", "accept what the schema does not know"),
    { 0 },
};

static const CliOption rename_options[] = {
    OPT_DOMAIN_INACTIVE,
    OPT(CLI_STRING, "new-name", "the new name", .flags = CLI_REQUIRED, .arg = "new_name"),
    { 0 },
};

static const CliOption name_options[] = { OPT_DOMAIN, { 0 } };

/* ---- description, title, metadata ---- */

/* The two kinds of objects that have them; arguments and answers of their calls are laid out alike. */
typedef struct MetadataOwner {
    const CliClass *class;
    int32_t set, get;
    int missing; /* the error of what is not there */
} MetadataOwner;
static const MetadataOwner domain_owner = { &class_domain, PROC_DOMAIN_SET_METADATA, PROC_DOMAIN_GET_METADATA,
                                            VIR_ERR_NO_DOMAIN_METADATA };
static const MetadataOwner network_owner = { &class_network, PROC_NETWORK_SET_METADATA,
                                             PROC_NETWORK_GET_METADATA, VIR_ERR_NO_NETWORK_METADATA };

static const MetadataOwner *metadata_owner(const CliArgs *args)
{
    return cli_args_command(args)->group == GROUP_NETWORK ? &network_owner : &domain_owner;
}

static bool set_metadata(Cli *cli, const MetadataOwner *owner, const WireHandle *object, int type,
                         const char *text, const char *key, const char *uri, unsigned flags, Error **err)
{
    WireDomainSetMetadataArgs call = { .dom = *object, .type = type, .flags = flags };
    /* The protocol's optional strings. */
    call.metadata = (char *)text;
    call.key = (char *)key;
    call.uri = (char *)uri;
    return cli_call(cli, owner->set, &call, NULL, err);
}

/* *ret_text is NULL if there is none. */
static bool get_metadata(Cli *cli, const MetadataOwner *owner, const WireHandle *object, int type,
                         const char *uri, unsigned flags, char **ret_text, Error **err)
{
    g_autoptr(Error) failed = NULL;
    WireDomainGetMetadataArgs call = { .dom = *object, .type = type, .uri = (char *)uri, .flags = flags };
    WireDomainGetMetadataRet ret;
    *ret_text = NULL;
    if (cli_call(cli, owner->get, &call, &ret, &failed)) {
        *ret_text = ret.metadata;
        return true;
    }
    if (wire_error_code(failed) == owner->missing)
        return true;
    return error_propagate(err, g_steal_pointer(&failed));
}

#define OPT_NETWORK                                                                                          \
    OPT(CLI_STRING, "network", "name or UUID of the network", .class = &class_network, .flags = CLI_REQUIRED)
#define OPT_AFFECT_NETWORK                                                                                   \
    OPT_FLAG("config", VIR_NETWORK_UPDATE_AFFECT_CONFIG, "change the stored definition"),                    \
        OPT_FLAG("live", VIR_NETWORK_UPDATE_AFFECT_LIVE, "change the running network"),                      \
        OPT_FLAG("current", 0, "change what runs, or the definition if it does not run (the default)")
#define DESC_OPTIONS                                                                                         \
    OPT_BOOL("title", "the title instead of the description"), OPT_BOOL("edit", "change it in an editor"),   \
        OPT(CLI_STRING, "new-desc", "the new text; an empty one removes it",                                 \
            .flags = CLI_MANY | CLI_EMPTY_OK)

static const CliOption desc_options[] = { OPT_DOMAIN, OPT_AFFECT, DESC_OPTIONS, { 0 } };
static const CliOption network_desc_options[] = { OPT_NETWORK, OPT_AFFECT_NETWORK, DESC_OPTIONS, { 0 } };

typedef struct EditMetadata {
    const MetadataOwner *owner;
    const WireHandle *object;
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
    return set_metadata(cli, edit->owner, edit->object, edit->type, *text ? text : NULL, edit->key, edit->uri,
                        edit->flags, err);
}

static bool desc_run(Cli *cli, const CliArgs *args, Error **err)
{
    const MetadataOwner *owner = metadata_owner(args);
    g_auto(WireDomain) object = { 0 };
    g_autofree char *old = NULL;
    g_autofree char *kind = g_strdup(class_word(owner->class, true));
    int type = args_has(args, "title") ? VIR_DOMAIN_METADATA_TITLE : VIR_DOMAIN_METADATA_DESCRIPTION;
    const char *what = args_has(args, "title") ? "title" : "description";
    char *const *words = args_get_many(args, "new-desc");
    unsigned flags = args_flags(args);
    if (!class_lookup(cli, owner->class, args, &object, err))
        return false;
    if (*words && !args_has(args, "edit")) {
        g_autofree char *text = g_strjoinv(" ", (char **)words);
        cli_doing(cli, "Failed to set new %s %s", owner->class->word, what);
        if (!set_metadata(cli, owner, &object, type, *text ? text : NULL, NULL, NULL, flags, err))
            return false;
        cli_message(cli, "%s %s updated successfully", kind, what);
        return true;
    }
    if (!get_metadata(cli, owner, &object, type, NULL, flags, &old, err))
        return false;
    if (args_has(args, "edit")) {
        g_autofree char *text = *words ? g_strjoinv(" ", (char **)words) : g_strdup(old ? old : "");
        g_autofree char *title = g_strdup_printf("%s %s", kind, what);
        EditMetadata edit = { .owner = owner, .object = &object, .type = type, .flags = flags };
        return cli_edit(cli, title, text, metadata_apply, &edit, err);
    }
    if (old || cli->json)
        cli_print_text(cli, what, old ? old : "");
    else
        cli_message(cli, "No %s for %s: %s", what, owner->class->word, object.name);
    return true;
}

#define METADATA_OPTIONS                                                                                     \
    OPT_BOOL("edit", "change it in an editor"),                                                              \
        OPT_STRING("key", "prefix of the namespace, for new metadata"), OPT_STRING("set", "the new XML"),    \
        OPT_BOOL("remove", "remove it")

static const CliOption metadata_options[] = {
    OPT_DOMAIN, OPT_REQUIRED("uri", "namespace of the metadata"), OPT_AFFECT, METADATA_OPTIONS, { 0 }
};
static const CliOption network_metadata_options[] = {
    OPT_NETWORK, OPT_REQUIRED("uri", "namespace of the metadata"), OPT_AFFECT_NETWORK, METADATA_OPTIONS, { 0 }
};

static bool metadata_run(Cli *cli, const CliArgs *args, Error **err)
{
    const MetadataOwner *owner = metadata_owner(args);
    g_auto(WireDomain) object = { 0 };
    g_autofree char *old = NULL;
    const char *uri = args_get(args, "uri");
    const char *set = args_get(args, "set");
    unsigned flags = args_flags(args);
    EditMetadata edit = {
        .owner = owner, .object = &object, .type = VIR_DOMAIN_METADATA_ELEMENT, .flags = flags, .uri = uri
    };
    edit.key = args_get(args, "key");
    if ((set || args_has(args, "edit")) && !edit.key) {
        error_set(err, ERROR_INVALID_ARGUMENT, "namespace key is required when modifying metadata");
        return error_hint(err, "add --key PREFIX");
    }
    if (!class_lookup(cli, owner->class, args, &object, err))
        return false;
    if (set || args_has(args, "remove")) {
        if (!set_metadata(cli, owner, &object, VIR_DOMAIN_METADATA_ELEMENT, set, edit.key, uri, flags, err))
            return false;
        cli_message(cli, set ? "Metadata modified" : "Metadata removed");
        return true;
    }
    WireDomainGetMetadataArgs call = { .dom = object, .type = edit.type, .uri = (char *)uri, .flags = flags };
    WireDomainGetMetadataRet ret;
    if (args_has(args, "edit")) {
        if (!get_metadata(cli, owner, &object, edit.type, uri, flags, &old, err))
            return false;
        return cli_edit(cli, "Metadata", old ? old : "", metadata_apply, &edit, err);
    }
    if (!cli_call(cli, owner->get, &call, &ret, err))
        return false;
    cli_print_text(cli, "metadata", ret.metadata);
    g_free(ret.metadata);
    return true;
}

const CliCommand commands_define[] = {
    COMMAND("define", GROUP_DOMAIN, "store the definition of a domain", define_options, NULL,
            .doc = "Stores the definition of a domain, or replaces it. A running domain uses the new one "
                   "from its next start on.",
            .proc = PROC_DOMAIN_DEFINE_XML_FLAGS, .plain = PROC_DOMAIN_DEFINE_XML,
            .doing = "Failed to define domain from {file}", .done = "Domain '{name}' defined from {file}"),
    COMMAND("undefine", GROUP_DOMAIN, "remove the definition of a domain", undefine_options, undefine_run,
            .doc = "Removes the stored definition. A running domain runs on until it stops. What still "
                   "belongs to the domain must be removed or kept on purpose.",
            .exclusive = "nvram keep-nvram; tpm keep-tpm", .proc = PROC_DOMAIN_UNDEFINE_FLAGS,
            .doing = "Failed to undefine domain '{name}'", .done = "Domain '{name}' has been undefined"),
    COMMAND("dumpxml", GROUP_DOMAIN, "print the XML of a domain", dumpxml_options, NULL,
            .proc = PROC_DOMAIN_GET_XML_DESC, .show = "xml"),
    COMMAND("edit", GROUP_DOMAIN, "change the definition of a domain in an editor", edit_options, row_edit,
            .doc = "Opens the stored definition in $VISUAL or $EDITOR and stores the result. If it is "
                   "refused, you are asked whether to edit again.",
            .proc = PROC_DOMAIN_GET_XML_DESC, .always = VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE,
            .store = PROC_DOMAIN_DEFINE_XML_FLAGS, .store_always = VIR_DOMAIN_DEFINE_VALIDATE,
            .done = "Domain '{name}' XML configuration"),
    COMMAND("domrename", GROUP_DOMAIN, "rename an inactive domain", rename_options, NULL,
            .proc = PROC_DOMAIN_RENAME, .doing = "Failed to rename domain '{name}'",
            .done = "Domain successfully renamed"),
    COMMAND("domid", GROUP_DOMAIN, "print the id of a domain", name_options, NULL,
            .doc = "Prints the id of a running domain, or - if it does not run.",
            .json = "{\"id\": number|null}", .show = "id"),
    COMMAND("domname", GROUP_DOMAIN, "print the name of a domain", name_options, NULL, .show = "name"),
    COMMAND("domuuid", GROUP_DOMAIN, "print the UUID of a domain", name_options, NULL, .show = "uuid"),
    COMMAND("desc", GROUP_DOMAIN, "show or change the description or title of a domain", desc_options,
            desc_run, .exclusive = EXCLUSIVE_AFFECT,
            .json = "{\"description\": string} or {\"title\": string}; {\"message\": string} after a change"),
    COMMAND("metadata", GROUP_DOMAIN, "show or change the custom metadata of a domain", metadata_options,
            metadata_run, .exclusive = EXCLUSIVE_AFFECT "; edit set remove",
            .json = "{\"metadata\": string}; {\"message\": string} after a change"),
    COMMAND("net-desc", GROUP_NETWORK, "show or change the description or title of a network",
            network_desc_options, desc_run, .exclusive = EXCLUSIVE_AFFECT,
            .json = "{\"description\": string} or {\"title\": string}; {\"message\": string} after a change"),
    COMMAND("net-metadata", GROUP_NETWORK, "show or change the custom metadata of a network",
            network_metadata_options, metadata_run, .exclusive = EXCLUSIVE_AFFECT "; edit set remove",
            .json = "{\"metadata\": string}; {\"message\": string} after a change"),
    { 0 },
};
