/* What a guest's agent says and does, and how a viewer of this desk reaches its screen. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/domain_def.h"
#include "core/object_class.h"
#include "http/answer.h"
#include "http/machine_json.h"
#include "http/program.h"
#include "http/route.h"
#include "wire/wire_enums.h"

/* ---- what it says ---- */

static const HttpField user_fields[] = {
    { "name", HTTP_STRING, .required = true },
    { "login_time", HTTP_TIME, .required = true, .nullable = true },
    { 0 },
};
static const HttpField interface_fields[] = {
    { "name", HTTP_STRING, .required = true },
    { "mac", HTTP_STRING, .required = true, .nullable = true },
    { "addresses", HTTP_STRINGS, .required = true },
    { 0 },
};
static const HttpField filesystem_fields[] = {
    { "mountpoint", HTTP_STRING, .required = true },
    { "type", HTTP_STRING, .required = true, .nullable = true },
    { "device", HTTP_STRING, .required = true, .nullable = true, .doc = "as the guest names it" },
    { "total_bytes", HTTP_UINT, .required = true, .nullable = true },
    { "used_bytes", HTTP_UINT, .required = true, .nullable = true },
    { 0 },
};
static const HttpField guest_fields[] = {
    { "agent", HTTP_BOOL, .required = true, .doc = "it answers" },
    { "problem", HTTP_STRING, .required = true, .nullable = true, .doc = "why it does not" },
    { "hostname", HTTP_STRING, .required = true, .nullable = true },
    { "os", HTTP_STRING, .required = true, .nullable = true },
    { "kernel", HTTP_STRING, .required = true, .nullable = true },
    { "timezone", HTTP_STRING, .required = true, .nullable = true },
    { "users", HTTP_OBJECTS, .required = true, .fields = user_fields },
    { "interfaces", HTTP_OBJECTS, .required = true, .fields = interface_fields },
    { "filesystems", HTTP_OBJECTS, .required = true, .fields = filesystem_fields },
    { 0 },
};

typedef WireDomainGetGuestInfoRet Info;

PRINTF(2, 0) static const WireTypedParam *info_find(const Info *info, const char *format, va_list ap)
{
    char name[96];

    g_vsnprintf(name, sizeof name, format, ap);
    for (unsigned i = 0; i < info->n_params; i++) {
        if (strcmp(info->params[i].field, name) == 0)
            return &info->params[i];
    }
    return NULL;
}

/* Text, null if it is not told. */
PRINTF(2, 3) static Json *info_text(const Info *info, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    const WireTypedParam *param = info_find(info, format, ap);
    va_end(ap);
    return http_json_text(param && param->value.type == VIR_TYPED_PARAM_STRING ? param->value.s : NULL);
}

/* "" instead of null, where an answer must have a text. */
static Json *text_of(Json *text)
{
    if (!json_is_null(text))
        return text;
    json_decref(text);
    return json_string("");
}

/* A number, negative if it is not told. */
PRINTF(2, 3) static int64_t info_number(const Info *info, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    const WireTypedParam *param = info_find(info, format, ap);
    va_end(ap);
    if (!param || param->value.type == VIR_TYPED_PARAM_STRING)
        return -1;
    return param->value.type == VIR_TYPED_PARAM_UINT  ? param->value.ui
           : param->value.type == VIR_TYPED_PARAM_INT ? param->value.i
                                                      : (int64_t)(param->value.ul & INT64_MAX);
}

static Json *number_or_null(int64_t number)
{
    return number >= 0 ? json_integer(number) : json_null();
}

static Json *info_users(const Info *info)
{
    Json *list = json_array();

    for (int i = 0; i < info_number(info, "user.count"); i++)
        json_array_append_new(list,
                              json_pack("{s:o,s:o}", "name", text_of(info_text(info, "user.%d.name", i)),
                                        "login_time",
                                        http_json_time(MAX(info_number(info, "user.%d.login-time", i), 0) /
                                                       1000)));
    return list;
}

static Json *info_interfaces(const Info *info)
{
    Json *list = json_array();

    for (int i = 0; i < info_number(info, "if.count"); i++) {
        Json *addresses = json_array();
        for (int k = 0; k < info_number(info, "if.%d.addr.count", i); k++)
            json_array_append_new(addresses, text_of(info_text(info, "if.%d.addr.%d.addr", i, k)));
        json_array_append_new(list,
                              json_pack("{s:o,s:o,s:o}", "name", text_of(info_text(info, "if.%d.name", i)),
                                        "mac", info_text(info, "if.%d.hwaddr", i), "addresses", addresses));
    }
    return list;
}

static Json *info_filesystems(const Info *info)
{
    Json *list = json_array();

    for (int i = 0; i < info_number(info, "fs.count"); i++)
        json_array_append_new(list, json_pack("{s:o,s:o,s:o,s:o,s:o}", "mountpoint",
                                              text_of(info_text(info, "fs.%d.mountpoint", i)), "type",
                                              info_text(info, "fs.%d.fstype", i), "device",
                                              info_text(info, "fs.%d.name", i), "total_bytes",
                                              number_or_null(info_number(info, "fs.%d.total-bytes", i)),
                                              "used_bytes",
                                              number_or_null(info_number(info, "fs.%d.used-bytes", i))));
    return list;
}

static bool handle_guest(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    g_autoptr(Error) why = NULL;
    g_auto(WireDomainGetGuestInfoRet) info = { 0 };

    if (!vm)
        return false;
    const WireDomainGetGuestInfoArgs args = { .dom = machine_handle(vm) };
    const bool ok = HTTP_CALL(req, domain_get_guest_info, &args, &info, &why);
    if (!ok && error_code(why) != ERROR_AGENT_UNRESPONSIVE && error_code(why) != ERROR_INVALID_STATE &&
        error_code(why) != ERROR_ARGUMENT_UNSUPPORTED)
        return error_propagate(err, g_steal_pointer(&why));
    return http_answer_json(req, 200,
                            json_pack("{s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "agent", (int)ok, "problem",
                                      http_json_text(ok ? NULL : error_message(why)), "hostname",
                                      info_text(&info, "hostname"), "os", info_text(&info, "os.pretty-name"),
                                      "kernel", info_text(&info, "os.kernel-release"), "timezone",
                                      info_text(&info, "timezone.name"), "users", info_users(&info),
                                      "interfaces", info_interfaces(&info), "filesystems",
                                      info_filesystems(&info)));
}

/* ---- what it does ---- */

static const HttpField password_body[] = {
    { "user", HTTP_STRING, .required = true },
    { "password", HTTP_STRING, .required = true },
    { 0 },
};

static bool handle_password(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);

    if (!vm)
        return false;
    const WireDomainSetUserPasswordArgs args = { .dom = machine_handle(vm),
                                                 .user = (char *)json_get_str(req->body, "user"),
                                                 .password = (char *)json_get_str(req->body, "password") };
    return HTTP_CALL(req, domain_set_user_password, &args, NULL, err) && http_answer_none(req);
}

static const HttpField exec_body[] = {
    { "command", HTTP_STRINGS, .required = true, .doc = "a program and its arguments; no shell" },
    { "input", HTTP_STRING, .nullable = true, .doc = "for its standard input" },
    { "timeout_s", HTTP_UINT, .nullable = true, .doc = "it is ended then" },
    { 0 },
};
static const HttpField exec_fields[] = {
    { "status", HTTP_INT, .required = true },
    { "out", HTTP_STRING, .required = true },
    { "err", HTTP_STRING, .required = true },
    { 0 },
};

/* What is not UTF-8 is replaced. */
static Json *text_of_base64(const char *base64)
{
    gsize len = 0;
    g_autofree guchar *data = g_base64_decode(base64 ? base64 : "", &len);
    g_autofree char *text = g_utf8_make_valid((const char *)data, (gssize)len);

    return json_string(text);
}

static bool handle_exec(HttpRequest *req, Error **err)
{
    static const HttpWord options[] = { { "timeout_s", "timeout" }, { 0 } };
    g_autoptr(Vm) vm = machine_of(req, err);
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    const char *input = json_get_str(req->body, "input");
    char uuid[UUID_STRING_LEN];
    AUTO_JSON done = NULL;
    const Json *word;
    size_t i;

    if (!vm)
        return false;
    uuid_format(vm_uuid(vm), uuid);
    g_ptr_array_add(words, uuid);
    json_array_foreach (json_get_arr(req->body, "command"), i, word)
        g_ptr_array_add(words, (void *)json_string_value(word));
    g_ptr_array_add(words, NULL);
    const HttpProgram program = {
        .command = "exec", .options = options, .words = (const char *const *)words->pdata, .input = input
    };
    return http_program_run(req, &program, &done, err) &&
           http_answer_json(req, 200,
                            json_pack("{s:I,s:o,s:o}", "status",
                                      (json_int_t)json_get_int(done, "exit_code", 255), "out",
                                      text_of_base64(json_get_str(done, "stdout_base64")), "err",
                                      text_of_base64(json_get_str(done, "stderr_base64"))));
}

/* ---- virt-viewer ---- */

static const HttpField viewer_query[] = { { "display", HTTP_UINT, .doc = "which of several; 0" }, { 0 } };

static bool address_is_local(const char *address)
{
    return g_str_has_prefix(address, "127.") || strcmp(address, "::1") == 0 || strcmp(address, "unix") == 0;
}

/* Where whoever asks reaches what listens on @address: there, or where they reached this. Owned; NULL:
 * nowhere.
 */
static char *address_for(const HttpRequest *req, const char *address)
{
    g_autofree char *host = g_strdup(http_header(req, "Host"));

    if (address_is_local(address))
        return address_is_local(req->from) ? g_strdup(address) : NULL;
    if (strcmp(address, "0.0.0.0") != 0 && strcmp(address, "::") != 0)
        return g_strdup(address);
    if (!host || !*host)
        return NULL;
    char *end = *host == '[' ? strchr(host, ']') : strchr(host, ':');
    if (end)
        *end = '\0';
    return g_strdup(*host == '[' ? host + 1 : host);
}

static bool handle_viewer(HttpRequest *req, Error **err)
{
    g_autoptr(Vm) vm = machine_of(req, err);
    uint64_t index;

    if (!vm || !http_query_uint(&req->target, "display", 0, 16, &index, err))
        return false;
    const DomainDef *def = vm_is_running(vm) ? vm_object(vm)->live : NULL;
    if (!def)
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    const GraphicsDef *graphics =
        def->graphics && index < def->graphics->len ? g_ptr_array_index(def->graphics, index) : NULL;
    if (!graphics || (graphics->type != GRAPHICS_VNC && graphics->type != GRAPHICS_SPICE))
        return error_set(err, ERROR_DEVICE_MISSING, "machine '%s' has no display %u for virt-viewer",
                         vm_name(vm), (unsigned)index);
    const ListenDef *listen =
        graphics->listens && graphics->listens->len ? g_ptr_array_index(graphics->listens, 0) : NULL;
    const char *address = listen && listen->address ? listen->address : "127.0.0.1";
    const bool has_port = graphics->port > 0 || graphics->tls_port > 0;
    g_autofree char *host = has_port && !(listen && listen->socket) ? address_for(req, address) : NULL;
    if (!host) {
        error_set(err, ERROR_OPERATION_FAILED, "the display of '%s' cannot be reached from %s: it %s%s",
                  vm_name(vm), req->from, has_port ? "listens on " : "has no port", has_port ? address : "");
        return error_hint(err,
                          "open it in the page, or let it listen on an address of the network: 'lodge edit "
                          "%s'",
                          vm_name(vm));
    }
    g_autoptr(GString) text = g_string_new("[virt-viewer]\n");
    g_string_append_printf(text, "type=%s\nhost=%s\n", enum_name(&graphics_type_names, graphics->type), host);
    if (graphics->port > 0)
        g_string_append_printf(text, "port=%d\n", graphics->port);
    if (graphics->tls_port > 0)
        g_string_append_printf(text, "tls-port=%d\n", graphics->tls_port);
    g_string_append_printf(text, "title=%s\ndelete-this-file=1\n", vm_name(vm));
    g_autofree char *disposition = g_strdup_printf("attachment; filename=\"%s.vv\"", vm_name(vm));
    if (strspn(vm_name(vm), G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._-") == strlen(vm_name(vm)))
        http_add_header(req, "Content-Disposition", disposition);
    return http_answer_text(req, 200, "application/x-virt-viewer",
                            g_string_free(g_steal_pointer(&text), FALSE));
}

const HttpRoute http_routes_guest[] = {
    { "GET", "/machines/{machine}/guest", HTTP_OPERATE, .flags = HTTP_MACHINE, .answer = guest_fields,
      .handle = handle_guest, .doc = "What the guest's agent tells of it.",
      .command = "lodge guestinfo MACHINE" },
    { "POST", "/machines/{machine}/guest/password", HTTP_ADMIN, .flags = HTTP_MACHINE, .body = password_body,
      .status = 204, .handle = handle_password, .doc = "Gives a user of the guest a password.",
      .command = "lodge set-user-password MACHINE USER" },
    { "POST", "/machines/{machine}/guest/exec", HTTP_ADMIN, .flags = HTTP_MACHINE | HTTP_LONG,
      .body = exec_body, .answer = exec_fields, .handle = handle_exec, .doc = "Runs a command in the guest.",
      .command = "lodge exec MACHINE -- COMMAND" },
    { "GET", "/machines/{machine}/screen.vv", HTTP_OPERATE, .flags = HTTP_MACHINE, .query = viewer_query,
      .type = "application/x-virt-viewer", .handle = handle_viewer,
      .doc =
          "A file that opens the display in virt-viewer, if it can be reached from where it is asked for." },
    { 0 },
};
