/* Title, description and the free elements below <metadata>, of machines and of networks.
 *
 * These texts come from outside without having been part of a document, so each is checked to be one that a
 * document can hold; what is put together is read back before it counts. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

/* As in the protocol, for machines and networks alike. */
enum { METADATA_DESCRIPTION, METADATA_TITLE, METADATA_ELEMENT };

/* The fields of a definition that hold them. */
typedef struct MetadataFields {
    char **title, **description;
    char **elements; /* what is in <metadata>, verbatim */
} MetadataFields;
#define METADATA_OF(def)                                                                                     \
    (MetadataFields)                                                                                         \
    {                                                                                                        \
        &(def)->title, &(def)->description, &(def)->metadata                                                 \
    }

/* ERROR_INVALID_ARGUMENT, ERROR_INTERNAL */
MUST_CHECK bool metadata_check(int type, const char *metadata, const char *key, const char *uri, Error **err);
/* Checked ones only. @metadata NULL: removes it. */
MUST_CHECK bool metadata_set(MetadataFields fields, int type, const char *metadata, const char *key,
                             const char *uri, Error **err);
/* *ret_text owned; NULL: it is not there. */
MUST_CHECK bool metadata_get(MetadataFields fields, int type, const char *uri, char **ret_text, Error **err);
