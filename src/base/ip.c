/* IP addresses and their subnets. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/ip.h"

#include <arpa/inet.h>
#include <string.h>

bool ip_parse(const char *text, IpAddress *ret_ip)
{
    IpAddress ip = { 0 };

    if (inet_pton(AF_INET, text, ip.bytes) != 1) {
        ip.is_v6 = inet_pton(AF_INET6, text, ip.bytes) == 1;
        if (!ip.is_v6)
            return false;
    }
    *ret_ip = ip;
    return true;
}

void ip_format(const IpAddress *ip, char ret_text[IP_STRING_LEN])
{
    (void)inet_ntop(ip->is_v6 ? AF_INET6 : AF_INET, ip->bytes, ret_text, IP_STRING_LEN);
}

unsigned ip_bits(const IpAddress *ip)
{
    return ip->is_v6 ? 128 : 32;
}

int ip_compare(const IpAddress *a, const IpAddress *b)
{
    return memcmp(a->bytes, b->bytes, ip_bits(a) / 8);
}

bool ip_mask_to_prefix(const IpAddress *mask, unsigned *ret_prefix)
{
    unsigned prefix = 0;

    while (prefix < ip_bits(mask) && (mask->bytes[prefix / 8] & (0x80U >> prefix % 8)))
        prefix++;
    for (unsigned i = prefix; i < ip_bits(mask); i++) {
        if (mask->bytes[i / 8] & (0x80U >> i % 8))
            return false;
    }
    *ret_prefix = prefix;
    return true;
}

static IpAddress ip_fill(const IpAddress *ip, unsigned prefix, bool ones)
{
    IpAddress filled = *ip;

    for (unsigned i = prefix; i < ip_bits(ip); i++) {
        const uint8_t bit = (uint8_t)(0x80U >> i % 8);
        filled.bytes[i / 8] = ones ? filled.bytes[i / 8] | bit : (uint8_t)(filled.bytes[i / 8] & ~bit);
    }
    return filled;
}

IpAddress ip_first(const IpAddress *ip, unsigned prefix)
{
    return ip_fill(ip, prefix, false);
}

IpAddress ip_last(const IpAddress *ip, unsigned prefix)
{
    return ip_fill(ip, prefix, true);
}

bool ip_is_in(const IpAddress *ip, const IpAddress *network, unsigned prefix)
{
    const IpAddress a = ip_first(ip, prefix), b = ip_first(network, prefix);

    return ip->is_v6 == network->is_v6 && ip_compare(&a, &b) == 0;
}

uint64_t ip_distance(const IpAddress *first, const IpAddress *last)
{
    uint64_t distance = 0;
    int borrow = 0;
    uint8_t difference[16] = { 0 };
    const unsigned len = ip_bits(first) / 8;

    for (unsigned i = len; i-- > 0;) {
        const int value = last->bytes[i] - first->bytes[i] - borrow;
        borrow = value < 0;
        difference[i] = (uint8_t)(value & 0xff);
    }
    for (unsigned i = 0; i < len; i++) {
        if (distance >> 56)
            return UINT64_MAX;
        distance = distance << 8 | difference[i];
    }
    return distance == UINT64_MAX ? distance : distance + 1;
}
