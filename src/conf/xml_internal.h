/* What the files of the XML table engine share among themselves. Not for users of the tables. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string.h>

#include "conf/xml_table.h"

/* What a document may have; far beyond what any machine needs. */
#define XML_DEPTH_MAX 100      /* nested elements; bounds the recursion of reader and writer */
#define XML_NODES_MAX 65536    /* elements, comments, instructions */
#define XML_ATTRIBUTES_MAX 256 /* of one element, declarations of name spaces among them */
#define XML_SPACES_MAX 128     /* declarations of name spaces around one element */
#define XML_LIST_MAX 16384     /* elements of one kind inside one element */

static inline void *xml_field(const XmlRow *row, void *base)
{
    return (char *)base + row->offset;
}
static inline const void *xml_field_const(const XmlRow *row, const void *base)
{
    return (const char *)base + row->offset;
}
/* Does ONLY() hold for the struct at @base? */
static inline bool xml_row_applies(const XmlRow *row, const void *base)
{
    if (!row->when_mask)
        return true;
    uint8_t value = *((const uint8_t *)base + row->when_offset);
    return value < 64 && (row->when_mask & BIT(value)) != 0;
}
static inline bool xml_row_is_number(const XmlRow *row)
{
    return row->type >= XML_VALUE_U8 && row->type <= XML_VALUE_OPT_S64;
}
static inline Kept **xml_kept_field(const XmlTable *table, const void *base)
{
    return table->has_kept ? (Kept **)((char *)base + table->kept) : NULL;
}

XmlEffect xml_row_effect(const XmlRow *row); /* with what DEFAULT means for it (xml_effect.c) */

/* ---- values (xml_value.c) ---- */

/* Reads @text into the row's field. @unit_text: the unit attribute beside it or NULL. An error here has no
 * line yet. */
MUST_CHECK bool xml_value_read(const XmlRow *row, const char *text, const char *unit_text, void *base,
                               Error **err);
bool xml_value_is_set(const XmlRow *row, const void *base);
/* Appends the value's text, escaped; only if it is set (codec rows: false = absent). Sizes: the number only.
 */
bool xml_value_write(const XmlRow *row, const void *base, unsigned flags, GString *out);
const char *xml_value_unit(const XmlRow *row,
                           const void *base); /* what the unit attribute says when written */
void xml_value_clear(const XmlRow *row, void *base);
void xml_value_copy(const XmlRow *row, void *dest_base, const void *src_base);
bool xml_value_equal(const XmlRow *row, const void *a, const void *b);

static inline void xml_append(GString *out, const char *text, size_t len)
{
    if (G_LIKELY(out->len + len < out->allocated_len)) {
        memcpy(out->str + out->len, text, len);
        out->len += len;
        out->str[out->len] = 0;
    } else {
        g_string_append_len(out, text, (gssize)len);
    }
}
#define xml_append_literal(out, text) xml_append(out, text, sizeof(text) - 1)

/* ---- verbatim content (xml_kept.c) ---- */

/* The child elements of @element, one after the other, quotes as the XML library writes them; caller owns. */
