/* XML documents as tables: each element or attribute is one row, and one engine reads, writes, compares,
 * copies, frees, and documents every document from its rows.
 *
 * A table describes one element and the C struct that holds it. Its rows say, in the order in which the
 * document is written, where a value sits in the XML (attribute, text, child element ...), which field of the
 * struct holds it, which values are allowed, and what it means. All-zero fields are absent and not written.
 *
 * Invariants:
 *  1. Attributes are read in row order before any child element, so a row's ONLY() may depend on them.
 *  2. Every pointer in a struct belongs to at least one row (HELD if no XML node is it alone), because copy
 * and free see nothing but rows. Two rows may name the same field if their ONLY() exclude each other.
 *  3. Rows are static: a Kept points to its row for as long as it lives. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>

#include "base/uuid.h"
#include "conf/cpuset.h"
#include "conf/enum.h"

typedef enum XmlNodeKind {
    XML_END,   /* ends the rows */
    XML_ATTR,  /* attribute `name` */
    XML_TEXT,  /* the text of this element itself */
    XML_CHILD, /* child element `name`: its text is the value */
    XML_FLAG,  /* child element `name`: there or not (bool) */
    XML_GROUP, /* child element `name`: its rows fill the same struct; the field, if any, is a bool "there" */
    XML_EMBED, /* child element `name`: a struct inside this one */
    XML_OBJECT,         /* child element `name`: a struct behind a pointer, NULL if absent */
    XML_LIST,           /* child elements `name`, repeated: GPtrArray of structs, NULL if none */
    XML_INCLUDE,        /* no element: rows of another table at this level, for a struct inside this one */
    XML_INCLUDE_OBJECT, /* the same for a struct behind a pointer, made while its ONLY() holds */
    XML_VERBATIM,       /* child element `name`: its content as it came (char *) */
    XML_KEPT,           /* child element `name`: known, not acted upon, kept with its subtree; `custom`, if
                           any, reads it only to refuse what is wrong in it */
    XML_KEPT_ATTR,
    XML_CUSTOM, /* child elements `name`, read and written by functions of their own */
    XML_HELD,   /* nothing in the XML: a field that another row reads and writes */
} XmlNodeKind;

typedef enum XmlValueType {
    XML_VALUE_NONE,
    XML_VALUE_STRING, /* char * */
    XML_VALUE_ENUM,   /* one byte, `names` */
    XML_VALUE_BOOL,   /* bool */
    XML_VALUE_U8,
    XML_VALUE_U16,
    XML_VALUE_U32,
    XML_VALUE_S32,
    XML_VALUE_U64,
    XML_VALUE_OPT_U32,
    XML_VALUE_OPT_U64,
    XML_VALUE_OPT_S64,
    XML_VALUE_UUID,
    XML_VALUE_MAC,
    XML_VALUE_CPUSET,
    XML_VALUE_OTHER, /* `codec` does it */
    XML_VALUE_POINTER,
} XmlValueType;

/* Units of sizes. The field holds bytes; the unit sits in an attribute "unit" of the element that holds the
 * number. */
typedef enum XmlUnit {
    XML_UNIT_NONE,       /* a plain number */
    XML_UNIT_BYTES,      /* default unit when read: bytes; written in bytes */
    XML_UNIT_B,          /* the same, but bytes are called "B" */
    XML_UNIT_KIB,        /* default unit when read: KiB; written in KiB */
    XML_UNIT_PRETTY,     /* default unit when read: bytes; written in the largest unit that divides it */
    XML_UNIT_PRETTY_MIB, /* the same, default unit MiB */
    XML_UNIT_M,          /* default unit when read: MiB; written in MiB, which is called "M" */
} XmlUnit;

enum {
    ROW_REQUIRED = 1 << 0,      /* reading fails without it */
    ROW_LIVE = 1 << 1,          /* only in documents of running machines */
    ROW_SECRET = 1 << 2,        /* only written with XML_FORMAT_SECURE */
    ROW_ALWAYS = 1 << 3,        /* written even if 0 */
    ROW_SINGLE = 1 << 4,        /* a second one is an error, not just ignored */
    ROW_READ_ONLY = 1 << 5,     /* accepted but never written: an older spelling */
    ROW_WRITE_ONLY = 1 << 6,    /* written but never read */
    ROW_HEX = 1 << 7,           /* written as 0x..., `width` digits */
    ROW_ANY_BASE = 1 << 8,      /* read as decimal or 0x... */
    ROW_CHANGEABLE = 1 << 9,    /* may change while the machine runs */
    ROW_EMPTY_OK = 1 << 10,     /* an element without content is written as <name/> */
    ROW_ZERO_OK = 1 << 11,      /* a number below `min` that stands for absence: 0 */
    ROW_KEEP_EMPTY = 1 << 12,   /* "" is a value, not absence */
    ROW_LONG = 1 << 13,         /* always with an end tag, even without content */
    ROW_MAY_BE_EMPTY = 1 << 14, /* an attribute that is "" is absent. Elements without text always are. */
};

/* What a value does when the machine starts. */
typedef enum XmlEffect {
    XML_EFFECT_DEFAULT,  /* acts; NOT_YET for KEPT rows */
    XML_EFFECT_HARMLESS, /* nothing acts on it, and nothing is lost: metadata, hints, checks */
    XML_EFFECT_NOT_YET,  /* should act and does not: a machine that sets it is not started */
    XML_EFFECT_REFUSED,  /* no machine here can have it, for the reason in `refused`: it is not started */
} XmlEffect;

typedef struct XmlRow XmlRow;
typedef struct XmlTable XmlTable;
typedef struct XmlReader XmlReader;

/* A value that the built-in types do not cover: text <-> fields of the struct at @base. */
typedef struct XmlCodec {
    bool (*read)(const char *text, void *base, Error **err);
    /* Appends the text (escaped already); false: absent, and nothing appended. */
    bool (*write)(const void *base, unsigned flags, GString *out);
    const char *pattern; /* XSD regular expression for the schema; NULL: any text */
} XmlCodec;

/* Elements that the built-in nodes do not cover. */
typedef struct XmlCustom {
    bool (*read)(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base, Error **err);
    void (*write)(const XmlRow *row, const void *base, unsigned flags, unsigned indent, GString *out);
    const XmlRow *schema_rows; /* what such an element may hold, for schema and manual */
} XmlCustom;

/* What writing looks at for every row, be it used or not, fills the first cache line: a document of a machine
 * goes past a thousand rows and writes some tens of them. */
struct XmlRow {
    _Alignas(64) uint8_t node; /* XmlNodeKind */
    uint8_t type;              /* XmlValueType */
    uint8_t unit;              /* XmlUnit */
    uint8_t width;
    uint8_t name_len;
    bool has_field;
    uint16_t flags; /* ROW_* */
    uint16_t offset;
    uint16_t when_offset; /* ONLY(): the enum field that decides ... */
    uint64_t when_mask;   /* ... and the values for which this row exists; 0 = always */
    const EnumNames *names;
    const XmlTable *table;                          /* EMBED, OBJECT, LIST, INCLUDE* */
    const XmlRow *rows;                             /* GROUP */
    bool (*show)(const void *base, unsigned flags); /* NULL, or: false hides it when writing */
    const char *name;
    const XmlCodec *codec;   /* XML_VALUE_OTHER */
    const XmlCustom *custom; /* XML_CUSTOM */
    uint64_t min, max;       /* numbers: every one has a range (sizes: in bytes; signed ones: cast) */
    uint64_t gap_mask;       /* enum values that are XML_EFFECT_NOT_YET in a row that is acted on otherwise;
                                with `refused` they are XML_EFFECT_REFUSED */
    uint8_t bad_code;        /* ErrorCode of a wrong value (a number: out of range) where not XML_INVALID */
    uint8_t missing_code;    /* the same for a missing one */
    bool host_side;          /* the guest does not notice a change of it, nor of anything inside it */
    uint8_t text_code;       /* the same for a text that is no number at all */
    uint8_t effect;          /* XmlEffect; of a group, list or object: also of all inside it */
    const char *ns;          /* namespace URI of the element; NULL = none */
    const char *prefix;      /* written before the name: "qemu:" */
    const char *fallback;    /* default: a NOT_YET row with this value is as good as absent; else for the
                                manual only, defaults are filled in elsewhere */
    const char *doc;
    const char *since;
    const char *refused; /* why no machine here can have it */
};

struct XmlTable {
    const char *name; /* of the schema define and of the manual section: "disk" */
    const char *doc;
    size_t size; /* of the struct */
    const XmlRow *rows;
    uint16_t kept; /* offset of a Kept *; valid if has_kept */
    bool has_kept;
    bool keeps_foreign;       /* child elements of other name spaces are kept, too */
    void (*init)(void *base); /* before reading; NULL: all zero */
    uint8_t unknown_code;     /* ErrorCode: unknown child elements are refused, not dropped; 0: dropped */
    /* After all rows were read; rules inside one element. NULL: none. */
    bool (*finish)(XmlReader *reader, const xmlNode *element, void *base, Error **err);
};

/* ---- writing rows ---- */

#define XML_TYPE_OF_(field)                                                                                  \
    _Generic((field),                                                                                             \
             char *: XML_VALUE_STRING,                                                                            \
             bool: XML_VALUE_BOOL,                                                                                \
             uint16_t: XML_VALUE_U16,                                                                             \
             uint32_t: XML_VALUE_U32,                                                                             \
             int32_t: XML_VALUE_S32,                                                                              \
             uint64_t: XML_VALUE_U64,                                                                             \
             OptU32: XML_VALUE_OPT_U32,                                                                           \
             OptU64: XML_VALUE_OPT_U64,                                                                           \
             OptS64: XML_VALUE_OPT_S64,                                                                           \
             Uuid: XML_VALUE_UUID,                                                                                \
             Mac: XML_VALUE_MAC,                                                                                  \
             CpuSet *: XML_VALUE_CPUSET,                                                                          \
             GPtrArray *: XML_VALUE_POINTER,                                                                      \
             default: XML_VALUE_ENUM)
#define XML_NAME_(text) .name = (text), .name_len = sizeof(text) - 1
#define XML_FIELD_(Type, member)                                                                             \
    .offset = offsetof(Type, member), .has_field = true, .type = XML_TYPE_OF_(((Type *)0)->member)
#define XML_PLACE_(Type, member) .offset = offsetof(Type, member), .has_field = true

#define ROWS(...) ((const XmlRow[]){ __VA_ARGS__, { 0 } })
#define ATTR(text, Type, member, ...)                                                                        \
    {                                                                                                        \
        .node = XML_ATTR, XML_NAME_(text), XML_FIELD_(Type, member), __VA_ARGS__                             \
    }
#define TEXT(Type, member, ...)                                                                              \
    {                                                                                                        \
        .node = XML_TEXT, XML_NAME_("#text"), XML_FIELD_(Type, member), __VA_ARGS__                          \
    }
#define CHILD(text, Type, member, ...)                                                                       \
    {                                                                                                        \
        .node = XML_CHILD, XML_NAME_(text), XML_FIELD_(Type, member), __VA_ARGS__                            \
    }
#define FLAG(text, Type, member, ...)                                                                        \
    {                                                                                                        \
        .node = XML_FLAG, XML_NAME_(text), XML_FIELD_(Type, member), __VA_ARGS__                             \
    }
#define GROUP(text, group_rows, ...)                                                                         \
    {                                                                                                        \
        .node = XML_GROUP, XML_NAME_(text), .rows = (group_rows), __VA_ARGS__                                \
    }
/* @member: bool, true when the element is there, however empty */
#define GROUP_FLAG(text, Type, member, group_rows, ...)                                                      \
    {                                                                                                        \
        .node = XML_GROUP, XML_NAME_(text), XML_FIELD_(Type, member), .rows = (group_rows), __VA_ARGS__      \
    }
#define EMBED(text, Type, member, sub, ...)                                                                  \
    {                                                                                                        \
        .node = XML_EMBED, XML_NAME_(text), XML_PLACE_(Type, member), .table = (sub), __VA_ARGS__            \
    }
#define OBJECT(text, Type, member, sub, ...)                                                                 \
    {                                                                                                        \
        .node = XML_OBJECT, XML_NAME_(text), XML_PLACE_(Type, member), .table = (sub), __VA_ARGS__           \
    }
#define LIST(text, Type, member, sub, ...)                                                                   \
    {                                                                                                        \
        .node = XML_LIST, XML_NAME_(text), XML_FIELD_(Type, member), .table = (sub), __VA_ARGS__             \
    }
#define INCLUDE(Type, member, sub, ...)                                                                      \
    {                                                                                                        \
        .node = XML_INCLUDE, XML_NAME_("#include"), XML_PLACE_(Type, member), .table = (sub), __VA_ARGS__    \
    }
#define INCLUDE_OBJECT(Type, member, sub, ...)                                                               \
    {                                                                                                        \
        .node = XML_INCLUDE_OBJECT, XML_NAME_("#include"), XML_PLACE_(Type, member), .table = (sub),         \
        __VA_ARGS__                                                                                          \
    }
#define VERBATIM(text, Type, member, ...)                                                                    \
    {                                                                                                        \
        .node = XML_VERBATIM, XML_NAME_(text), XML_FIELD_(Type, member), __VA_ARGS__                         \
    }
#define KEPT(text, ...)                                                                                      \
    {                                                                                                        \
        .node = XML_KEPT, XML_NAME_(text), __VA_ARGS__                                                       \
    }
#define KEPT_ATTR(text, ...)                                                                                 \
    {                                                                                                        \
        .node = XML_KEPT_ATTR, XML_NAME_(text), __VA_ARGS__                                                  \
    }
#define CUSTOM(text, ops, ...)                                                                               \
    {                                                                                                        \
        .node = XML_CUSTOM, XML_NAME_(text), .custom = (ops), __VA_ARGS__                                    \
    }
#define HELD(text, Type, member, ...)                                                                        \
    {                                                                                                        \
        .node = XML_HELD, XML_NAME_(text), XML_FIELD_(Type, member), __VA_ARGS__                             \
    }
#define CODEC_ATTR(text, ops, ...)                                                                           \
    {                                                                                                        \
        .node = XML_ATTR, XML_NAME_(text), .type = XML_VALUE_OTHER, .codec = (ops), __VA_ARGS__              \
    }
#define CODEC_CHILD(text, ops, ...)                                                                          \
    {                                                                                                        \
        .node = XML_CHILD, XML_NAME_(text), .type = XML_VALUE_OTHER, .codec = (ops), __VA_ARGS__             \
    }
#define CODEC_TEXT(ops, ...)                                                                                 \
    {                                                                                                        \
        .node = XML_TEXT, XML_NAME_("#text"), .type = XML_VALUE_OTHER, .codec = (ops), __VA_ARGS__           \
    }
/* The row exists only while the enum @member of the same struct has one of @mask's values (BIT(A) | BIT(B)).
 */
#define ONLY(Type, member, mask) .when_offset = offsetof(Type, member), .when_mask = (mask)
#define HOST_SIDE .host_side = true
#define NOT_YET .effect = XML_EFFECT_NOT_YET
#define NOT_YET_VALUES(mask) .gap_mask = (mask)
#define HARMLESS .effect = XML_EFFECT_HARMLESS
#define REFUSED(why) .effect = XML_EFFECT_REFUSED, .refused = (why)
#define REFUSED_VALUES(mask, why) .gap_mask = (mask), .refused = (why)
#define BIT(value) (UINT64_C(1) << (value))
#define TABLE(Type, text, table_rows, ...)                                                                   \
    {                                                                                                        \
        .name = (text), .size = sizeof(Type), .rows = (table_rows), __VA_ARGS__                              \
    }
#define KEEPS(Type) .kept = offsetof(Type, kept), .has_kept = true

/* ---- documents ---- */

#define XML_DOCUMENT_MAX (8u << 20) /* bytes */

/* Reads text into a tree. Nothing outside @text is touched; a document type declaration is refused, so there
 * are no entities to expand; the text counts as UTF-8 whatever it declares. Size, depth, elements, attributes
 * and name spaces are bounded before anything is built.
 *
 * AWAITS when @text is long (it is then read in a worker).
 *
 * @source   names the text in messages: "(domain_definition)" gives "(domain_definition):12: ..."
 *
 * ERROR_XML_SYNTAX   not well-formed; message has line, text and position
 * ERROR_XML_INVALID  too many or too deep
 * ERROR_OVERFLOW     too long */
MUST_CHECK bool xml_document_read(const char *text, size_t len, const char *source, xmlDoc **ret_doc,
                                  Error **err);
/* The same, and calls @use with the root element, in that worker if the text is long: so @use knows nothing
 * but @arg and waits for nothing. On failure @arg_free(@arg) is called (perhaps later); else @arg is the
 * caller's again. */
MUST_CHECK bool xml_document_use(const char *text, size_t len, const char *source,
                                 bool (*use)(const xmlNode *root, void *arg, Error **err), void *arg,
                                 void (*arg_free)(void *arg), Error **err);
/* Is @text, well-formed, within the bounds of xml_document_read(), also @depth levels further inside another
 * document? Nothing is built. ERROR_XML_INVALID, ERROR_OVERFLOW, ERROR_XML_SYNTAX: not UTF-8 */
MUST_CHECK bool xml_document_check_bounds(const char *text, size_t len, unsigned depth, const char *source,
                                          Error **err);
void xml_document_free(xmlDoc *doc); /* NULL does nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xml_document_free)

enum {
    XML_READ_INACTIVE = 1 << 0, /* drop ROW_LIVE values */
    XML_READ_STRICT = 1 << 1,   /* what no row describes is ERROR_XML_SCHEMA */
};

struct XmlReader {
    unsigned flags; /* XML_READ_* */
    const char *source;
    /* What no row describes and is dropped; NULL: silently. @path "/domain/devices/disk[1]/@foo" */
    void (*dropped)(void *arg, const char *path, unsigned line);
    void *arg;
    unsigned n_dropped; /* private: only the first are reported, for finding out the path takes long */
};

/* Reads @element into a new struct of @table. Unknown parts: see XmlReader.
 *
 * ERROR_XML_INVALID  wrong or missing value; message has source, line, element
 * ERROR_XML_SCHEMA   XML_READ_STRICT and something that no row describes */
MUST_CHECK bool xml_table_read(const XmlTable *table, XmlReader *reader, const xmlNode *element,
                               void **ret_object, Error **err);
/* For custom rows: into a struct that exists. */
MUST_CHECK bool xml_table_read_into(const XmlTable *table, XmlReader *reader, const xmlNode *element,
                                    void *object, Error **err);
/* For custom rows and finish functions: sets @code with "SOURCE:LINE: element 'x': ...". Returns false. */
PRINTF(5, 6)
bool xml_error(const XmlReader *reader, const xmlNode *element, ErrorCode code, Error **err,
               const char *format, ...);
const char *xml_attr(const xmlNode *element, const char *name); /* borrowed text of an attribute; NULL */
/* Reports (or, when strict, refuses) something that a custom row cannot place. */
bool xml_drop(XmlReader *reader, const xmlNode *node, Error **err);

enum {
    XML_FORMAT_SECURE = 1 << 0,     /* with secrets */
    XML_FORMAT_INACTIVE = 1 << 1,   /* without ROW_LIVE values */
    XML_FORMAT_MIGRATABLE = 1 << 2, /* for an older reader on another host: without what show() hides then */
    XML_FORMAT_USER = 1 << 8,       /* first bit free for the document's own use */
};

/* Appends @object as element @name, @indent spaces deep. */
void xml_table_write(const XmlTable *table, const char *name, const void *object, unsigned flags,
                     unsigned indent, GString *out);
/* Can a document hold @text? Not with control characters, or what is no UTF-8: escaping leaves those out. */
bool xml_can_hold(const char *text);
void xml_escape(const char *text, GString *out);
void xml_escape_attribute(const char *text, GString *out); /* keeps line ends and tabs, too */
void xml_indent(unsigned spaces, GString *out);

/* ---- memory ---- */

void *xml_table_new(const XmlTable *table);
void xml_table_free(const XmlTable *table, void *object); /* NULL does nothing */
void *xml_table_copy(const XmlTable *table, const void *object);
/* A list whose elements xml_table_free() frees. */
GPtrArray *xml_list_new(const XmlTable *table);
void xml_list_free(const XmlTable *table, GPtrArray *list); /* NULL does nothing */
/* Frees what a list made by xml_list_new() holds at @index, closing the gap; the list itself stays. */
void xml_list_remove(const XmlTable *table, GPtrArray **list, unsigned index);

/* A difference; @path "disk[2]/driver/@cache", valid during the call; @row is the attribute or element.
 * Return false to stop looking. */
typedef bool (*XmlDiffFunc)(void *arg, const char *path, const XmlRow *row);
/* Calls @func for each difference. @a, @b not NULL. */
void xml_table_diff(const XmlTable *table, const void *a, const void *b, XmlDiffFunc func, void *arg);
/* The same for what the guest can see: without host_side and ROW_LIVE rows. */
void xml_table_diff_guest(const XmlTable *table, const void *a, const void *b, XmlDiffFunc func, void *arg);
bool xml_table_equal(const XmlTable *table, const void *a, const void *b);

/* Calls @func for each value in @object that its row says is not acted on (XML_EFFECT_NOT_YET, _REFUSED) and
 * that is no default; @path is an XPath below the root: "devices/disk[2]/iotune". Values of running machines
 * are left out. */
void xml_table_find_gaps(const XmlTable *table, const void *object, XmlDiffFunc func, void *arg);

/* ---- elements kept verbatim ---- */

typedef struct Kept Kept; /* opaque chain; owned by the struct's `kept` field */
struct Kept {
    Kept *next;
    const XmlRow *row; /* NULL: of a foreign name space */
    char *text;        /* the element, its children indented by 2; or the value of the attribute */
    Kept *last;        /* private to reading: in the first of a chain */
};

/* The element as this project writes XML; lines end with a carriage return, so that xml_text_indent() can
 * tell layout from content. Caller owns. */
char *xml_element_to_text(const xmlNode *element);
/* The elements inside @element as text, one after the other; "" for none. Attributes in double quotes. */
char *xml_content_to_text(const xmlNode *element);
/* Appends @text (as xml_element_to_text() made it), every line @indent spaces deeper. */
void xml_text_indent(const char *text, unsigned indent, GString *out);

/* ---- what the tables tell ---- */

/* RELAX NG (XML syntax) of the documents whose root is @root_name. */
void xml_schema_write(const XmlTable *table, const char *root_name, GString *out);
/* The reference manual in Markdown. */
void xml_manual_write(const XmlTable *table, const char *root_name, GString *out);
/* Does Lodge act on what the element or attribute @path ("devices/hostdev") says? A path that no row has is a
 * bug. */
bool xml_table_acts_on(const XmlTable *table, const char *path);
/* Every row that is not acted on yet, one line each: "disk/driver/@queues", the first part being the table.
 */
void xml_gaps_write(const XmlTable *table, GString *out);
/* Every mistake in the tables reachable from @table, one line each, appended to @out: missing doc, enum
 * without names, two rows of one name that do not exclude each other ... For the tests. */
void xml_table_lint(const XmlTable *table, GString *out);
