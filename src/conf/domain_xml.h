/* The domain document as text: reading, writing, copying, comparing. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "conf/domain_def.h"
#include "conf/domain_flags.h"
#include "conf/xml_table.h"

/* Reads a domain document, fills in defaults as libvirt does, and checks that it makes sense.
 *
 * @hooks      NULL: no platform, host_arch x86_64
 *
 * AWAITS if the platform hook does, or the text is long.
 *
 * ERROR_XML_SYNTAX          not well-formed; "(domain_definition):12: ..."
 * ERROR_XML_INVALID         a wrong or missing value; message with line and element
 * ERROR_XML_SCHEMA          DOMAIN_PARSE_VALIDATE only
 * ERROR_OS_TYPE             unknown os type
 * ERROR_CONFIG_UNSUPPORTED  known, but impossible
 * ERROR_OVERFLOW            document too long */
MUST_CHECK bool domain_def_parse(const char *xml, size_t len, DomainParseFlags flags,
                                 const DomainHooks *hooks, DomainDef **ret_def, Error **err);
/* With the name of the text for messages, as in xml_document_read(). */
MUST_CHECK bool domain_def_parse_text(const char *xml, size_t len, const char *source, DomainParseFlags flags,
                                      const DomainHooks *hooks, DomainDef **ret_def, Error **err);
/* The same for a <domain> inside another document (status, snapshot, save image). @source as in
 * xml_document_read(). */
MUST_CHECK bool domain_def_parse_node(const xmlNode *element, const char *source, DomainParseFlags flags,
                                      const DomainHooks *hooks, DomainDef **ret_def, Error **err);

/* For documents with a machine inside (snapshots): reads @root by @table, whose rows have &domain_table; its
 * defaults are not filled in and nothing is checked until domain_def_finish(). @root and @table: static. */
MUST_CHECK bool domain_document_parse(const char *xml, size_t len, const char *source, const char *root,
                                      const XmlTable *table, DomainParseFlags flags, const DomainHooks *hooks,
                                      void **ret_object, Error **err);
/* AWAITS if the platform hook does. */
MUST_CHECK bool domain_def_finish(DomainDef *def, DomainParseFlags flags, const DomainHooks *hooks,
                                  Error **err);

/* Appends the document, with a final line end. */
void domain_def_format(const DomainDef *def, DomainFormatFlags flags, GString *out);
void domain_def_format_indented(const DomainDef *def, DomainFormatFlags flags, unsigned indent, GString *out);

DomainDef *domain_def_new(void);
void domain_def_free(DomainDef *def); /* NULL does nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainDef, domain_def_free)
DomainDef *domain_def_copy(const DomainDef *def);
bool domain_def_equal(const DomainDef *a, const DomainDef *b);

/* The XPaths ("/domain/devices/disk[1]/iotune") of what @def sets and Lodge does not act on yet; array of
 * char *, empty if there is none. Caller owns. */
GPtrArray *domain_def_find_gaps(const DomainDef *def);
/* The same for a document as text; defaults need not be filled in. Errors as from domain_def_parse(). */
MUST_CHECK bool domain_xml_find_gaps(const char *xml, size_t len, GPtrArray **ret_paths, Error **err);
/* False: machines that set @path ("devices/hostdev") are not started. */
bool domain_acts_on(const char *path);
/* ERROR_CONFIG_UNSUPPORTED naming them: asked before a machine is started. */
MUST_CHECK bool domain_def_check_gaps(const DomainDef *def, Error **err);

/* Would the guest of @old see the same hardware in @new? For restoring and migrating with a document that the
 * user edited. ERROR_CONFIG_UNSUPPORTED naming the first difference that the guest would notice. */
MUST_CHECK bool domain_def_check_abi_stable(const DomainDef *old, const DomainDef *new, Error **err);
