/* IP addresses and their subnets. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct IpAddress {
    bool is_v6;
    uint8_t bytes[16]; /* of IPv4 the first four; in network order */
} IpAddress;
#define IP_STRING_LEN 46

bool ip_parse(const char *text, IpAddress *ret_ip); /* numeric only; false: it is none */
void ip_format(const IpAddress *ip, char ret_text[IP_STRING_LEN]);
unsigned ip_bits(const IpAddress *ip);                  /* 32 or 128 */
int ip_compare(const IpAddress *a, const IpAddress *b); /* of one family: <0, 0, >0 */

/* The length of a netmask's prefix; false: ones after zeros. */
bool ip_mask_to_prefix(const IpAddress *mask, unsigned *ret_prefix);
/* First and last address of the subnet. */
IpAddress ip_first(const IpAddress *ip, unsigned prefix);
IpAddress ip_last(const IpAddress *ip, unsigned prefix);
/* Is @ip, of the same family, in the subnet of @network? */
bool ip_is_in(const IpAddress *ip, const IpAddress *network, unsigned prefix);
/* How many addresses from @first to @last, both counted; UINT64_MAX: more than fit. */
uint64_t ip_distance(const IpAddress *first, const IpAddress *last);
