/* Which port a machine could not listen on, and who has it.
 *
 * QEMU says "Address already in use" and neither where nor for what. Looking before each start would cost
 * all for the few, and say nothing of what happens between the look and QEMU's: so we look afterwards. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/units.h"
#include "base/worker.h"
#include "machine/vm_private.h"

#define DEADLINE_MS 5000
#define TCP_LISTENS 0x0a /* of the kernel's states */

typedef struct Place { /* where a machine listens */
    char *what;        /* "<serial>" */
    char *address;     /* NULL: everywhere */
    unsigned port;
    bool is_udp;
    pid_t holder; /* found: 0: nobody */
    char *program;
} Place;

static void place_clear(void *data)
{
    Place *place = data;

    g_free(place->what);
    g_free(place->address);
    g_free(place->program);
}

/* ---- what a machine listens on ---- */

static void add_place(GArray *places, char *what /* owned */, const char *address, unsigned port, bool is_udp)
{
    const Place place = { .what = what,
                          .address = address && *address ? g_strdup(address) : NULL,
                          .port = port,
                          .is_udp = is_udp };

    g_array_append_val(places, place);
}

static void add_graphics(GArray *places, const GraphicsDef *graphics)
{
    const int32_t ports[] = { graphics->port, graphics->tls_port, graphics->websocket };

    for (DEF_EACH(ListenDef, listen, graphics->listens)) {
        for (size_t i = 0; i < G_N_ELEMENTS(ports); i++) {
            if (ports[i] > 0 && (listen->type == LISTEN_ADDRESS || listen->type == LISTEN_NETWORK))
                add_place(places,
                          g_strdup_printf("<graphics type='%s'>",
                                          enum_name(&graphics_type_names, graphics->type)),
                          listen->address, (unsigned)ports[i], false);
        }
    }
}

static void add_source(GArray *places, DeviceKind kind, const CharSource *source)
{
    const bool is_udp = source->type == CHAR_UDP;
    const char *service = is_udp ? source->bind_service : source->service;
    uint64_t port = 0;

    if ((is_udp || (source->type == CHAR_TCP &&
                    (source->mode == CHAR_MODE_BIND || source->mode == CHAR_MODE_SERVER))) &&
        service && parse_uint(service, &port, NULL) && port <= UINT16_MAX)
        add_place(places, g_strdup_printf("<%s>", enum_name(&device_kind_names, kind)),
                  is_udp ? source->bind_host : source->host, (unsigned)port, is_udp);
}

static bool add_device(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    const CharSource *source = device_char_source(kind, device);
    const InterfaceDef *iface = kind == DEVICE_INTERFACE ? device : NULL;

    if (kind == DEVICE_GRAPHICS)
        add_graphics(arg, device);
    if (source)
        add_source(arg, kind, source);
    if (iface && iface->type == INTERFACE_SERVER)
        add_place(arg, g_strdup("<interface type='server'>"), iface->source_address, iface->source_port.value,
                  false);
    if (iface && iface->type == INTERFACE_UDP)
        add_place(arg, g_strdup("<interface type='udp'>"), iface->local_address, iface->local_port.value,
                  true);
    return true;
}

/* ---- who has a port ---- */

/* Adds "socket:[INODE]" of sockets at @port in a table of the kernel's. */
static void add_sockets(const char *path, bool is_udp, unsigned port, GHashTable *sockets)
{
    enum { LOCAL = 1, STATE = 3, INODE = 9, COUNT };
    g_autofree char *text = file_read_kernel(path);
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);

    for (char **line = lines; *line; line++) {
        const char *words[COUNT];
        char *at = *line, *word = NULL;
        unsigned n_words = 0;
        while (n_words < COUNT && (word = strsep(&at, " "))) {
            if (*word)
                words[n_words++] = word;
        }
        const char *colon = n_words == COUNT ? strchr(words[LOCAL], ':') : NULL;
        if (colon && g_ascii_strtoull(colon + 1, NULL, 16) == port &&
            (is_udp || g_ascii_strtoull(words[STATE], NULL, 16) == TCP_LISTENS))
            g_hash_table_add(sockets, g_strdup_printf("socket:[%s]", words[INODE]));
    }
}

static bool process_has(const char *pid, GHashTable *sockets)
{
    g_autofree char *folder = g_strdup_printf("/proc/%s/fd", pid);
    DIR *dir = opendir(folder);
    const struct dirent *entry = NULL;
    bool found = false;

    while (dir && !found && (entry = readdir(dir))) {
        char link[64];
        const ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
        link[MAX(len, 0)] = '\0';
        found = g_hash_table_contains(sockets, link);
    }
    if (dir)
        closedir(dir);
    return found;
}

static void find_holder(Place *place)
{
    g_autoptr(GHashTable) sockets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const struct dirent *entry = NULL;

    add_sockets(place->is_udp ? "/proc/net/udp" : "/proc/net/tcp", place->is_udp, place->port, sockets);
    add_sockets(place->is_udp ? "/proc/net/udp6" : "/proc/net/tcp6", place->is_udp, place->port, sockets);
    DIR *dir = g_hash_table_size(sockets) ? opendir("/proc") : NULL;
    while (dir && !place->holder && (entry = readdir(dir))) {
        uint64_t pid = 0;
        if (!parse_uint(entry->d_name, &pid, NULL) || !process_has(entry->d_name, sockets))
            continue;
        g_autofree char *path = g_strdup_printf("/proc/%s/comm", entry->d_name);
        place->holder = (pid_t)pid;
        place->program = file_read_kernel(path);
        if (place->program)
            g_strchomp(place->program);
    }
    if (dir)
        closedir(dir);
}

static void find_holders(void *data)
{
    GArray *places = data;

    for (guint i = 0; i < places->len; i++)
        find_holder(&g_array_index(places, Place, i));
}

static void places_free(void *data)
{
    g_array_unref(data);
}

/* "machine 'web'", "'nginx' (process 17)". Owned. */
static char *describe_holder(Host *host, const Place *place)
{
    Vm *vm = NULL;

    for (RegistryIter iter = registry_iter(vm_registry(host)); (vm = (Vm *)registry_next(&iter));) {
        if (vm->run && vm->run->pid == place->holder)
            return g_strdup_printf("machine '%s'", vm->name);
    }
    return g_strdup_printf("'%s' (process %d)", place->program ? place->program : "?", (int)place->holder);
}

/* The line of QEMU's that says so, among what it says of its other devices; owned. */
static char *line_of(const char *words, const char *at)
{
    while (at > words && at[-1] != '\n')
        at--;
    return g_strndup(at, strcspn(at, "\r\n"));
}

bool vm_explain_busy_port(Vm *vm, const char *words, Error **err)
{
    const pid_t own = vm->run->pid;
    const bool was_started = !vm->run->is_starting;
    const char *at = strstr(words, "Address already in use");

    if (!at || vm->host->is_stopping)
        return false;
    g_autofree char *line = line_of(words, at);
    GArray *places = g_array_new(FALSE, FALSE, sizeof(Place));
    g_array_set_clear_func(places, place_clear);
    (void)domain_each_device(vm->live, add_device, places);
    if (!worker_run(worker_lane_named("ports"), find_holders, places, places_free, DEADLINE_MS, NULL))
        return false;
    bool found = false;
    for (guint i = 0; i < places->len && !found; i++) {
        const Place *place = &g_array_index(places, Place, i);
        if (!place->holder || (was_started && place->holder == own))
            continue;
        g_autofree char *holder = describe_holder(vm->host, place);
        found = true;
        error_set(err, ERROR_INTERNAL, "%s cannot listen on %s port %u%s%s: %s has it already: %s",
                  place->what, place->is_udp ? "UDP" : "TCP", place->port, place->address ? " of " : "",
                  place->address ? place->address : "", holder, line);
        error_hint(err, g_str_has_prefix(place->what, "<graphics")
                            ? "choose another port, or have a free one chosen for each start: port='-1' "
                              "autoport='yes'"
                            : "choose another port");
    }
    places_free(places);
    return found;
}
