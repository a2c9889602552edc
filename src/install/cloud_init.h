/* What cloud-init is told: the files of a NoCloud seed, an ISO image with the label cidata.
 *
 * Documents are JSON below the line "#cloud-config", which is YAML, too: so nothing has to be quoted by
 * hand, and what was made can be read back and changed. A user-data of the user's own is taken as it is; then
 * ours goes into vendor-data, which cloud-init puts below it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"

#define CLOUD_LABEL "cidata"
#define CLOUD_USER "lodge" /* who may log in if nobody says otherwise */

typedef struct CloudInit {
    const char *instance_id; /* another one: cloud-init does all of it again */
    const char *hostname;
    const char *user;                       /* NULL: none but the image's own */
    const char *const *keys;                /* public keys of SSH; ends with NULL; or NULL */
    const char *hash;                       /* of the user's password, as crypt(3) makes it; NULL: none */
    const char *user_data;                  /* the user's own, whole; NULL */
    const char *meta_data, *network_config; /* likewise, in place of ours; NULL */
    bool is_clone;                          /* gets an identity of its own: machine-id */
    /* Of the first interface. */
    const char *mac;
    const char *const *ips; /* ADDRESS/PREFIX, of both families; ends with NULL; NULL: by DHCP */
    const char *const *gateways, *const *dns; /* likewise */
} CloudInit;

/* ERROR_INVALID_ARGUMENT: an address that is none, a key that is none, a host name that no host can have */
MUST_CHECK bool cloud_init_check(const CloudInit *init, Error **err);

/* {"files": [{"name", "text"}]}, as lodge-media's iso-make has it; owned. */
Json *cloud_init_files(const CloudInit *init);

/* The document in a file that we made: NULL for another's. Owned. */
Json *cloud_init_parse(const char *text);
char *cloud_init_format(const Json *document); /* owned */

/* Changes what we made before, as far as @init says something: user, keys, hash, hostname, instance_id,
 * documents of the user's own. @files: of a seed that was read ({name, text}); changed. The network is only
 * changed by a document or addresses. */
void cloud_init_change(Json *files, const CloudInit *init);
