/* Learning the addresses of a guest from what passes its tap.
 *
 * A packet socket with a program of the kernel in front lets through ARP, and IPv4 of a guest that has no
 * address yet, or DHCP alone, or what begins something in IPv6. What a guest can send is never more
 * than a few frames per second to us: the socket is read in bursts with a pause between them, and its queue
 * is small. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/ip.h"
#include "base/uuid.h"

typedef enum FilterLearnMode {
    FILTER_LEARN_ANY,  /* the first address that the guest uses, or is given */
    FILTER_LEARN_DHCP, /* those that DHCP servers lend it */
    FILTER_LEARN_NONE,
    FILTER_LEARN_MODE_COUNT,
    FILTER_LEARN_IP6 /* those of IPv6 that it uses; no filter asks for that by name */
} FilterLearnMode;

typedef struct LearnedAddress {
    IpAddress ip;
    IpAddress server; /* who lent it; all zero: nobody */
    uint32_t lease_s; /* 0: for ever */
    bool is_released;
} LearnedAddress;

/* What @frame, seen on the tap of the guest @mac, tells. @to_guest: it is on its way to the guest. false:
 * nothing. */
bool filter_learn_from(const uint8_t *frame, size_t len, bool to_guest, const Mac *mac, FilterLearnMode mode,
                       LearnedAddress *ret_learned);

typedef struct FilterLearner FilterLearner;
/* Calls @func for what is learned, from the loop. ERROR_SYSTEM ENODEV: there is no interface @port. */
MUST_CHECK bool filter_learner_new(const char *port, const Mac *mac, FilterLearnMode mode,
                                   void (*func)(void *arg, const LearnedAddress *learned), void *arg,
                                   FilterLearner **ret_learner, Error **err);
void filter_learner_free(FilterLearner *learner); /* NULL does nothing; also from @func */
