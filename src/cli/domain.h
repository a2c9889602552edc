/* What several domain commands share: names of states, look-ups in a domain's XML, lists of domains. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>

#include "cli/cli.h"

/* "running"; "no state" for unknown numbers. */
const char *domain_state_name(int state);
const char *domain_reason_name(int state, int reason);

/* Running ones first, by id; then the others by name. */
AWAITS MUST_CHECK bool cli_list_domains(Cli *cli, unsigned flags, WireConnectListAllDomainsRet *ret,
                                        Error **err);
AWAITS MUST_CHECK bool cli_domain_is_active(Cli *cli, const WireDomain *dom, bool *ret_active, Error **err);

/* OPT_AFFECT, and --persistent: the stored definition, and the running domain if it runs. */
AWAITS MUST_CHECK bool cli_affect_flags(Cli *cli, const CliArgs *args, const WireDomain *dom,
                                        uint32_t *ret_flags, Error **err);

/* ---- XML that the daemon sent (xml.c); it is parsed without network, entities or huge trees ---- */
typedef struct XmlDoc XmlDoc;
MUST_CHECK bool xml_parse(const char *text, XmlDoc **ret_doc, Error **err);
void xml_doc_free(XmlDoc *doc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(XmlDoc, xml_doc_free)
/* Nodes that an expression selects, below @node or (NULL) the document; borrowed nodes, owned array.
 * ERROR_INVALID_ARGUMENT for an expression that is none. */
MUST_CHECK bool xml_select(XmlDoc *doc, xmlNode *node, const char *xpath, GPtrArray **ret_nodes, Error **err);
/* The text that an expression finds first ("./target/@dev"); owned, NULL if there is none. */
char *xml_get(XmlDoc *doc, xmlNode *node, const char *xpath);
/* The nodes as XML text; with @wrap below <nodes>. Owned. */
char *xml_format_nodes(XmlDoc *doc, const GPtrArray *nodes, bool wrap);

/* The image of a <disk> as the daemon calls it: a path, or POOL/VOLUME; owned. NULL: it has none here.
 * *ret_format: what the document says, "raw" if nothing, NULL for a volume, of which its pool knows; owned.
 */
char *domain_disk_image(XmlDoc *doc, xmlNode *disk, char **ret_format);
/* An XPath to the <encryption> of the disk, if it is encrypted; owned. */
char *domain_disk_encryption(const char *target);

/* Prints XML, or what --xpath and --wrap select of it. */
MUST_CHECK bool cli_print_xml(Cli *cli, const CliArgs *args, const char *xml, Error **err);

/* Lets the user change @text in an editor; asks what to do about a text that @apply refuses. @what names it
 * in messages ("Domain 'x' XML configuration"). */
AWAITS MUST_CHECK bool cli_edit(Cli *cli, const char *what, const char *text,
                                bool (*apply)(Cli *cli, const char *edited, bool relaxed, void *arg,
                                              Error **err),
                                void *arg, Error **err);
