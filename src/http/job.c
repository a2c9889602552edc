/* A job is kept for a while after its end, so that whoever asked can ask what came of it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "web"
#include "http/job.h"

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/loop.h"
#include "core/job.h"
#include "http/answer.h"
#include "http/hub.h"
#include "http/journal.h"
#include "http/route.h"

#define JOBS_MAX 500u
#define WAIT_MAX_S 600u

typedef struct HttpJob {
    unsigned refs;
    char *id, *what, *who;
    int64_t began_s, ended_s; /* 0: it runs */
    HttpRequest *work;        /* a reference */
    void (*run)(HttpRequest *req);
    Fiber *fiber;
    WaitQueue ended;
} HttpJob;

static const char jobs_key;

static HttpJob *job_ref(HttpJob *job)
{
    job->refs++;
    return job;
}

static void job_unref(gpointer data)
{
    HttpJob *job = data;

    if (--job->refs > 0)
        return;
    wait_queue_clear(&job->ended);
    http_request_unref(job->work);
    g_clear_pointer(&job->fiber, fiber_unref);
    g_free(job->id);
    g_free(job->what);
    g_free(job->who);
    g_free(job);
}

static void jobs_free(void *data)
{
    g_ptr_array_unref(data);
}

/* Of HttpJob, the oldest first. */
static GPtrArray *jobs_of(HttpHub *hub)
{
    GPtrArray *jobs = http_hub_get(hub, &jobs_key);

    if (!jobs) {
        jobs = g_ptr_array_new_with_free_func(job_unref);
        http_hub_put(hub, &jobs_key, jobs, jobs_free);
    }
    return jobs;
}

/* Makes room. false: all of them run. */
static bool jobs_make_room(GPtrArray *jobs)
{
    for (guint i = 0; jobs->len >= JOBS_MAX && i < jobs->len;) {
        const HttpJob *job = g_ptr_array_index(jobs, i);
        if (job->ended_s)
            g_ptr_array_remove_index(jobs, i);
        else
            i++;
    }
    return jobs->len < JOBS_MAX;
}

/* What a handler needs of @req, which keeps the rest for its answer. */
static HttpRequest *job_split(HttpRequest *req)
{
    HttpRequest *work = g_new0(HttpRequest, 1);

    work->refs = 1;
    work->hub = req->hub;
    work->host = req->host;
    work->route = req->route;
    work->method = g_strdup(req->method);
    work->text = g_strdup(req->text);
    work->from = g_strdup(req->from);
    work->is_secure = req->is_secure;
    work->headers = g_ptr_array_new_with_free_func(g_free);
    work->bytes = g_steal_pointer(&req->bytes);
    work->who = req->who;
    work->who.user = g_strdup(req->who.user);
    work->who.csrf = g_strdup(req->who.csrf);
    if (!http_target_parse(work->text, http_hub_prefix(req->hub), &work->target, NULL))
        g_assert_not_reached(); /* it was parsed before */
    bool known = false;
    (void)http_route_find(work->method, &work->target, work->params, &known);
    return work;
}

static void job_main(void *arg)
{
    HttpJob *job = arg;
    HttpRequest *work = job->work;

    job->fiber = fiber_ref(fiber_current());
    job->run(work);
    journal_request(work);
    if (work->client)
        http_hub_backend(work->hub)->end_client(g_steal_pointer(&work->client));
    job->ended_s = (int64_t)time(NULL);
    wait_queue_wake_all(&job->ended);
    job_unref(job);
}

static uint64_t job_wait_ms(const HttpRequest *req)
{
    const char *prefer = http_header(req, "Prefer"), *wait = prefer ? strstr(prefer, "wait=") : NULL;

    return wait ? MIN(g_ascii_strtoull(wait + strlen("wait="), NULL, 10), WAIT_MAX_S) * 1000 : 0;
}

static Json *job_json(const HttpJob *job)
{
    const HttpRequest *work = job->work;
    const bool failed = job->ended_s && work->status >= 400;
    Json *json =
        json_pack("{s:s,s:s,s:s,s:s,s:o,s:o}", "id", job->id, "what", job->what, "who", job->who, "state",
                  !job->ended_s ? "running"
                  : failed      ? "failed"
                                : "done",
                  "began", http_json_time(job->began_s), "ended", http_json_time(job->ended_s));
    Json *result = NULL;

    if (job->ended_s && work->data)
        result = json_loadb(work->data, work->len, 0, NULL);
    json_object_set_new(json, failed ? "error" : "result", result ? result : json_null());
    return json;
}

/* What the handler answered, moved over. */
static void job_answer(HttpJob *job, HttpRequest *req)
{
    HttpRequest *work = job->work;

    for (guint i = 0; i < work->headers->len; i++)
        g_ptr_array_add(req->headers, g_strdup(g_ptr_array_index(work->headers, i)));
    req->data = g_memdup2(work->data, work->len);
    req->len = work->len;
    req->status = work->status;
}

bool http_job_begin(HttpRequest *req, void (*run)(HttpRequest *req))
{
    GPtrArray *jobs = jobs_of(req->hub);
    const uint64_t until_ms = loop_now_ms() + job_wait_ms(req);
    static unsigned last;

    if (!jobs_make_room(jobs))
        return false;
    HttpJob *job = g_new0(HttpJob, 1);
    job->refs = 3; /* the list's, its fiber's, ours */
    job->id = g_strdup_printf("%x-%x", (unsigned)time(NULL), ++last);
    job->what = g_strdup_printf("%s %s", req->method, req->target.path);
    job->who = g_strdup(req->who.user ? req->who.user : "");
    job->began_s = (int64_t)time(NULL);
    wait_queue_init(&job->ended);
    job->work = job_split(req);
    job->run = run;
    g_ptr_array_add(jobs, job);
    if (!fiber_spawn("http job", job_main, job)) {
        req->bytes = g_steal_pointer(&job->work->bytes);
        g_ptr_array_remove(jobs, job);
        job_unref(job);
        job_unref(job);
        return false;
    }
    while (!job->ended_s && loop_now_ms() < until_ms &&
           wait_queue_wait(&job->ended, until_ms - loop_now_ms(), NULL))
        ;
    if (job->ended_s) {
        job_answer(job, req);
    } else {
        g_autofree char *location =
            g_strdup_printf("%s" HTTP_API "/jobs/%s", http_hub_prefix(req->hub), job->id);
        http_add_header(req, "Location", location);
        (void)http_answer_json(req, 202, json_pack("{s:{s:s}}", "job", "id", job->id));
    }
    job_unref(job);
    return true;
}

/* ---- routes ---- */

static const HttpField job_fields[] = {
    { "id", HTTP_STRING, .required = true },
    { "what", HTTP_STRING, .required = true, .doc = "the request" },
    { "who", HTTP_STRING, .required = true },
    { "state", HTTP_STRING, .required = true, .choices = "running|done|failed" },
    { "began", HTTP_TIME, .required = true, .nullable = true },
    { "ended", HTTP_TIME, .required = true, .nullable = true },
    { "machine", HTTP_STRING, .doc = "of jobs of machines" },
    { "phase", HTTP_STRING },
    { "result", HTTP_OBJECT, .nullable = true },
    { "error", HTTP_OBJECT, .nullable = true },
    { 0 },
};

/* Those of machines, whoever began them. */
static void add_host_jobs(HttpRequest *req, Json *items)
{
    g_autoptr(GPtrArray) records = host_list_jobs(req->host);

    for (guint i = 0; i < records->len; i++) {
        const JobRecord *record = g_ptr_array_index(records, i);
        g_autofree char *id = g_strdup_printf("host-%s", record->uuid);
        json_array_append_new(items,
                              json_pack("{s:s,s:s,s:s,s:s,s:o,s:n,s:s,s:s}", "id", id, "what",
                                        job_kind_name(record->kind), "who",
                                        record->caller ? record->caller : "", "state", "running", "began",
                                        http_json_time((int64_t)time(NULL) -
                                                       (int64_t)(record->age_ms / 1000)),
                                        "ended", "machine", record->name ? record->name : "", "phase",
                                        record->phase ? record->phase : ""));
    }
}

static bool job_is_theirs(const HttpJob *job, const HttpRequest *req)
{
    return req->who.role == HTTP_ROLE_ADMIN || strcmp(job->who, req->who.user) == 0;
}

static bool handle_list(HttpRequest *req, Error **err)
{
    const GPtrArray *jobs = jobs_of(req->hub);
    Json *items = json_array();

    for (guint i = 0; i < jobs->len; i++) {
        const HttpJob *job = g_ptr_array_index(jobs, i);
        if (job_is_theirs(job, req))
            json_array_append_new(items, job_json(job));
    }
    add_host_jobs(req, items);
    return http_answer_json(req, 200, json_pack("{s:o}", "items", items));
}

static HttpJob *job_find(HttpRequest *req, Error **err)
{
    const GPtrArray *jobs = jobs_of(req->hub);

    for (guint i = 0; i < jobs->len; i++) {
        HttpJob *job = g_ptr_array_index(jobs, i);
        if (strcmp(job->id, req->params[0]) == 0 && job_is_theirs(job, req))
            return job_ref(job);
    }
    error_set(err, ERROR_NO_HOSTNAME, "there is no job '%s'", req->params[0]);
    return NULL;
}

static bool handle_get(HttpRequest *req, Error **err)
{
    HttpJob *job = job_find(req, err);

    if (!job)
        return false;
    const uint64_t until_ms = loop_now_ms() + job_wait_ms(req);
    while (!job->ended_s && loop_now_ms() < until_ms &&
           wait_queue_wait(&job->ended, until_ms - loop_now_ms(), NULL))
        ;
    (void)http_answer_json(req, 200, job_json(job));
    job_unref(job);
    return true;
}

/* Not every call can be taken back: what cannot runs to its end. */
static bool handle_cancel(HttpRequest *req, Error **err)
{
    HttpJob *job = job_find(req, err);

    if (!job)
        return false;
    if (!job->ended_s && job->fiber)
        fiber_cancel(job->fiber);
    job_unref(job);
    return http_answer_none(req);
}

const HttpRoute http_routes_job[] = {
    { "GET", "/jobs", HTTP_VIEW, .flags = HTTP_LIST, .answer = job_fields, .handle = handle_list,
      .doc = "What runs, and what came of jobs that ended lately.", .command = "lodge jobs" },
    { "GET", "/jobs/{job}", HTTP_VIEW, .answer = job_fields, .handle = handle_get,
      .doc = "A job; with 'Prefer: wait=N' when it has ended, or after N seconds." },
    { "DELETE", "/jobs/{job}", HTTP_OPERATE, .status = 204, .handle = handle_cancel,
      .doc = "Asks a job to end." },
    { 0 },
};
