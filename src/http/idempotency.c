/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/idempotency.h"

#include <string.h>

#include "base/digest.h"
#include "base/loop.h"
#include "http/hub.h"

#define KEPT_MAX 1000u
#define KEPT_MS ((uint64_t)86400000)
#define KEPT_BYTES ((size_t)65536) /* of an answer; a longer one is not kept */

typedef struct Answer {
    uint8_t sum[32]; /* of the request */
    unsigned status; /* 0: it runs */
    char *data;
    size_t len;
    GPtrArray *headers;
    uint64_t at_ms;
} Answer;

static const char answers_key;

static void answer_free(gpointer data)
{
    Answer *answer = data;

    g_free(answer->data);
    g_clear_pointer(&answer->headers, g_ptr_array_unref);
    g_free(answer);
}

/* By user and key. */
static GHashTable *answers_of(HttpHub *hub)
{
    return http_hub_table(hub, &answers_key, answer_free);
}

static char *request_key(const HttpRequest *req)
{
    const char *key = strcmp(req->method, "POST") == 0 ? http_header(req, "Idempotency-Key") : NULL;

    return key && *key && strlen(key) <= 255 && req->who.user ? g_strdup_printf("%s\n%s", req->who.user, key)
                                                              : NULL;
}

static void request_sum(const HttpRequest *req, uint8_t ret_sum[32])
{
    gcry_md_hd_t digest = digest_open(GCRY_MD_SHA256);

    gcry_md_write(digest, req->text, strlen(req->text) + 1);
    if (req->bytes)
        gcry_md_write(digest, req->bytes->data, req->bytes->len);
    memcpy(ret_sum, gcry_md_read(digest, GCRY_MD_SHA256), 32);
    gcry_md_close(digest);
}

static gboolean answer_may_go(gpointer key, gpointer data, gpointer arg)
{
    const Answer *answer = data;

    return answer->status && loop_now_ms() - answer->at_ms > *(const uint64_t *)arg;
}

static void answer_again(HttpRequest *req, const Answer *answer)
{
    for (guint i = 0; i < answer->headers->len; i++)
        g_ptr_array_add(req->headers, g_strdup(g_ptr_array_index(answer->headers, i)));
    req->data = g_memdup2(answer->data, answer->len);
    req->len = answer->len;
    req->status = answer->status;
}

bool http_idempotency_find(HttpRequest *req)
{
    GHashTable *answers = answers_of(req->hub);
    g_autofree char *key = request_key(req);
    g_autoptr(Error) err = NULL;
    uint64_t age_ms = KEPT_MS;
    uint8_t sum[32];

    if (!key)
        return false;
    request_sum(req, sum);
    const Answer *there = g_hash_table_lookup(answers, key);
    if (!there) {
        g_hash_table_foreach_remove(answers, answer_may_go, &age_ms);
        for (age_ms = KEPT_MS / 2; g_hash_table_size(answers) >= KEPT_MAX && age_ms > 0; age_ms /= 2)
            g_hash_table_foreach_remove(answers, answer_may_go, &age_ms);
        Answer *made = g_new0(Answer, 1);
        made->at_ms = loop_now_ms();
        memcpy(made->sum, sum, sizeof sum);
        req->idempotency = g_strdup(key);
        g_hash_table_insert(answers, g_steal_pointer(&key), made);
        return false;
    }
    if (memcmp(there->sum, sum, sizeof sum) != 0)
        error_set(&err, ERROR_REFUSED, "this Idempotency-Key was for another request");
    else if (!there->status)
        error_set(&err, ERROR_INVALID_STATE, "the first request with this Idempotency-Key still runs");
    if (err)
        http_answer_problem(req, err);
    else
        answer_again(req, there);
    return true;
}

void http_idempotency_keep(HttpRequest *req)
{
    GHashTable *answers = answers_of(req->hub);
    const char *key = req->idempotency;
    Answer *answer = key ? g_hash_table_lookup(answers, key) : NULL;

    if (!answer || answer->status)
        return;
    if (req->status >= 500 || req->output || req->len > KEPT_BYTES) {
        g_hash_table_remove(answers, key);
        return;
    }
    answer->status = req->status;
    answer->data = g_memdup2(req->data, req->len);
    answer->len = req->len;
    answer->headers = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < req->headers->len; i++)
        g_ptr_array_add(answer->headers, g_strdup(g_ptr_array_index(req->headers, i)));
}
