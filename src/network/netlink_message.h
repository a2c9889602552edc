/* Messages of rtnetlink, for the files of this room that send some of their own. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <linux/rtnetlink.h>

#include "base/macros.h"
#include "network/netlink.h"

typedef struct Message {
    _Alignas(struct nlmsghdr) uint8_t bytes[4096];
} Message;

/* Begins anew; @body_len: of the family's own header, which is all zero and returned. */
void *message_begin(Message *message, uint16_t type, uint16_t flags, size_t body_len);
struct rtattr *message_put(Message *message, unsigned short type, const void *data, size_t len);
void message_put_text(Message *message, unsigned short type, const char *text);
void message_put_u32(Message *message, unsigned short type, uint32_t value);
struct rtattr *message_nest(Message *message, unsigned short type);
void message_nest_end(Message *message, struct rtattr *nest);
/* Sends it and waits for the kernel's word. @allowed: an errno that is as good as done; 0: none */
PRINTF(4, 5)
MUST_CHECK bool message_do(Message *message, int allowed, Error **err, const char *format, ...);
