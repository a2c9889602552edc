/* Title, description and free elements of a network, running or not. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "network"
#include "conf/metadata.h"

#include "base/log.h"
#include "core/event.h"
#include "network/network_private.h"
#include "wire/wire_enums.h"

#define STATE(...) error_set(err, ERROR_INVALID_STATE, __VA_ARGS__)
#define LIVE VIR_NETWORK_UPDATE_AFFECT_LIVE
#define CONFIG VIR_NETWORK_UPDATE_AFFECT_CONFIG

/* Without a flag: what runs, or the definition of one that does not run. */
static bool metadata_target(const Network *network, unsigned *io_flags, const char *function, Error **err)
{
    if (!check_flags(*io_flags, LIVE | CONFIG, function, err))
        return false;
    if (*io_flags & LIVE && !network->live)
        return STATE("network is not running");
    if (*io_flags & CONFIG && !network->config)
        return STATE("cannot change persistent config of a transient network");
    if (!*io_flags)
        *io_flags = network->live ? LIVE : CONFIG;
    return true;
}

bool network_set_metadata(Object *object, int type, const char *metadata, const char *key, const char *uri,
                          unsigned flags, const char *function, const Caller *caller, Error **err)
{
    Network *network = (Network *)object;
    NetworkDef *config = NULL, *live = NULL;
    g_auto(Job) job = { 0 };

    if (!metadata_check(type, metadata, key, uri, err) || !job_begin(object, JOB_MODIFY, caller, &job, err) ||
        !object_require_listed(object, err) || !metadata_target(network, &flags, function, err))
        return false;
    if (flags & CONFIG)
        config = xml_table_copy(&network_table, network->config);
    if (flags & LIVE)
        live = xml_table_copy(&network_table, network->live);
    if ((config && !metadata_set(METADATA_OF(config), type, metadata, key, uri, err)) ||
        (live && !metadata_set(METADATA_OF(live), type, metadata, key, uri, err))) {
        xml_table_free(&network_table, config);
        xml_table_free(&network_table, live);
        return false;
    }
    if (!network_replace(network, config, live, err))
        return false;
    log_info("metadata of network '%s' changed by %s", network->name, caller_describe(caller));
    object_publish(object,
                   &(Event){ .id = (EventId)EVENT_NETWORK_METADATA_CHANGE, .type = type, .text1 = uri });
    return true;
}

bool network_get_metadata(Object *object, int type, const char *uri, unsigned flags, const char *function,
                          char **ret_text, Error **err)
{
    Network *network = (Network *)object;

    if (!metadata_check(type, NULL, NULL, type == METADATA_ELEMENT ? uri : NULL, err) ||
        !metadata_target(network, &flags, function, err) ||
        !metadata_get(METADATA_OF(flags & LIVE ? network->live : network->config), type, uri, ret_text, err))
        return false;
    if (*ret_text)
        return true;
    error_set(err, ERROR_NO_DOMAIN_METADATA, "Requested metadata element is not present");
    if (err)
        error_set_remote(*err, VIR_ERR_NO_NETWORK_METADATA, VIR_FROM_NETWORK);
    return false;
}
