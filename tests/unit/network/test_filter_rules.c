/* What filters become: rules of nftables (tests/golden/nwfilter/NAME.xml -> NAME.nft, written with
 * UPDATE_GOLDEN=1), and what frames tell of a guest's address. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "network/filter_private.h"

typedef struct Case {
    GPtrArray *filters; /* FilterDef */
    FilterBindingDef *binding;
    bool has_tracking;
} Case;

static void case_read(const char *text, Case *ret_case)
{
    XmlReader reader = { .source = "(case)" };
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(Error) err = NULL;

    check_ok(xml_document_read(text, strlen(text), reader.source, &doc, &err), err);
    *ret_case = (Case){ .filters = g_ptr_array_new(),
                        .has_tracking = xml_attr(xmlDocGetRootElement(doc), "tracking") != NULL };
    for (xmlNode *node = xmlFirstElementChild(xmlDocGetRootElement(doc)); node;
         node = xmlNextElementSibling(node)) {
        const bool is_filter = strcmp((const char *)node->name, "filter") == 0;
        void *def = NULL;
        check_ok(xml_table_read(is_filter ? &filter_table : &filter_binding_table, &reader, node, &def, &err),
                 err);
        if (is_filter)
            g_ptr_array_add(ret_case->filters, def);
        else
            ret_case->binding = def;
    }
}

static void case_clear(Case *one)
{
    for (guint i = 0; i < one->filters->len; i++)
        xml_table_free(&filter_table, g_ptr_array_index(one->filters, i));
    g_ptr_array_unref(one->filters);
    xml_table_free(&filter_binding_table, one->binding);
}

static const FilterDef *find(void *arg, const char *name)
{
    const Case *one = arg;

    for (guint i = 0; i < one->filters->len; i++) {
        const FilterDef *def = g_ptr_array_index(one->filters, i);
        if (strcmp(def->name, name) == 0)
            return def;
    }
    return NULL;
}

/* NULL: refused. */
static char *make_script(const char *text, Error **err)
{
    g_autoptr(FilterProgram) program = NULL;
    char *out = NULL;
    Case one;

    case_read(text, &one);
    g_autoptr(FilterScript) script = filter_script_new(one.has_tracking, one.has_tracking);
    if (filter_expand(one.binding, NULL, find, &one, &program, err) &&
        filter_script_add(script, one.binding->port, program, err))
        out = filter_script_text(script, NULL, false);
    case_clear(&one);
    return out;
}

TEST(filters_become_the_recorded_rules)
{
    g_autoptr(GDir) dir = g_dir_open(GOLDEN_NWFILTER_DIR, 0, NULL);
    unsigned count = 0;

    for (const char *name = g_dir_read_name(dir); name; name = g_dir_read_name(dir)) {
        g_autofree char *path = g_build_filename(GOLDEN_NWFILTER_DIR, name, NULL);
        g_autofree char *text = NULL, *want = NULL;
        g_autoptr(Error) err = NULL;
        if (!g_str_has_suffix(name, ".xml"))
            continue;
        check_case(name);
        check(g_file_get_contents(path, &text, NULL, NULL));
        strcpy(path + strlen(path) - strlen("xml"), "nft");
        g_autofree char *got = make_script(text, &err);
        check_ok(got != NULL, err);
        if (g_getenv("UPDATE_GOLDEN"))
            check(g_file_set_contents(path, got, -1, NULL));
        check(g_file_get_contents(path, &want, NULL, NULL));
        check_str(got, want);
        count++;
    }
    check(count >= 6);
}

#define BINDING(parameters)                                                                                  \
    "<filterbinding><owner><name>m</name></owner><portdev name='vnet0'/><mac address='52:54:00:aa:bb:cc'/>"  \
    "<filterref filter='t'>" parameters "</filterref></filterbinding>"
#define RULE(inside) "<rule action='drop' direction='in'>" inside "</rule>"
#define FILTER(inside) "<filter name='t'>" inside "</filter>"
#define PARAMETER(name, value) "<parameter name='" name "' value='" value "'/>"

TEST(what_cannot_be_done_is_refused_by_name)
{
    static const struct {
        const char *filter, *binding, *message;
        ErrorCode code;
    } cases[] = {
        { "", BINDING(""), "referenced filter 't' is missing", ERROR_INTERNAL },
        { FILTER("<filterref filter='gone'/>"), BINDING(""), "referenced filter 'gone' is missing",
          ERROR_INTERNAL },
        { FILTER(RULE("<tcp dstportstart='$P[@1]' srcportstart='$Q[@1]'/>")), BINDING(""),
          "Cannot instantiate filter due to unresolvable variables or unavailable list elements: Q[@1], "
          "P[@1]",
          ERROR_INTERNAL },
        { FILTER(RULE("<tcp dstportstart='$P[3]'/>")), BINDING(PARAMETER("P", "1")),
          "Cannot instantiate filter due to unresolvable variables or unavailable list elements: P[3]",
          ERROR_INTERNAL },
        { FILTER(RULE("<tcp dstportstart='$P[@1]' srcportstart='$Q[@1]'/>")),
          BINDING(PARAMETER("P", "1") PARAMETER("P", "2") PARAMETER("Q", "1")),
          "Cardinality of list items must be the same for processing them in parallel", ERROR_INTERNAL },
        { FILTER(RULE("<tcp dstportstart='$P'/>")), BINDING(PARAMETER("P", "http")),
          "filter 't': 'http' is no value for what $P asks for", ERROR_INTERNAL },
        { FILTER(RULE("<ip srcipaddr='$IP'/>")), BINDING(PARAMETER("CTRL_IP_LEARNING", "none")),
          "Cannot instantiate filter due to unresolvable variables or unavailable list elements: IP",
          ERROR_INTERNAL },
        { FILTER(RULE("<ip srcipaddr='$IP'/>")), BINDING(PARAMETER("CTRL_IP_LEARNING", "foo")),
          "filter 't' learning value 'foo' invalid.", ERROR_CONFIG_UNSUPPORTED },
        { FILTER(RULE("<ipv6 srcipaddr='$IPV6'/>")), BINDING(""),
          "Cannot instantiate filter due to unresolvable variables or unavailable list elements: IPV6",
          ERROR_INTERNAL },
        { FILTER(RULE("<all ipset='s' ipsetflags='src'/>")), BINDING(""), NULL, ERROR_CONFIG_UNSUPPORTED },
        { FILTER(RULE("<arp gratuitous='true'/>")), BINDING(""), NULL, ERROR_CONFIG_UNSUPPORTED },
        { FILTER(RULE("<tcp connlimit-above='1'/>")), BINDING(""), NULL, ERROR_CONFIG_UNSUPPORTED },
        { FILTER(RULE("<tcp state='INVALID'/>")), BINDING(""), NULL, ERROR_CONFIG_UNSUPPORTED },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("<case>%s%s</case>", cases[i].filter, cases[i].binding);
        g_autoptr(Error) err = NULL;
        check_case(text);
        check(make_script(text, &err) == NULL);
        check_eq(error_code(err), cases[i].code);
        if (cases[i].message)
            check_str(error_message(err), cases[i].message);
    }
}

TEST(too_many_combinations_are_refused)
{
    GString *parameters = g_string_new(NULL);
    g_autoptr(Error) err = NULL;

    for (unsigned i = 0; i < 200; i++)
        g_string_append_printf(parameters, "<parameter name='P' value='%u'/><parameter name='Q' value='%u'/>",
                               i, i);
    g_autofree char *list = g_string_free(parameters, FALSE);
    g_autofree char *text = g_strdup_printf(
        "<case>" FILTER(RULE(
            "<tcp dstportstart='$P[@1]' srcportstart='$Q[@2]'/>")) "<filterbinding><owner><name>m</name></"
                                                                   "owner><portdev name='v'/>"
                                                                   "<mac "
                                                                   "address='52:54:00:aa:bb:cc'/><filterref "
                                                                   "filter='t'>%s</filterref>"
                                                                   "</filterbinding></case>",
        list);
    check(make_script(text, &err) == NULL);
    check_eq(error_code(err), ERROR_CONFIG_UNSUPPORTED);
}

TEST(what_is_gone_is_deleted_and_sets_stay)
{
    static const char *const before[] = { "i.v.out", "i.v.out.c.arp", "i.v.flow4", "i.w.out", "from_guests" };
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(FilterScript) script = filter_script_new(false, false);
    FilterProgram *program = NULL;
    g_autoptr(Error) err = NULL;
    Case one;

    for (unsigned i = 0; i < G_N_ELEMENTS(before); i++)
        g_hash_table_add(known, g_strdup(before[i]));
    case_read("<case>" FILTER(RULE(
                  "")) "<filterbinding><owner><name>m</name></owner><portdev name='v'/>"
                       "<mac address='52:54:00:aa:bb:cc'/><filterref filter='t'/></filterbinding></case>",
              &one);
    check_ok(filter_expand(one.binding, NULL, find, &one, &program, &err), err);
    check_ok(filter_script_add(script, "v", program, &err), err);
    g_autofree char *text = filter_script_text(script, known, false);
    check(strstr(text, "delete chain bridge lodge_filter i.v.out.c.arp\n"));
    check(strstr(text, "delete set bridge lodge_filter i.v.flow4\n"));
    check(!strstr(text, "i.w.out") && !strstr(text, "delete chain bridge lodge_filter i.v.out\n"));
    g_autofree char *whole = filter_script_text(script, known, true);
    check(strstr(whole, "delete chain bridge lodge_filter i.w.out\n"));
    check(!strstr(whole, "delete chain bridge lodge_filter from_guests"));
    filter_script_remember(script, known, false);
    check(g_hash_table_contains(known, "i.w.out") && g_hash_table_contains(known, "i.v.in"));
    check(!g_hash_table_contains(known, "i.v.out.c.arp"));
    filter_program_free(program);
    case_clear(&one);
}

/* ---- learning ---- */

#define GUEST 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc
#define OTHER 2, 2, 2, 2, 2, 2
static const Mac guest = { { GUEST } };

static GByteArray *dhcp_frame(bool to_guest, unsigned type, const uint8_t mac[6])
{
    GByteArray *frame = g_byte_array_new();

    g_byte_array_set_size(frame, 14 + 20 + 8 + 240 + 32);
    memset(frame->data, 0, frame->len);
    memcpy(frame->data + (to_guest ? 0 : 6), mac, 6);
    memcpy(frame->data + 12, (const uint8_t[]){ 8, 0, 0x45 }, 3);
    uint8_t *ip = frame->data + 14, *udp = ip + 20, *dhcp = udp + 8;
    ip[9] = 17;
    memcpy(ip + 12, to_guest ? (const uint8_t[]){ 10, 0, 0, 1 } : (const uint8_t[]){ 10, 0, 0, 5 }, 4);
    udp[1] = to_guest ? 67 : 68;
    udp[3] = to_guest ? 68 : 67;
    memcpy(dhcp + (to_guest ? 16 : 12), (const uint8_t[]){ 10, 0, 0, 5 }, 4);
    memcpy(dhcp + 28, mac, 6);
    memcpy(dhcp + 236,
           (const uint8_t[]){ 0x63, 0x82, 0x53, 0x63, 0, 53, 1, (uint8_t)type, 51, 4, 0, 0, 14, 16, 255 },
           15);
    return frame;
}

TEST(a_lease_is_learned_from_the_servers_answer_only)
{
    static const uint8_t mine[] = { GUEST }, others[] = { OTHER };
    const struct {
        bool to_guest;
        unsigned type;
        const uint8_t *mac;
        bool is_learned;
    } cases[] = { { true, 5, mine, true },    { true, 2, mine, false }, { true, 6, mine, false },
                  { true, 5, others, false }, { false, 7, mine, true }, { false, 3, mine, false },
                  { false, 5, mine, false } };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) frame = dhcp_frame(cases[i].to_guest, cases[i].type, cases[i].mac);
        LearnedAddress learned;
        check_eq(filter_learn_from(frame->data, frame->len, cases[i].to_guest, &guest, FILTER_LEARN_DHCP,
                                   &learned),
                 cases[i].is_learned);
        if (!cases[i].is_learned)
            continue;
        check_eq(learned.ip.bytes[3], 5);
        check_eq(learned.is_released, !cases[i].to_guest);
        check_eq(learned.lease_s, 3600);
        for (guint len = 0; len < frame->len; len++) /* cut anywhere it is no harm */
            (void)filter_learn_from(frame->data, len, cases[i].to_guest, &guest, FILTER_LEARN_DHCP, &learned);
    }
}

#define ADDRESS(last) 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last
#define NONE 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0

TEST(an_address_of_ip6_is_learned_from_what_the_guest_sends)
{
    enum { NEXT = 14 + 6, HOPS = 14 + 7, SOURCE = 14 + 8, TYPE = 14 + 40, TARGET = TYPE + 8 };
    static const uint8_t none[16], loopback[16] = { [15] = 1 }, group[16] = { 0xff, 2 };
    uint8_t frame[14 + 40 + 24] = { [6] = GUEST, 0x86,         0xdd,
                                    0x60,        [NEXT] = 58,  255,
                                    ADDRESS(5),  [TYPE] = 135, [TARGET] = ADDRESS(9) };
    LearnedAddress learned;
    const struct {
        uint8_t next, hops, type;
        const uint8_t *source; /* NULL: fd00::5 */
        unsigned last;         /* 0: nothing is learned */
    } cases[] = {
        { 58, 255, 135, NULL, 5 }, { 58, 255, 135, none, 9 }, { 58, 64, 135, none, 0 },
        { 58, 255, 136, NULL, 9 }, { 58, 64, 136, NULL, 0 },  { 6, 64, 0, NULL, 5 },
        { 17, 64, 0, NULL, 5 },    { 6, 64, 0, none, 0 },     { 6, 64, 0, loopback, 0 },
        { 17, 64, 0, group, 0 },   { 58, 255, 128, NULL, 5 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        static const uint8_t own[16] = { ADDRESS(5) };
        frame[NEXT] = cases[i].next;
        frame[HOPS] = cases[i].hops;
        frame[TYPE] = cases[i].type;
        memcpy(frame + SOURCE, cases[i].source ? cases[i].source : own, 16);
        const bool is_learned =
            filter_learn_from(frame, sizeof(frame), false, &guest, FILTER_LEARN_IP6, &learned);
        check_eq(is_learned, cases[i].last != 0);
        check(!is_learned || (learned.ip.is_v6 && learned.ip.bytes[15] == cases[i].last));
        check(!filter_learn_from(frame, sizeof(frame), true, &guest, FILTER_LEARN_IP6, &learned));
        check(!filter_learn_from(frame, sizeof(frame), false, &guest, FILTER_LEARN_ANY, &learned));
        for (unsigned len = 0; len < sizeof(frame); len++) /* cut anywhere it is no harm */
            (void)filter_learn_from(frame, len, false, &guest, FILTER_LEARN_IP6, &learned);
    }
    frame[6] = 1; /* of another sender */
    check(!filter_learn_from(frame, sizeof(frame), false, &guest, FILTER_LEARN_IP6, &learned));
}

TEST(an_address_is_learned_from_what_the_guest_itself_sends)
{
    uint8_t arp[] = { 0xff, 0xff,  0xff, 0xff, 0xff, 0xff, GUEST, 8, 6, 0, 1, 8, 0,  6, 4, 0,
                      1,    GUEST, 10,   0,    0,    7,    0,     0, 0, 0, 0, 0, 10, 0, 0, 1 };
    LearnedAddress learned;

    check(filter_learn_from(arp, sizeof(arp), false, &guest, FILTER_LEARN_ANY, &learned));
    check_eq(learned.ip.bytes[3], 7);
    check(!filter_learn_from(arp, sizeof(arp), true, &guest, FILTER_LEARN_ANY, &learned));
    check(!filter_learn_from(arp, sizeof(arp), false, &guest, FILTER_LEARN_DHCP, &learned));
    arp[22] = 1; /* another sender inside */
    check(!filter_learn_from(arp, sizeof(arp), false, &guest, FILTER_LEARN_ANY, &learned));
    arp[22] = 0x52;
    arp[6] = 1; /* or outside */
    check(!filter_learn_from(arp, sizeof(arp), false, &guest, FILTER_LEARN_ANY, &learned));
    arp[6] = 0x52;
    memset(arp + 28, 0, 4); /* none yet: a probe */
    check(!filter_learn_from(arp, sizeof(arp), false, &guest, FILTER_LEARN_ANY, &learned));
}
