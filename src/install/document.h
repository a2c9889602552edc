/* A document that is being made: values by their place in it.
 *
 * A place is a path of elements from a node: "driver/@cache", "vcpupin[2]/@cpuset", "listen[@type='x']/@y".
 * What is on the way to it is made when it is set. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/macros.h"

/* NULL for what is not there, or is empty; owned. */
char *doc_get(const xmlNode *node, const char *path);
bool doc_has(const xmlNode *node, const char *path);
bool doc_is(const xmlNode *node, const char *path, const char *value);
/* @value NULL or "": takes it away. */
void doc_set(xmlNode *node, const char *path, const char *value);
PRINTF(3, 4) void doc_setf(xmlNode *node, const char *path, const char *format, ...);
/* Only if nothing is there. */
void doc_default(xmlNode *node, const char *path, const char *value);
/* The element at a place; NULL if it is not there. Borrowed. */
xmlNode *doc_find(const xmlNode *node, const char *path);
/* The element, which is made if it is not there. */
xmlNode *doc_make(xmlNode *node, const char *path);
/* Another element of that name at the end of those below @node ("devices/disk"). */
xmlNode *doc_add(xmlNode *node, const char *path);
void doc_remove(xmlNode *node, const char *path);
void doc_drop(xmlNode *node); /* with all that is in it */
/* The first, or next after @last, element @name below @node. */
xmlNode *doc_next(const xmlNode *node, const char *name, const xmlNode *last);
unsigned doc_count(const xmlNode *node, const char *name);

/* XPath as --xml and xpath.* take it: "./a/b=x" sets, creates or deletes. ERROR_INVALID_ARGUMENT. */
MUST_CHECK bool doc_xpath_set(xmlNode *node, const char *xpath, const char *value, Error **err);
MUST_CHECK bool doc_xpath_create(xmlNode *node, const char *xpath, Error **err);
MUST_CHECK bool doc_xpath_delete(xmlNode *node, const char *xpath, Error **err);

/* The text of the whole document; owned. */
char *doc_format(xmlDoc *doc);
