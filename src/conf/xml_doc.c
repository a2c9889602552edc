/* Hostile text into an XML tree. A document type declaration ends the parse at once, so no entity is ever
 * declared or expanded and no file or network address is looked at. What the library cannot do in linear time
 * is counted and refused before it begins; long texts are read in a worker. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "base/worker.h"
#include "conf/xml_internal.h"

/* Longer texts are read in a worker: a document of this length takes about a millisecond. */
#define READ_AT_ONCE_MAX ((size_t)32768)
#define READ_DEADLINE_MS ((uint64_t)60000)

/* What is wrong with a document: the first fault counts, the later ones are its consequences. */
typedef struct Problem {
    bool doctype;
    int line, column;
    char *message;
} Problem;

static void problem_found(void *ctx, xmlError *error)
{
    xmlParserCtxt *parser = ctx;
    Problem *problem = parser->_private;
    if (problem->message || error->level < XML_ERR_ERROR)
        return;
    problem->line = error->line;
    problem->column = error->int2;
    problem->message = g_strdup(error->message);
}

static void doctype_found(void *ctx, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
{
    xmlParserCtxt *parser = ctx;
    ((Problem *)parser->_private)->doctype = true;
    xmlStopParser(parser);
}

/* The line of @text that the parser stopped in, with a mark below the column. */
static void append_excerpt(GString *message, const char *text, size_t len, int line, int column)
{
    const char *start = text, *end = text + len;
    for (int i = 1; i < line && start < end; i++) {
        const char *newline = memchr(start, '\n', (size_t)(end - start));
        if (!newline)
            return;
        start = newline + 1;
    }
    const char *stop = memchr(start, '\n', (size_t)(end - start)) ?: end;
    if (stop - start > 500 || !g_utf8_validate(start, stop - start, NULL))
        return;
    g_string_append_printf(message, "\n%.*s\n", (int)(stop - start), start);
    for (int i = 1; i < column && i < 500; i++)
        g_string_append_c(message, '-');
    g_string_append_c(message, '^');
}

static bool read_failed(const Problem *problem, const xmlParserCtxt *parser, const char *text, size_t len,
                        const char *source, Error **err)
{
    if (problem->doctype) {
        error_set(err, ERROR_XML_SYNTAX, "%s:%d: a document type declaration is not allowed", source,
                  parser->input ? parser->input->line : 1);
        return error_hint(err, "remove the <!DOCTYPE ...> from the document");
    }
    if (!problem->message)
        return error_set(err, ERROR_XML_SYNTAX, "%s:1: not an XML document", source);
    g_autoptr(GString) message = g_string_new(NULL);
    g_autofree char *reason = g_strchomp(g_utf8_make_valid(problem->message, -1));
    g_string_printf(message, "%s:%d: %s", source, problem->line, reason);
    append_excerpt(message, text, len, problem->line, problem->column);
    return error_set(err, ERROR_XML_SYNTAX, "%s", message->str);
}

/* ---- bounds ---- */

/* The XML library compares each attribute of an element with each, and each prefix with each name space in
 * scope; it builds a tree before anybody can count. So the text is counted first. What is not well-formed may
 * be miscounted: the library stops there. */
typedef struct Scan {
    const char *text, *at, *end;
    const char *source;
    unsigned depth;
    unsigned n_nodes;                   /* elements, comments, instructions */
    unsigned n_spaces;                  /* declarations of name spaces in scope */
    uint16_t spaces[XML_DEPTH_MAX + 1]; /* of which by the element at each depth */
} Scan;

G_GNUC_PRINTF(4, 5)
static bool scan_error(const Scan *scan, ErrorCode code, Error **err, const char *format, ...)
{
    unsigned line = 1;
    va_list args;

    for (const char *p = scan->text; (p = memchr(p, '\n', (size_t)(scan->at - p))); p++)
        line++;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(err, code, "%s:%u: %s", scan->source, line, message);
}

/* Goes behind @mark; to the end if it does not come. */
static void scan_behind(Scan *scan, const char *mark)
{
    const char *found = memmem(scan->at, (size_t)(scan->end - scan->at), mark, strlen(mark));
    scan->at = found ? found + strlen(mark) : scan->end;
}

static void scan_leave(Scan *scan)
{
    if (scan->depth == 0)
        return;
    scan->n_spaces -= scan->spaces[scan->depth];
    scan->depth--;
}

/* A start tag, from behind its '<'. */
static bool scan_element(Scan *scan, Error **err)
{
    unsigned n_attributes = 0;

    if (++scan->depth > XML_DEPTH_MAX)
        return scan_error(scan, ERROR_XML_INVALID, err, "more than %d elements inside each other",
                          XML_DEPTH_MAX);
    scan->spaces[scan->depth] = 0;
    for (; scan->at < scan->end && *scan->at != '>'; scan->at++) {
        const char c = *scan->at;
        if (c == 'x' && scan->end - scan->at > 5 && g_ascii_isspace(scan->at[-1]) &&
            memcmp(scan->at, "xmlns", 5) == 0) {
            scan->spaces[scan->depth]++;
            if (++scan->n_spaces > XML_SPACES_MAX)
                return scan_error(scan, ERROR_XML_INVALID, err, "more than %d name spaces at once",
                                  XML_SPACES_MAX);
        }
        if (c != '"' && c != '\'')
            continue;
        if (++n_attributes > XML_ATTRIBUTES_MAX)
            return scan_error(scan, ERROR_XML_INVALID, err, "more than %d attributes in one element",
                              XML_ATTRIBUTES_MAX);
        scan->at = memchr(scan->at + 1, c, (size_t)(scan->end - scan->at - 1)) ?: scan->end;
        if (scan->at == scan->end)
            return true;
    }
    if (scan->at < scan->end && scan->at[-1] == '/')
        scan_leave(scan);
    return true;
}

static bool scan_bounds(const char *text, size_t len, unsigned depth, const char *source, Error **err)
{
    Scan scan = { .text = text, .at = text, .end = text + len, .source = source, .depth = depth };
    const char *wrong;

    if (!g_utf8_validate(text, (gssize)len, &wrong)) { /* a NUL is wrong, too */
        scan.at = wrong;
        return scan_error(&scan, ERROR_XML_SYNTAX, err, "Input is not proper UTF-8, indicate encoding !");
    }
    while ((scan.at = memchr(scan.at, '<', (size_t)(scan.end - scan.at)))) {
        scan.at++;
        size_t left = (size_t)(scan.end - scan.at);
        if (left >= 1 && *scan.at != '/' && ++scan.n_nodes > XML_NODES_MAX)
            return scan_error(&scan, ERROR_XML_INVALID, err, "more than %d elements in a document",
                              XML_NODES_MAX);
        if (left >= 3 && memcmp(scan.at, "!--", 3) == 0) {
            scan.at += 3;
            scan_behind(&scan, "-->");
        } else if (left >= 8 && memcmp(scan.at, "![CDATA[", 8) == 0) {
            scan_behind(&scan, "]]>");
        } else if (left >= 1 && *scan.at == '?') {
            scan_behind(&scan, "?>");
        } else if (left >= 1 && *scan.at == '!') {
            return true; /* a document type: refused by the reader */
        } else if (left >= 1 && *scan.at == '/') {
            scan_leave(&scan);
        } else if (!scan_element(&scan, err)) {
            return false;
        }
    }
    return true;
}

/* Errors of no document, as of converting its encoding, would go to the standard error stream. */
static void ignore_error(void *arg, xmlError *problem)
{
}

static bool read_text(const char *text, size_t len, const char *source, xmlDoc **ret_doc, Error **err)
{
    if (!scan_bounds(text, len, 0, source, err))
        return false;
    xmlParserCtxt *parser = xmlNewParserCtxt();
    if (!parser)
        g_error("out of memory");
    Problem problem = { 0 };
    parser->_private = &problem;
    parser->sax->internalSubset = doctype_found;
    parser->sax->serror = problem_found;
    xmlSetStructuredErrorFunc(NULL, ignore_error);
    /* Texts are UTF-8 wherever they come from, whatever they say themselves. NOENT concerns the five entities
     * that XML has by itself: "&amp;" in the name of a name space would stay a reference otherwise. */
    xmlDoc *doc = xmlCtxtReadMemory(parser, text, (int)len, NULL, "UTF-8",
                                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                        XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES | XML_PARSE_COMPACT |
                                        XML_PARSE_IGNORE_ENC | XML_PARSE_NOENT);
    xmlSetStructuredErrorFunc(NULL, NULL);
    bool ok = doc && !problem.doctype && parser->wellFormed && xmlDocGetRootElement(doc);
    if (!ok)
        read_failed(&problem, parser, text, len, source, err);
    g_free(problem.message);
    xmlFreeParserCtxt(parser);
    if (!ok) {
        xml_document_free(doc);
        return false;
    }
    *ret_doc = doc;
    return true;
}

/* ---- in a worker ---- */

typedef struct ReadJob {
    char *text;
    size_t len;
    char *source;
    bool (*use)(const xmlNode *root, void *arg, Error **err);
    void *arg;
    void (*arg_free)(void *arg);
    xmlDoc *doc;
} ReadJob;

static void read_job_free(void *data)
{
    ReadJob *job = data;

    g_free(job->text);
    g_free(job->source);
    xml_document_free(job->doc);
    if (job->arg_free)
        job->arg_free(job->arg);
    g_free(job);
}

static bool read_job_run(void *data, Error **err)
{
    ReadJob *job = data;

    if (!read_text(job->text, job->len, job->source, &job->doc, err) || !job->use)
        return job->doc != NULL;
    const bool ok = job->use(xmlDocGetRootElement(job->doc), job->arg, err);
    g_clear_pointer(&job->doc, xml_document_free); /* here: freeing takes as long as reading */
    return ok;
}

/* The job once it ran and went well; else NULL, and @arg is freed. */
static ReadJob *read_in_worker(const ReadJob *what, Error **err)
{
    ReadJob *job = g_memdup2(what, sizeof *what);

    job->text = g_memdup2(what->text, what->len);
    job->source = g_strdup(what->source);
    return worker_call(worker_lane_named("documents"), read_job_run, job, read_job_free, READ_DEADLINE_MS,
                       err)
               ? job
               : NULL;
}

static bool check_length(size_t len, const char *source, Error **err)
{
    return len <= XML_DOCUMENT_MAX ||
           error_set(err, ERROR_OVERFLOW, "%s: %zu bytes are too long for a document (limit: %u)", source,
                     len, XML_DOCUMENT_MAX);
}

bool xml_document_use(const char *text, size_t len, const char *source,
                      bool (*use)(const xmlNode *root, void *arg, Error **err), void *arg,
                      void (*arg_free)(void *arg), Error **err)
{
    const ReadJob what = { .text = (char *)text,
                           .len = len,
                           .source = (char *)source,
                           .use = use,
                           .arg = arg,
                           .arg_free = arg_free };

    if (len > READ_AT_ONCE_MAX && len <= XML_DOCUMENT_MAX) {
        ReadJob *job = read_in_worker(&what, err);
        if (!job)
            return false;
        job->arg_free = NULL;
        read_job_free(job);
        return true;
    }
    g_autoptr(xmlDoc) doc = NULL;
    if (check_length(len, source, err) && read_text(text, len, source, &doc, err) &&
        use(xmlDocGetRootElement(doc), arg, err))
        return true;
    arg_free(arg);
    return false;
}

bool xml_document_read(const char *text, size_t len, const char *source, xmlDoc **ret_doc, Error **err)
{
    const ReadJob what = { .text = (char *)text, .len = len, .source = (char *)source };

    if (!check_length(len, source, err))
        return false;
    if (len <= READ_AT_ONCE_MAX)
        return read_text(text, len, source, ret_doc, err);
    ReadJob *job = read_in_worker(&what, err);
    if (!job)
        return false;
    *ret_doc = g_steal_pointer(&job->doc);
    read_job_free(job);
    return true;
}

bool xml_document_check_bounds(const char *text, size_t len, unsigned depth, const char *source, Error **err)
{
    return check_length(len, source, err) && scan_bounds(text, len, depth, source, err);
}

void xml_document_free(xmlDoc *doc)
{
    if (doc)
        xmlFreeDoc(doc);
}
