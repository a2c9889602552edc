/* What frames tell of a guest's address; the socket that sees them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "filter"
#include "network/filter_learn.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"

#define FRAME_MAX 1024 /* bytes of a frame that we look at */
#define BURST_MAX 8    /* frames between two pauses */
#define PAUSE_US 200000
#define QUEUE_BYTES 32768
#define DHCP_OPTIONS 240 /* where they begin in a message of DHCP */
#define DHCP_MAGIC 0x63825363U
#define LEASE_FOREVER UINT32_MAX

/* ---- frames ---- */

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/* One that a host can have. */
static bool is_host_address(const uint8_t *ip)
{
    static const uint8_t none[4];

    return memcmp(ip, none, 4) != 0 && ip[0] != 127 && ip[0] < 224;
}

static IpAddress make_ip(const uint8_t *bytes)
{
    IpAddress ip = { 0 };

    memcpy(ip.bytes, bytes, 4);
    return ip;
}

typedef struct DhcpMessage {
    unsigned type; /* option 53; 0: none */
    uint32_t lease_s;
} DhcpMessage;

static DhcpMessage read_dhcp_options(const uint8_t *data, size_t len)
{
    DhcpMessage message = { 0 };

    for (size_t at = DHCP_OPTIONS; at < len && data[at] != 255;) {
        if (data[at] == 0) {
            at++;
            continue;
        }
        if (at + 2 > len || at + 2 + data[at + 1] > len)
            break;
        const unsigned size = data[at + 1];
        if (data[at] == 53 && size == 1)
            message.type = data[at + 2];
        if (data[at] == 51 && size == 4)
            message.lease_s = get32(data + at + 2);
        at += 2 + size;
    }
    return message;
}

/* @data: of UDP. A server's ACK lends an address, the guest's RELEASE gives it back. */
static bool learn_from_dhcp(const uint8_t *data, size_t len, const uint8_t *source, bool to_guest,
                            const Mac *mac, LearnedAddress *ret_learned)
{
    enum { ACK = 5, RELEASE = 7 };

    if (len < DHCP_OPTIONS || get32(data + 236) != DHCP_MAGIC || memcmp(data + 28, mac->bytes, 6) != 0)
        return false;
    const DhcpMessage message = read_dhcp_options(data, len);
    const uint8_t *ip = data + (to_guest ? 16 : 12); /* yours, the client's own */
    if (message.type != (to_guest ? ACK : RELEASE) || !is_host_address(ip))
        return false;
    *ret_learned = (LearnedAddress){ .ip = make_ip(ip),
                                     .server = make_ip(source),
                                     .lease_s = message.lease_s == LEASE_FOREVER ? 0 : message.lease_s,
                                     .is_released = !to_guest };
    return true;
}

static bool learn_from_ip(const uint8_t *packet, size_t len, bool to_guest, const Mac *mac,
                          FilterLearnMode mode, LearnedAddress *ret_learned)
{
    if (len < 20 || packet[0] >> 4 != 4)
        return false;
    const size_t header = (size_t)(packet[0] & 15) * 4;
    const bool is_first = (get16(packet + 6) & 0x1fff) == 0;
    if (header < 20 || len < header + 8)
        return false;
    const uint8_t *udp = packet + header;
    const unsigned from = to_guest ? 67 : 68, to = to_guest ? 68 : 67;
    if (packet[9] == 17 && is_first && get16(udp) == from && get16(udp + 2) == to)
        return learn_from_dhcp(udp + 8, len - header - 8, packet + 12, to_guest, mac, ret_learned);
    if (to_guest || mode != FILTER_LEARN_ANY || !is_host_address(packet + 12))
        return false;
    *ret_learned = (LearnedAddress){ .ip = make_ip(packet + 12) };
    return true;
}

/* A guest's packets say what it is called; one that looks whether an address is free is about to have it, and
 * who is asked for it by a neighbour has it. */
static bool learn_from_ip6(const uint8_t *packet, size_t len, LearnedAddress *ret_learned)
{
    enum { HEADER = 40, SOLICITATION = 135, ADVERTISEMENT = 136, MULTICAST = 0xff };
    static const uint8_t none[16];

    if (len < HEADER + 1 || packet[0] >> 4 != 6)
        return false;
    const uint8_t type = packet[6] == IPPROTO_ICMPV6 ? packet[HEADER] : 0;
    const bool has_source = memcmp(packet + 8, none, 16) != 0;
    const bool tells = type == ADVERTISEMENT || (type == SOLICITATION && !has_source);
    if (tells && (len < HEADER + 24 || packet[7] != 255)) /* it came through a router, or is a piece */
        return false;
    const uint8_t *own = packet + (tells ? HEADER + 8 : 8);
    if (own[0] == MULTICAST || memcmp(own, none, 15) == 0)
        return false;
    *ret_learned = (LearnedAddress){ .ip.is_v6 = true };
    memcpy(ret_learned->ip.bytes, own, 16);
    return true;
}

bool filter_learn_from(const uint8_t *frame, size_t len, bool to_guest, const Mac *mac, FilterLearnMode mode,
                       LearnedAddress *ret_learned)
{
    if (len < 14 || (!to_guest && memcmp(frame + 6, mac->bytes, 6) != 0))
        return false;
    const uint8_t *packet = frame + 14;
    if (mode == FILTER_LEARN_IP6)
        return !to_guest && get16(frame + 12) == ETH_P_IPV6 && learn_from_ip6(packet, len - 14, ret_learned);
    switch (get16(frame + 12)) {
    case ETH_P_IP:
        return learn_from_ip(packet, len - 14, to_guest, mac, mode, ret_learned);
    case ETH_P_ARP: /* Ethernet and IPv4; the sender is the guest itself */
        if (mode != FILTER_LEARN_ANY || to_guest || len < 14 + 28 || get32(packet) != 0x00010800 ||
            get16(packet + 4) != 0x0604 || memcmp(packet + 8, mac->bytes, 6) != 0 ||
            !is_host_address(packet + 14))
            return false;
        *ret_learned = (LearnedAddress){ .ip = make_ip(packet + 14) };
        return true;
    default:
        return false;
    }
}

/* ---- the socket ---- */

struct FilterLearner {
    Mac mac;
    FilterLearnMode mode;
    void (*func)(void *arg, const LearnedAddress *learned);
    void *arg;
    sd_event_source *io, *pause;
    bool is_reading, is_freed;
};

/* DHCP over IPv4, and ARP and the rest of IPv4 with @mode any. Or of IPv6 what begins something: connections
 * of TCP, every 16th of UDP, questions to neighbours and their answers. The kernel drops all else. */
static bool attach_program(int fd, FilterLearnMode mode, Error **err)
{
    const uint32_t all = mode == FILTER_LEARN_ANY ? FRAME_MAX : 0;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 9, 0), /* to "what else" */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 9),  /* to "nothing" */
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14 + 9),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 17, 0, 6),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 14 + 2), /* port that it goes to */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 67, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 68, 1, 0),
        BPF_STMT(BPF_JMP | BPF_JA, 1),
        BPF_STMT(BPF_RET | BPF_K, FRAME_MAX),
        BPF_STMT(BPF_RET | BPF_K, all), /* what else */
        BPF_STMT(BPF_RET | BPF_K, 0),   /* nothing */
    };
    struct sock_filter ip6[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 15), /* to "nothing" */
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14 + 6),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 3),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14 + 40 + 13), /* its flags */
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 9, 10), /* SYN without ACK */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 15),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 5, 6),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 5),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14 + 40), /* an echo is asked for, or neighbours speak */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 128, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 135, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 136, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, FRAME_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0), /* nothing */
    };
    const bool is_ip6 = mode == FILTER_LEARN_IP6;
    const struct sock_fprog program = { .len = is_ip6 ? G_N_ELEMENTS(ip6) : G_N_ELEMENTS(code),
                                        .filter = is_ip6 ? ip6 : code };

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0 ||
           error_set_errno(err, errno, "cannot choose what a packet socket sees");
}

static void learner_release(FilterLearner *learner)
{
    sd_event_source_disable_unref(learner->io);
    sd_event_source_disable_unref(learner->pause);
    g_free(learner);
}

void filter_learner_free(FilterLearner *learner)
{
    if (!learner)
        return;
    learner->is_freed = true;
    if (!learner->is_reading)
        learner_release(learner);
}

static int learner_on_pause(sd_event_source *source, uint64_t usec, void *arg)
{
    const FilterLearner *learner = arg;

    return sd_event_source_set_enabled(learner->io, SD_EVENT_ON);
}

static int learner_on_frame(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
    FilterLearner *learner = arg;
    uint8_t frame[FRAME_MAX];

    learner->is_reading = true;
    for (unsigned i = 0; i < BURST_MAX && !learner->is_freed; i++) {
        struct sockaddr_ll from = { 0 };
        socklen_t from_len = sizeof(from);
        LearnedAddress learned;
        const ssize_t got =
            recvfrom(fd, frame, sizeof(frame), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
        if (got < 0)
            break; /* none is left, or the interface went; its binding knows */
        if (filter_learn_from(frame, (size_t)got, from.sll_pkttype == PACKET_OUTGOING, &learner->mac,
                              learner->mode, &learned))
            learner->func(learner->arg, &learned);
    }
    learner->is_reading = false;
    if (learner->is_freed) {
        learner_release(learner);
        return 0;
    }
    /* What comes meanwhile waits in a small queue, or is lost. */
    if (sd_event_source_set_enabled(learner->io, SD_EVENT_OFF) < 0 ||
        sd_event_source_set_time_relative(learner->pause, PAUSE_US) < 0 ||
        sd_event_source_set_enabled(learner->pause, SD_EVENT_ONESHOT) < 0)
        log_warning("addresses of guests are not learned any more");
    return 0;
}

bool filter_learner_new(const char *port, const Mac *mac, FilterLearnMode mode,
                        void (*func)(void *arg, const LearnedAddress *learned), void *arg,
                        FilterLearner **ret_learner, Error **err)
{
    const struct sockaddr_ll address = { .sll_family = AF_PACKET,
                                         .sll_protocol = htobe16(ETH_P_ALL),
                                         .sll_ifindex = (int)if_nametoindex(port) };
    const int queue_bytes = QUEUE_BYTES;

    if (address.sll_ifindex == 0)
        return error_set_errno(err, ENODEV, "there is no interface '%s'", port);
    AUTO_FD fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot listen on '%s'", port);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue_bytes, sizeof(queue_bytes));
    if (!attach_program(fd, mode, err))
        return false;
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return error_set_errno(err, errno, "cannot listen on '%s'", port);
    FilterLearner *learner = g_new0(FilterLearner, 1);
    *learner = (FilterLearner){ .mac = *mac, .mode = mode, .func = func, .arg = arg };
    int why = sd_event_add_io(loop_event(), &learner->io, fd, EPOLLIN, learner_on_frame, learner);
    if (why >= 0) {
        (void)sd_event_source_set_io_fd_own(learner->io, 1);
        (void)fd_steal(&fd);
        why = sd_event_add_time_relative(loop_event(), &learner->pause, CLOCK_MONOTONIC, PAUSE_US, 0,
                                         learner_on_pause, learner);
    }
    if (why < 0) {
        learner_release(learner);
        return error_set_errno(err, -why, "cannot listen on '%s'", port);
    }
    *ret_learner = learner;
    return true;
}
