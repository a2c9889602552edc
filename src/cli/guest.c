/* Programs and files of a guest, by its agent. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/guest.h"

#include <string.h>

#include "base/fiber.h"

#define GUEST_ANSWER_S 60
#define GUEST_POLL_MIN_MS 10
#define GUEST_POLL_MAX_MS 500

bool guest_ask(const Guest *guest, const char *command, Json *args, Json **ret_answer, Error **err)
{
    AUTO_JSON object = json_object();
    AUTO_JSON answer = NULL;
    g_auto(WireQemuDomainAgentCommandRet) ret = { 0 };

    json_object_set_new(object, "execute", json_string(command));
    if (args)
        json_object_set_new(object, "arguments", args);
    g_autofree char *text = json_format(object);
    const WireQemuDomainAgentCommandArgs call = { .dom = *guest->dom,
                                                  .cmd = text,
                                                  .timeout = GUEST_ANSWER_S };
    if (!wire_call(guest->cli->client, WIRE_PROGRAM_QEMU, QEMU_PROC_DOMAIN_AGENT_COMMAND, &call, &ret,
                   WIRE_NO_TIMEOUT, err))
        return false;
    const char *said = ret.result ? ret.result : "{}";
    if (!json_parse(said, strlen(said), "the agent's answer", &answer, err))
        return false;
    if (!json_object_get(answer, "return"))
        return error_set(err, ERROR_OPERATION_FAILED, "the agent's answer to '%s' makes no sense", command);
    if (ret_answer)
        *ret_answer = json_incref(json_object_get(answer, "return"));
    return true;
}

/* Owned; a NUL follows. */
static char *guest_decode(const Json *answer, const char *member, size_t *ret_len)
{
    const char *text = json_get_str(answer, member);
    char *data = g_strdup(text ? text : "");
    gsize len = 0;

    if (strlen(data) > 1) /* less is nothing, which the decoder refuses */
        g_base64_decode_inplace(data, &len);
    data[len] = '\0'; /* it is shorter than its text */
    *ret_len = len;
    return data;
}

static Json *guest_encode(const char *data, size_t len)
{
    g_autofree char *text = g_base64_encode((const guchar *)data, len);

    return json_string(text);
}

/* ---- files ---- */

bool guest_file_open(const Guest *guest, const char *path, const char *mode, GuestFile *ret_file, Error **err)
{
    AUTO_JSON answer = NULL;
    Json *args = json_pack("{s:s, s:s}", "path", path, "mode", mode);

    if (!args)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the path '%s' is not valid UTF-8", path);
    if (!guest_ask(guest, "guest-file-open", args, &answer, err))
        return false;
    if (!json_is_integer(answer))
        return error_set(err, ERROR_OPERATION_FAILED, "the agent gave no handle of '%s'", path);
    *ret_file = json_integer_value(answer);
    return true;
}

bool guest_file_close(const Guest *guest, GuestFile file, Error **err)
{
    return guest_ask(guest, "guest-file-close", json_pack("{s:I}", "handle", (json_int_t)file), NULL, err);
}

bool guest_file_read(const Guest *guest, GuestFile file, char **ret_data, size_t *ret_len, Error **err)
{
    AUTO_JSON answer = NULL;

    if (!guest_ask(guest, "guest-file-read",
                   json_pack("{s:I, s:I}", "handle", (json_int_t)file, "count",
                             (json_int_t)GUEST_CHUNK_BYTES),
                   &answer, err))
        return false;
    g_autofree char *data = guest_decode(answer, "buf-b64", ret_len);
    if (*ret_len > GUEST_CHUNK_BYTES)
        return error_set(err, ERROR_OPERATION_FAILED, "the agent sent more than it was asked for");
    *ret_data = g_steal_pointer(&data);
    return true;
}

bool guest_file_write(const Guest *guest, GuestFile file, const char *data, size_t len, Error **err)
{
    while (len > 0) {
        AUTO_JSON answer = NULL;
        const size_t some = MIN(len, GUEST_CHUNK_BYTES);
        if (!guest_ask(guest, "guest-file-write",
                       json_pack("{s:I, s:o}", "handle", (json_int_t)file, "buf-b64",
                                 guest_encode(data, some)),
                       &answer, err))
            return false;
        const int64_t count = json_get_int(answer, "count", 0);
        if (count <= 0 || (size_t)count > some)
            return error_set(err, ERROR_OPERATION_FAILED, "the guest could not write");
        data += count;
        len -= (size_t)count;
    }
    return true;
}

/* ---- programs ---- */

void guest_exit_clear(GuestExit *ended)
{
    g_free(ended->out);
    g_free(ended->err);
    *ended = (GuestExit){ 0 };
}

bool guest_start(const Guest *guest, const char *const *argv, const char *input, size_t input_len,
                 bool capture, int64_t *ret_pid, Error **err)
{
    AUTO_JSON answer = NULL;
    AUTO_JSON list = json_array();

    for (const char *const *word = argv + 1; *word; word++) {
        if (json_array_append_new(list, json_string(*word)) < 0)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "an argument is not valid UTF-8, which the agent's "
                             "protocol cannot say");
    }
    Json *args = json_pack("{s:s, s:O, s:b}", "path", argv[0], "arg", list, "capture-output", capture);
    if (!args)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the program's path is not valid UTF-8");
    if (input)
        json_object_set_new(args, "input-data", guest_encode(input, input_len));
    if (!guest_ask(guest, "guest-exec", args, &answer, err))
        return false;
    *ret_pid = json_get_int(answer, "pid", -1);
    return *ret_pid >= 0 || error_set(err, ERROR_OPERATION_FAILED, "the agent gave no number of the program");
}

bool guest_has_ended(const Guest *guest, int64_t pid, bool *ret_has, GuestExit *ret_ended, Error **err)
{
    AUTO_JSON answer = NULL;

    if (!guest_ask(guest, "guest-exec-status", json_pack("{s:I}", "pid", (json_int_t)pid), &answer, err))
        return false;
    *ret_has = json_get_bool(answer, "exited", false);
    if (!*ret_has)
        return true;
    const int64_t number = json_get_int(answer, "signal", 0);
    ret_ended->code = (int)(number > 0 ? 128 + (number & 127) : json_get_int(answer, "exitcode", 0) & 255);
    ret_ended->out = guest_decode(answer, "out-data", &ret_ended->out_len);
    ret_ended->err = guest_decode(answer, "err-data", &ret_ended->err_len);
    ret_ended->out_cut = json_get_bool(answer, "out-truncated", false);
    ret_ended->err_cut = json_get_bool(answer, "err-truncated", false);
    return true;
}

bool guest_back_off(unsigned *delay_ms, Error **err)
{
    *delay_ms = CLAMP(*delay_ms * 3 / 2, GUEST_POLL_MIN_MS, GUEST_POLL_MAX_MS);
    return fiber_sleep(*delay_ms, err);
}

bool guest_run(const Guest *guest, const char *const *argv, uint64_t timeout_ms, GuestExit *ret_ended,
               Error **err)
{
    const int64_t end_us = g_get_monotonic_time() + (int64_t)timeout_ms * 1000;
    int64_t pid;
    unsigned delay_ms = 0;
    bool has = false;

    if (!guest_start(guest, argv, NULL, 0, true, &pid, err))
        return false;
    for (;;) {
        if (!guest_has_ended(guest, pid, &has, ret_ended, err))
            return false;
        if (has)
            return true;
        if (g_get_monotonic_time() > end_us)
            return error_set(err, ERROR_TIMEOUT, "'%s' in the guest is not done within %d s", argv[0],
                             (int)(timeout_ms / 1000));
        if (!guest_back_off(&delay_ms, err))
            return false;
    }
}
