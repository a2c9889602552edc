/* Fetches a file from a server into NAME.part, and goes on where an earlier attempt ended.
 *
 * What is there already is only kept if the server says that it still has the same file: it is asked for the
 * rest with If-Range and the mark (ETag or date) that lies in NAME.part.tag. A server that gives no mark is
 * believed only if a checksum decides in the end. The caller gives the file its name when this succeeded.
 *
 * Request: {url, part, sha256 | sha512, is_image, stall_s, total_s, max_bytes, proxy, no_proxy, ca}
 * Answer: {bytes, resumed, sha256, type} */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "media/media.h"
#include "media/verbs.h"

#define TAG_MAX 1024
#define STALL_S 30
#define CONNECT_S 30
#define HEAD_BYTES 512 /* looked at to tell a page from a file */

typedef struct Fetch {
    const char *url;
    int fd, tag_fd;
    uint64_t begin;     /* bytes that were there */
    uint64_t done;      /* bytes that are there now */
    uint64_t max_bytes; /* 0: any */
    char tag[TAG_MAX];  /* of what is there; "": none */
    char new_tag[TAG_MAX], date[TAG_MAX];
    uint64_t range_begin;
    bool has_range, is_image, has_begun, is_complete;
    gcry_md_hd_t hash;
    CURL *curl;
    Error *why; /* what made a callback refuse */
} Fetch;

/* A file that is not there may be somewhere else: who asks can tell that from a failure. */
static ErrorCode status_code(long status)
{
    return status == 404 || status == 410 || status == 550 ? ERROR_NO_STORAGE_VOL : ERROR_OPERATION_FAILED;
}

/* ---- what came before ---- */

/* A mark belongs to an address: another one is another file. */
static void load_tag(Fetch *fetch)
{
    char text[TAG_MAX * 2] = "";
    const ssize_t n = pread(fetch->tag_fd, text, sizeof(text) - 1, 0);
    char *end = n > 0 ? strchr(text, '\n') : NULL;

    if (!end)
        return;
    *end = '\0';
    char *last = strchr(end + 1, '\n');
    if (last && strcmp(text, fetch->url) == 0) {
        *last = '\0';
        g_strlcpy(fetch->tag, end + 1, sizeof(fetch->tag));
    }
}

static void save_tag(Fetch *fetch)
{
    /* A weak mark says that files are alike, not that their bytes are. */
    const bool is_strong = fetch->new_tag[0] && strncmp(fetch->new_tag, "W/", 2) != 0;
    g_autofree char *text = g_strdup_printf("%s\n%s\n", fetch->url, is_strong ? fetch->new_tag : fetch->date);

    if (ftruncate(fetch->tag_fd, 0) == 0)
        (void)!pwrite(fetch->tag_fd, text, strlen(text), 0); /* without it the next attempt begins anew */
}

static bool hash_file(Fetch *fetch, Error **err)
{
    g_autofree char *buffer = g_malloc(1 << 20);
    uint64_t at = 0;

    while (at < fetch->begin) {
        const ssize_t n = pread(fetch->fd, buffer, MIN((size_t)1 << 20, fetch->begin - at), (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set_errno(err, n ? errno : EIO, "cannot read what was fetched before");
        gcry_md_write(fetch->hash, buffer, (size_t)n);
        at += (uint64_t)n;
    }
    return true;
}

/* ---- what the server says ---- */

static bool header_value(const char *line, size_t len, const char *name, char *ret_value)
{
    const size_t name_len = strlen(name);

    if (len <= name_len || g_ascii_strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
        return false;
    g_autofree char *value = g_strndup(line + name_len + 1, MIN(len - name_len - 1, TAG_MAX - 1));
    g_strlcpy(ret_value, g_strstrip(value), TAG_MAX);
    return true;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    Fetch *fetch = arg;
    const size_t len = size * count;
    char range[TAG_MAX];

    if (len > 5 && g_ascii_strncasecmp(line, "HTTP/", 5) == 0) { /* of the next answer, after a redirect */
        fetch->new_tag[0] = fetch->date[0] = '\0';
        fetch->has_range = false;
    }
    (void)(header_value(line, len, "ETag", fetch->new_tag) ||
           header_value(line, len, "Last-Modified", fetch->date));
    if (header_value(line, len, "Content-Range", range))
        fetch->has_range = sscanf(range, "bytes %" SCNu64 "-", &fetch->range_begin) == 1;
    return len;
}

static size_t refuse(Fetch *fetch)
{
    return fetch->why ? 0 : error_set(&fetch->why, ERROR_OPERATION_FAILED, "it cannot be taken");
}

static bool is_page(const Fetch *fetch, const char *data, size_t len)
{
    const char *type = NULL;
    g_autofree char *head = g_strndup(data, MIN(len, HEAD_BYTES));

    (void)curl_easy_getinfo(fetch->curl, CURLINFO_CONTENT_TYPE, &type);
    g_strchug(head);
    return (type && g_ascii_strncasecmp(type, "text/html", 9) == 0) ||
           g_ascii_strncasecmp(head, "<!doctype html", 14) == 0 || g_ascii_strncasecmp(head, "<html", 5) == 0;
}

/* The first bytes: only now is it known whether the server goes on or begins again. */
static bool take_first(Fetch *fetch, const char *data, size_t len)
{
    long status = 0;

    fetch->has_begun = true;
    (void)curl_easy_getinfo(fetch->curl, CURLINFO_RESPONSE_CODE, &status);
    const bool is_http = g_ascii_strncasecmp(fetch->url, "http", 4) == 0;
    if (is_http && status != 200 && status != 206)
        return error_set(&fetch->why, status_code(status), "the server answers %ld", status);
    const bool goes_on =
        fetch->begin &&
        (!is_http || (status == 206 && fetch->has_range && fetch->range_begin == fetch->begin));
    if (is_http && status == 206 && !goes_on)
        return error_set(&fetch->why, ERROR_OPERATION_FAILED, "the server sends another part than asked for");
    if (!goes_on && fetch->is_image && is_page(fetch, data, len)) {
        error_set(&fetch->why, ERROR_OPERATION_FAILED, "the server sends a web page and no image");
        return error_hint(&fetch->why, "is the address right, and does a proxy or a login page answer?");
    }
    if (!goes_on) {
        fetch->begin = fetch->done = 0;
        gcry_md_reset(fetch->hash);
        if (ftruncate(fetch->fd, 0) < 0 || lseek(fetch->fd, 0, SEEK_SET) < 0)
            return error_set_errno(&fetch->why, errno, "cannot begin again");
        save_tag(fetch);
    }
    return true;
}

static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
    Fetch *fetch = arg;
    const size_t len = size * count;

    if (!fetch->has_begun && !take_first(fetch, data, len))
        return refuse(fetch);
    if (fetch->max_bytes && fetch->done + len > fetch->max_bytes) {
        error_set(&fetch->why, ERROR_OVERFLOW, "it is larger than %" PRIu64 " bytes", fetch->max_bytes);
        return refuse(fetch);
    }
    if (!file_write_all(fetch->fd, data, len)) {
        error_set_errno(&fetch->why, errno, "cannot write what is fetched");
        return refuse(fetch);
    }
    gcry_md_write(fetch->hash, data, len);
    fetch->done += len;
    return len;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
    Fetch *fetch = arg;

    if (fetch->has_begun)
        media_progress(fetch->done, total > 0 ? fetch->begin + (uint64_t)total : 0);
    return 0;
}

/* ---- asking ---- */

/* Of HTTP by hand: libcurl takes a whole file in answer to a part of it for a failure. */
static struct curl_slist *ask_for_rest(Fetch *fetch)
{
    struct curl_slist *headers = NULL;

    if (!fetch->begin)
        return NULL;
    if (g_ascii_strncasecmp(fetch->url, "http", 4) != 0) {
        curl_easy_setopt(fetch->curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)fetch->begin);
        return NULL;
    }
    g_autofree char *range = g_strdup_printf("Range: bytes=%" PRIu64 "-", fetch->begin);
    headers = curl_slist_append(NULL, range);
    if (fetch->tag[0]) {
        g_autofree char *line = g_strdup_printf("If-Range: %s", fetch->tag);
        headers = curl_slist_append(headers, line);
    }
    curl_easy_setopt(fetch->curl, CURLOPT_HTTPHEADER, headers);
    return headers;
}

static void set_options(Fetch *fetch, const Json *request)
{
    CURL *curl = fetch->curl;
    const uint64_t stall_s = json_get_uint(request, "stall_s", STALL_S);

    curl_easy_reset(curl); /* what an earlier attempt asked for */
    curl_easy_setopt(curl, CURLOPT_URL, fetch->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,ftp,ftps,file");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https,ftp,ftps"); /* never to our own files */
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)stall_s);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)json_get_uint(request, "total_s", 0));
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "lodge/" LODGE_VERSION);
    if (json_get_str(request, "proxy"))
        curl_easy_setopt(curl, CURLOPT_PROXY, json_get_str(request, "proxy"));
    if (json_get_str(request, "no_proxy"))
        curl_easy_setopt(curl, CURLOPT_NOPROXY, json_get_str(request, "no_proxy"));
    if (json_get_str(request, "ca"))
        curl_easy_setopt(curl, CURLOPT_CAINFO, json_get_str(request, "ca"));
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, fetch);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, fetch);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, fetch);
}

static bool tell_failure(Fetch *fetch, CURLcode code, uint64_t stall_s, const char *said, Error **err)
{
    if (fetch->why)
        return error_propagate(err, g_steal_pointer(&fetch->why));
    if (code == CURLE_OPERATION_TIMEDOUT)
        error_set(err, ERROR_TIMEOUT, "nothing came for %" PRIu64 " s, or it took longer than allowed",
                  stall_s);
    else if (code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING)
        error_set(err, ERROR_OPERATION_FAILED, "the server broke off after %" PRIu64 " bytes", fetch->done);
    else
        return error_set(err, ERROR_OPERATION_FAILED, "%s", *said ? said : curl_easy_strerror(code));
    return error_hint(err, "the same command goes on where it ended");
}

static bool perform(Fetch *fetch, const Json *request, Error **err)
{
    char said[CURL_ERROR_SIZE] = "";
    long status = 0;

    set_options(fetch, request);
    curl_easy_setopt(fetch->curl, CURLOPT_ERRORBUFFER, said);
    struct curl_slist *headers = ask_for_rest(fetch);
    const CURLcode code = curl_easy_perform(fetch->curl);
    (void)curl_easy_getinfo(fetch->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    if (status == 416 && fetch->begin) { /* nothing behind what is there: another file, or all of it */
        g_clear_pointer(&fetch->why, error_free);
        fetch->is_complete = true;
        return true;
    }
    if (code != CURLE_OK)
        return tell_failure(fetch, code, json_get_uint(request, "stall_s", STALL_S), said, err);
    if (!fetch->has_begun && status >= 300)
        return error_set(err, status_code(status), "the server answers %ld", status);
    if (!fetch->has_begun && !fetch->begin && ftruncate(fetch->fd, 0) < 0)
        return error_set_errno(err, errno, "cannot empty it");
    return true;
}

static char *digest(Fetch *fetch, int algorithm)
{
    const unsigned len = gcry_md_get_algo_dlen(algorithm);
    const unsigned char *bytes = gcry_md_read(fetch->hash, algorithm);
    GString *text = g_string_sized_new(len * 2);

    for (unsigned i = 0; i < len; i++)
        g_string_append_printf(text, "%02x", bytes[i]);
    return g_string_free(text, FALSE);
}

/* What is not what it should be is of no use: it is emptied, so that the next attempt begins anew. */
static bool check_sum(Fetch *fetch, const Json *request, const char *sha256, Error **err)
{
    const char *wanted = json_get_str(request, "sha512");
    g_autofree char *got = wanted ? digest(fetch, GCRY_MD_SHA512) : g_strdup(sha256);

    if (!wanted)
        wanted = json_get_str(request, "sha256");
    if (!wanted || g_ascii_strcasecmp(wanted, got) == 0)
        return true;
    (void)!ftruncate(fetch->fd, 0);
    (void)!ftruncate(fetch->tag_fd, 0);
    error_set(err, ERROR_OPERATION_FAILED, "its checksum is %s and should be %s", got, wanted);
    return error_hint(err, "the file on the server is damaged, or newer than what names its checksum");
}

static bool open_files(Fetch *fetch, const char *part, bool has_sum, Error **err)
{
    g_autofree char *tag = g_strconcat(part, ".tag", NULL);
    struct stat st;

    fetch->fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    fetch->tag_fd = open(tag, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fetch->fd < 0 || fetch->tag_fd < 0 || fstat(fetch->fd, &st) < 0)
        return error_set_errno(err, errno, "cannot write '%s'", part);
    struct flock lock = { .l_type = F_WRLCK };
    if (fcntl(fetch->fd, F_OFD_SETLK, &lock) < 0)
        return error_set(err, ERROR_BUSY, "another command fetches it just now");
    load_tag(fetch);
    if ((fetch->tag[0] || has_sum) && g_ascii_strncasecmp(fetch->url, "file:", 5) != 0)
        fetch->begin = fetch->done = (uint64_t)st.st_size;
    if (lseek(fetch->fd, (off_t)fetch->begin, SEEK_SET) < 0 || (!fetch->begin && ftruncate(fetch->fd, 0) < 0))
        return error_set_errno(err, errno, "cannot write '%s'", part);
    return true;
}

static bool begin_anew(Fetch *fetch, Error **err)
{
    fetch->begin = fetch->done = fetch->range_begin = 0;
    fetch->has_range = fetch->has_begun = fetch->is_complete = false;
    fetch->tag[0] = fetch->new_tag[0] = fetch->date[0] = '\0';
    gcry_md_reset(fetch->hash);
    return (ftruncate(fetch->fd, 0) == 0 && lseek(fetch->fd, 0, SEEK_SET) == 0) ||
           error_set_errno(err, errno, "cannot empty it");
}

static bool fetch_run(Fetch *fetch, const Json *request, Json **ret_result, Error **err)
{
    const uint64_t before = fetch->begin;

    const bool has_sum = json_get_str(request, "sha256") || json_get_str(request, "sha512");
    if (!hash_file(fetch, err) || !perform(fetch, request, err))
        return false;
    /* All of it was there, or the server's file is a shorter one: without a sum nobody can tell. */
    if (fetch->is_complete && !has_sum && !(begin_anew(fetch, err) && perform(fetch, request, err)))
        return false;
    g_autofree char *sha256 = digest(fetch, GCRY_MD_SHA256);
    if (!check_sum(fetch, request, sha256, err))
        return false;
    if (fsync(fetch->fd) < 0)
        return error_set_errno(err, errno, "cannot write what was fetched");
    const char *type = NULL;
    (void)curl_easy_getinfo(fetch->curl, CURLINFO_CONTENT_TYPE, &type);
    *ret_result = json_pack("{s:I, s:I, s:s, s:s?}", "bytes", (json_int_t)fetch->done, "resumed",
                            (json_int_t)(fetch->begin ? before : 0), "sha256", sha256, "type",
                            type && g_utf8_validate(type, -1, NULL) ? type : NULL);
    return true;
}

bool media_fetch(const Json *request, Json **ret_result, Error **err)
{
    const char *part = json_get_str(request, "part");
    const bool has_sum = json_get_str(request, "sha256") || json_get_str(request, "sha512");
    Fetch fetch = { .url = json_get_str(request, "url"),
                    .fd = -1,
                    .tag_fd = -1,
                    .is_image = json_get_bool(request, "is_image", false),
                    .max_bytes = json_get_uint(request, "max_bytes", 0) };

    if (!fetch.url || !part || strpbrk(fetch.url, "\r\n"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "what is to be fetched needs a URL and a file");
    bool ok = open_files(&fetch, part, has_sum, err);
    /* A file of this host is read as who asks for it; servers are talked to by nobody. */
    if (ok && g_ascii_strncasecmp(fetch.url, "file:", 5) != 0)
        ok = media_confine("/", NULL, err);
    if (ok) {
        fetch.hash = digest_open(GCRY_MD_SHA256);
        if (json_get_str(request, "sha512"))
            gcry_md_enable(fetch.hash, GCRY_MD_SHA512);
        (void)curl_global_init(CURL_GLOBAL_DEFAULT);
        fetch.curl = curl_easy_init();
        ok = fetch_run(&fetch, request, ret_result, err);
        curl_easy_cleanup(fetch.curl);
        gcry_md_close(fetch.hash);
    }
    if (!ok && err && *err && !strstr(error_message(*err), fetch.url))
        error_prefix(err, "fetching '%s'", fetch.url);
    fd_cleanup(&fetch.fd);
    fd_cleanup(&fetch.tag_fd);
    return ok;
}
