/* libsasl2's sessions, with its habits kept inside: buffers that live until the next call, questions that are
 * asked by returning. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/sasl.h"

#include <errno.h>
#include <glib.h>
#include <sasl/sasl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVICE "libvirt"
#define BITS_MAX 100000
#define RAW_READ 16384
#define ROUNDS_MAX 8 /* questions after questions */

struct WireSasl {
    sasl_conn_t *conn;
    unsigned min_bits;
    char *user;
    /* clients: */
    WireSaslAnswers answers;
    char *host, *authfile;
    GPtrArray *given; /* answers that libsasl2 borrows */
    sasl_callback_t callbacks[6];
};

static char *sasl_conf_dir;

/* ---- the library ---- */

static GMutex *sasl_locks_new(void)
{
    GMutex *mutex = g_new0(GMutex, 1);

    g_mutex_init(mutex);
    return mutex;
}

static void *sasl_lock_alloc(void)
{
    return sasl_locks_new();
}

static int sasl_lock(void *mutex)
{
    g_mutex_lock(mutex);
    return SASL_OK;
}

static int sasl_unlock(void *mutex)
{
    g_mutex_unlock(mutex);
    return SASL_OK;
}

static void sasl_lock_free(void *mutex)
{
    g_mutex_clear(mutex);
    g_free(mutex);
}

/* What it would write to syslog by itself comes back as error detail, too. */
static int sasl_be_silent(void *context, int level, const char *text)
{
    return SASL_OK;
}

static int sasl_tell_conf_dir(void *context, char **ret_path)
{
    *ret_path = sasl_conf_dir;
    return SASL_OK;
}

void wire_sasl_set_conf_dir(const char *conf_dir)
{
    g_free(sasl_conf_dir);
    sasl_conf_dir = g_strdup(conf_dir);
}

static bool sasl_begin(bool is_server, Error **err)
{
    static sasl_callback_t callbacks[] = {
        { SASL_CB_LOG, (int (*)(void))(void (*)(void))sasl_be_silent, NULL },
        { SASL_CB_LIST_END, NULL, NULL }, /* that of the folder, if there is one */
        { SASL_CB_LIST_END, NULL, NULL },
    };
    static GMutex begun_lock;
    static bool begun[2];
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&begun_lock);

    if (begun[is_server])
        return true;
    sasl_set_mutex(sasl_lock_alloc, sasl_lock, sasl_unlock, sasl_lock_free);
    if (sasl_conf_dir)
        callbacks[1] =
            (sasl_callback_t){ SASL_CB_GETCONFPATH, (int (*)(void))(void (*)(void))sasl_tell_conf_dir, NULL };
    int r = is_server ? sasl_server_init(callbacks, SERVICE) : sasl_client_init(callbacks);
    if (r != SASL_OK)
        return error_set(err, ERROR_AUTH_UNAVAILABLE, "SASL cannot be used: %s",
                         sasl_errstring(r, NULL, NULL));
    begun[is_server] = true;
    return true;
}

/* ---- sessions ---- */

void wire_sasl_free(WireSasl *sasl)
{
    if (!sasl)
        return;
    if (sasl->conn)
        sasl_dispose(&sasl->conn);
    g_clear_pointer(&sasl->given, g_ptr_array_unref);
    g_free(sasl->user);
    g_free(sasl->host);
    g_free(sasl->authfile);
    g_free(sasl);
}

static bool sasl_fail(const WireSasl *sasl, ErrorCode code, const char *doing, int r, Error **err)
{
    const char *detail = sasl->conn ? sasl_errdetail(sasl->conn) : sasl_errstring(r, NULL, NULL);

    return error_set(err, code, "SASL, %s: %s", doing, detail ? detail : "no reason");
}

static bool sasl_demand(WireSasl *sasl, const WireSaslSpec *spec, Error **err)
{
    const sasl_ssf_t outer = spec->tls_bits;
    const sasl_security_properties_t wanted = {
        .min_ssf = spec->min_bits,
        .max_ssf = spec->min_bits ? BITS_MAX : 0, /* what is safe already is not wrapped again */
        .maxbufsize = spec->min_bits ? RAW_READ : 0,
        .security_flags = SASL_SEC_NOANONYMOUS | (spec->min_bits ? SASL_SEC_NOPLAINTEXT : 0u),
    };

    sasl->min_bits = spec->min_bits;
    int r = SASL_OK;
    if (spec->tls_bits)
        r = sasl_setprop(sasl->conn, SASL_SSF_EXTERNAL, &outer);
    if (r == SASL_OK && spec->tls_name)
        r = sasl_setprop(sasl->conn, SASL_AUTH_EXTERNAL, spec->tls_name);
    if (r == SASL_OK)
        r = sasl_setprop(sasl->conn, SASL_SEC_PROPS, &wanted);
    return r == SASL_OK || sasl_fail(sasl, ERROR_AUTH_UNAVAILABLE, "begin", r, err);
}

bool wire_sasl_server_new(const WireSaslSpec *spec, WireSasl **ret_sasl, Error **err)
{
    g_autoptr(WireSasl) sasl = g_new0(WireSasl, 1);

    if (!sasl_begin(true, err))
        return false;
    int r =
        sasl_server_new(SERVICE, NULL, NULL, spec->local, spec->remote, NULL, SASL_SUCCESS_DATA, &sasl->conn);
    if (r != SASL_OK)
        return sasl_fail(sasl, ERROR_AUTH_UNAVAILABLE, "begin", r, err);
    if (!sasl_demand(sasl, spec, err))
        return false;
    *ret_sasl = g_steal_pointer(&sasl);
    return true;
}

bool wire_sasl_mechanisms(WireSasl *sasl, char **ret_names, Error **err)
{
    const char *names = NULL;
    int r = sasl_listmech(sasl->conn, NULL, "", ",", "", &names, NULL, NULL);

    if (r == SASL_OK && names && *names) {
        *ret_names = g_strdup(names);
        return true;
    }
    error_set(err, ERROR_AUTH_UNAVAILABLE, "SASL has no mechanism for this connection");
    return error_hint(err, sasl->min_bits
                               ? "by TCP it takes GSSAPI or DIGEST-MD5, which encrypt; others need "
                                 "TLS: see mech_list in /etc/sasl2/libvirt.conf"
                               : "see mech_list in /etc/sasl2/libvirt.conf, and install "
                                 "libsasl2-modules");
}

/* @out is the library's. */
static void sasl_give(const char *out, unsigned len, WireSaslData *ret_out)
{
    ret_out->bytes = out ? g_memdup2(len ? out : "", len ? len : 1) : NULL;
    ret_out->len = out ? len : 0;
}

bool wire_sasl_server_step(WireSasl *sasl, const char *mechanism, const WireSaslData *in,
                           WireSaslData *ret_out, bool *ret_done, Error **err)
{
    const char *out = NULL;
    unsigned len = 0;
    const void *user = NULL;

    int r = mechanism ? sasl_server_start(sasl->conn, mechanism, in->bytes, (unsigned)in->len, &out, &len)
                      : sasl_server_step(sasl->conn, in->bytes, (unsigned)in->len, &out, &len);
    if (r != SASL_OK && r != SASL_CONTINUE)
        return sasl_fail(sasl, ERROR_AUTH_FAILED, mechanism ? mechanism : "next step", r, err);
    *ret_done = r == SASL_OK;
    if (*ret_done && sasl_getprop(sasl->conn, SASL_USERNAME, &user) == SASL_OK && user)
        sasl->user = g_strdup(user);
    if (*ret_done && !sasl->user)
        return error_set(err, ERROR_AUTH_FAILED, "SASL does not say who it is");
    sasl_give(out, len, ret_out);
    return true;
}

const char *wire_sasl_user(const WireSasl *sasl)
{
    return sasl->user;
}

/* ---- clients ---- */

/* From the file that other clients read, too: which section fits, and what it says. */
static char *client_look_up(const WireSasl *sasl, const char *key)
{
    g_autofree char *own = g_build_filename(g_get_user_config_dir(), "libvirt/auth.conf", NULL);
    const char *const paths[] = { sasl->authfile, g_getenv("LIBVIRT_AUTH_FILE"), own,
                                  "/etc/libvirt/auth.conf" };

    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(GKeyFile) file = g_key_file_new();
        if (!paths[i] || !g_key_file_load_from_file(file, paths[i], G_KEY_FILE_NONE, NULL))
            continue;
        g_autofree char *section = g_strdup_printf("auth-" SERVICE "-%s", sasl->host);
        g_autofree char *name = g_key_file_get_string(file, section, "credentials", NULL);
        if (!name)
            name = g_key_file_get_string(file, "auth-" SERVICE "-default", "credentials", NULL);
        g_autofree char *credentials = name ? g_strdup_printf("credentials-%s", name) : NULL;
        return credentials ? g_key_file_get_string(file, credentials, key, NULL) : NULL;
    }
    return NULL;
}

static const struct {
    unsigned long id;
    const char *key, *question;
    bool is_secret;
} client_questions[] = {
    { SASL_CB_AUTHNAME, "authname", "name", false },
    { SASL_CB_USER, "username", "name", false },
    { SASL_CB_PASS, "password", "password", true },
    { SASL_CB_GETREALM, "realm", "realm", false },
};

static bool client_answer(WireSasl *sasl, sasl_interact_t *prompt, Error **err)
{
    size_t i = 0;

    while (i < G_N_ELEMENTS(client_questions) && client_questions[i].id != prompt->id)
        i++;
    if (i == G_N_ELEMENTS(client_questions))
        return error_set(err, ERROR_AUTH_UNAVAILABLE, "SASL asks for '%s', which is not known",
                         prompt->prompt);
    char *answer = client_look_up(sasl, client_questions[i].key);
    if (!answer && prompt->id == SASL_CB_AUTHNAME)
        answer = client_look_up(sasl, "username");
    if (!answer && prompt->id == SASL_CB_USER)
        answer = client_look_up(sasl, "authname");
    if (!answer && prompt->id == SASL_CB_GETREALM)
        answer = g_strdup(prompt->defresult ? prompt->defresult : sasl->host);
    if (!answer && sasl->answers.ask) {
        g_autofree char *question = g_strdup_printf("%s at %s", client_questions[i].question, sasl->host);
        answer = sasl->answers.ask(question, client_questions[i].is_secret, sasl->answers.arg);
    }
    if (!answer) {
        error_set(err, ERROR_AUTH_CANCELLED, "nobody is there to give the %s for '%s'",
                  client_questions[i].question, sasl->host);
        return error_hint(err, "put it into ~/.config/libvirt/auth.conf, or run this in a terminal");
    }
    g_ptr_array_add(sasl->given, answer);
    prompt->result = answer;
    prompt->len = (unsigned)strlen(answer);
    return true;
}

static bool client_answer_all(WireSasl *sasl, sasl_interact_t *prompts, Error **err)
{
    for (sasl_interact_t *at = prompts; at && at->id != SASL_CB_LIST_END; at++) {
        if (!client_answer(sasl, at, err))
            return false;
    }
    return true;
}

bool wire_sasl_client_new(const WireSaslSpec *spec, const WireSaslAnswers *answers, WireSasl **ret_sasl,
                          Error **err)
{
    g_autoptr(WireSasl) sasl = g_new0(WireSasl, 1);

    if (!sasl_begin(false, err))
        return false;
    sasl->answers = *answers;
    sasl->host = g_strdup(answers->host);
    sasl->authfile = g_strdup(answers->authfile);
    sasl->given = g_ptr_array_new_with_free_func(g_free);
    /* Without functions: it returns with its questions instead of calling us. */
    for (size_t i = 0; i < G_N_ELEMENTS(client_questions); i++)
        sasl->callbacks[i].id = client_questions[i].id;
    sasl->callbacks[G_N_ELEMENTS(client_questions)].id = SASL_CB_LIST_END;
    int r = sasl_client_new(SERVICE, sasl->host, spec->local, spec->remote, sasl->callbacks,
                            SASL_SUCCESS_DATA, &sasl->conn);
    if (r != SASL_OK)
        return sasl_fail(sasl, ERROR_AUTH_UNAVAILABLE, "begin", r, err);
    if (!sasl_demand(sasl, spec, err))
        return false;
    *ret_sasl = g_steal_pointer(&sasl);
    return true;
}

bool wire_sasl_client_start(WireSasl *sasl, const char *mechanisms, const char **ret_mechanism,
                            WireSaslData *ret_out, bool *ret_done, Error **err)
{
    sasl_interact_t *prompts = NULL;
    const char *out = NULL;
    unsigned len = 0;
    int r = SASL_INTERACT;

    for (int round = 0; r == SASL_INTERACT && round < ROUNDS_MAX; round++) {
        if (!client_answer_all(sasl, prompts, err))
            return false;
        r = sasl_client_start(sasl->conn, mechanisms, &prompts, &out, &len, ret_mechanism);
    }
    if (r == SASL_NOMECH)
        return error_set(err, ERROR_AUTH_UNAVAILABLE, "SASL knows none of the server's mechanisms: %s",
                         mechanisms);
    if (r != SASL_OK && r != SASL_CONTINUE)
        return sasl_fail(sasl, ERROR_AUTH_FAILED, "start", r, err);
    *ret_done = r == SASL_OK;
    sasl_give(out, len, ret_out);
    return true;
}

bool wire_sasl_client_step(WireSasl *sasl, const WireSaslData *in, WireSaslData *ret_out, bool *ret_done,
                           Error **err)
{
    sasl_interact_t *prompts = NULL;
    const char *out = NULL;
    unsigned len = 0;
    int r = SASL_INTERACT;

    for (int round = 0; r == SASL_INTERACT && round < ROUNDS_MAX; round++) {
        if (!client_answer_all(sasl, prompts, err))
            return false;
        r = sasl_client_step(sasl->conn, in->bytes, (unsigned)in->len, &prompts, &out, &len);
    }
    if (r != SASL_OK && r != SASL_CONTINUE)
        return sasl_fail(sasl, ERROR_AUTH_FAILED, "next step", r, err);
    *ret_done = r == SASL_OK;
    sasl_give(out, len, ret_out);
    return true;
}

/* ---- the layer ---- */

typedef struct SaslLayer {
    WireLayer base;
    WireSasl *sasl;
    unsigned piece;  /* how much may be encoded at once */
    const char *out; /* the library's: encoded, not all sent */
    unsigned out_len, out_sent;
    unsigned out_plain; /* what it stands for */
    const char *in;     /* likewise: decoded, not all taken */
    unsigned in_len, in_taken;
} SaslLayer;

static ssize_t layer_read(WireLayer *base, void *to, size_t size, Error **err)
{
    SaslLayer *layer = (SaslLayer *)base;

    while (layer->in_taken == layer->in_len) {
        char raw[RAW_READ];
        ssize_t got = recv(base->fd, raw, sizeof raw, MSG_DONTWAIT);
        if (got <= 0)
            return got;
        layer->in_taken = layer->in_len = 0;
        int r = sasl_decode(layer->sasl->conn, raw, (unsigned)got, &layer->in, &layer->in_len);
        if (r != SASL_OK) {
            sasl_fail(layer->sasl, ERROR_PROTOCOL, "what came", r, err);
            errno = EPROTO;
            return -1;
        }
    }
    const size_t len = MIN(size, layer->in_len - layer->in_taken);
    memcpy(to, layer->in + layer->in_taken, len);
    layer->in_taken += (unsigned)len;
    return (ssize_t)len;
}

static ssize_t layer_write(WireLayer *base, const void *from, size_t size, Error **err)
{
    SaslLayer *layer = (SaslLayer *)base;

    if (layer->out_sent == layer->out_len) {
        layer->out_plain = (unsigned)MIN(size, layer->piece);
        layer->out_sent = layer->out_len = 0;
        int r = sasl_encode(layer->sasl->conn, from, layer->out_plain, &layer->out, &layer->out_len);
        if (r != SASL_OK) {
            sasl_fail(layer->sasl, ERROR_PROTOCOL, "what goes out", r, err);
            errno = EPROTO;
            return -1;
        }
    }
    ssize_t sent = send(base->fd, layer->out + layer->out_sent, layer->out_len - layer->out_sent,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return sent;
    layer->out_sent += (unsigned)sent;
    if (layer->out_sent == layer->out_len)
        return layer->out_plain;
    errno = EAGAIN;
    return -1;
}

static bool layer_has_more(const WireLayer *base)
{
    const SaslLayer *layer = (const SaslLayer *)base;

    return layer->in_taken < layer->in_len;
}

static void layer_free(WireLayer *base)
{
    wire_sasl_free(((SaslLayer *)base)->sasl);
    g_free(base);
}

static const WireLayerOps sasl_layer_ops = { NULL, layer_read, layer_write, layer_has_more, layer_free };

bool wire_sasl_protect(WireSasl **sasl, int fd, WireLayer **ret_layer, Error **err)
{
    const void *bits = NULL, *piece = NULL;

    *ret_layer = NULL;
    if ((*sasl)->min_bits == 0)
        return true;
    if (sasl_getprop((*sasl)->conn, SASL_SSF, &bits) != SASL_OK || !bits ||
        *(const sasl_ssf_t *)bits < (*sasl)->min_bits)
        return error_set(err, ERROR_AUTH_FAILED, "SASL protects the connection with %u bits, not with %u",
                         bits ? *(const sasl_ssf_t *)bits : 0, (*sasl)->min_bits);
    SaslLayer *layer = g_new0(SaslLayer, 1);
    layer->base = (WireLayer){ .ops = &sasl_layer_ops, .fd = fd };
    layer->piece = RAW_READ / 2;
    if (sasl_getprop((*sasl)->conn, SASL_MAXOUTBUF, &piece) == SASL_OK && piece && *(const unsigned *)piece)
        layer->piece = MIN(layer->piece, *(const unsigned *)piece);
    layer->sasl = g_steal_pointer(sasl);
    *ret_layer = &layer->base;
    return true;
}
