/* The OpenAPI document, from the rows that dispatch. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "http/route.h"

static Json *schema_of_fields(const HttpField *fields, bool closed);

static Json *schema_of_type(const HttpField *field)
{
    switch (field->type) {
    case HTTP_UINT:
        return json_pack("{s:s,s:i}", "type", "integer", "minimum", 0);
    case HTTP_INT:
        return json_pack("{s:s}", "type", "integer");
    case HTTP_NUMBER:
        return json_pack("{s:s}", "type", "number");
    case HTTP_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case HTTP_TIME:
        return json_pack("{s:s,s:s}", "type", "string", "format", "date-time");
    case HTTP_STRINGS:
        return json_pack("{s:s,s:{s:s}}", "type", "array", "items", "type", "string");
    case HTTP_OBJECT:
        return field->fields ? schema_of_fields(field->fields, false) : json_pack("{s:s}", "type", "object");
    case HTTP_OBJECTS:
        return json_pack("{s:s,s:o}", "type", "array", "items",
                         field->fields ? schema_of_fields(field->fields, false)
                                       : json_pack("{s:s}", "type", "object"));
    default:
        return json_pack("{s:s}", "type", "string");
    }
}

static Json *schema_of_field(const HttpField *field)
{
    Json *schema = schema_of_type(field);

    if (field->choices) {
        g_auto(GStrv) words = g_strsplit(field->choices, "|", -1);
        Json *choices = json_array();
        for (char **word = words; *word; word++)
            json_array_append_new(choices, json_string(*word));
        if (field->nullable)
            json_array_append_new(choices, json_null());
        json_object_set_new(schema, "enum", choices);
    }
    if (field->nullable)
        json_object_set_new(schema, "type", json_pack("[O,s]", json_object_get(schema, "type"), "null"));
    if (field->doc)
        json_object_set_new(schema, "description", json_string(field->doc));
    return schema;
}

/* @closed: nothing else may be there. */
static Json *schema_of_fields(const HttpField *fields, bool closed)
{
    Json *properties = json_object(), *required = json_array();

    for (const HttpField *field = fields; field->name; field++) {
        json_object_set_new(properties, field->name, schema_of_field(field));
        if (field->required)
            json_array_append_new(required, json_string(field->name));
    }
    Json *schema = json_pack("{s:s,s:o}", "type", "object", "properties", properties);
    if (json_array_size(required) > 0)
        json_object_set(schema, "required", required);
    json_decref(required);
    if (closed)
        json_object_set_new(schema, "additionalProperties", json_false());
    return schema;
}

/* ---- operations ---- */

static void add_path_parameters(const HttpRoute *route, Json *parameters)
{
    g_auto(GStrv) parts = g_strsplit(route->pattern, "/", -1);

    for (char **part = parts; *part; part++) {
        if (**part != '{')
            continue;
        g_autofree char *name = g_strndup(*part + 1, strlen(*part) - 2);
        json_array_append_new(parameters, json_pack("{s:s,s:s,s:b,s:{s:s}}", "name", name, "in", "path",
                                                    "required", 1, "schema", "type", "string"));
    }
}

static Json *operation_parameters(const HttpRoute *route)
{
    Json *parameters = json_array();

    add_path_parameters(route, parameters);
    for (const HttpField *field = route->query; field && field->name; field++)
        json_array_append_new(parameters,
                              json_pack("{s:s,s:s,s:b,s:o}", "name", field->name, "in", "query", "required",
                                        (int)field->required, "schema", schema_of_field(field)));
    return parameters;
}

static Json *operation_body(const HttpRoute *route)
{
    if (route->flags & (HTTP_BODY_STREAM | HTTP_RAW_BODY))
        return json_pack("{s:b,s:{s:{s:{s:s}}}}", "required", 1, "content",
                         route->type ? route->type : "application/octet-stream", "schema", "type", "string");
    if (!route->body)
        return NULL;
    return json_pack("{s:{s:{s:o}}}", "content", "application/json", "schema",
                     schema_of_fields(route->body, true));
}

static Json *operation_success(const HttpRoute *route)
{
    Json *answer = json_pack("{s:s}", "description", "done");

    if (route->answer) {
        Json *schema = schema_of_fields(route->answer, false);
        if (route->flags & HTTP_LIST)
            schema = json_pack("{s:s,s:[s],s:{s:{s:s,s:o}}}", "type", "object", "required", "items",
                               "properties", "items", "type", "array", "items", schema);
        json_object_set_new(answer, "content", json_pack("{s:{s:o}}", "application/json", "schema", schema));
    } else if (route->type && strcmp(route->method, "GET") == 0) {
        json_object_set_new(answer, "content",
                            json_pack("{s:{s:{s:s}}}", route->type, "schema", "type", "string"));
    }
    return answer;
}

static Json *operation_answers(const HttpRoute *route)
{
    char status[8];
    Json *answers = json_object();

    g_snprintf(status, sizeof status, "%u", route->status ? route->status : 200);
    json_object_set_new(answers, status, operation_success(route));
    if (route->flags & HTTP_LONG)
        json_object_set_new(answers, "202", json_pack("{s:s}", "$ref", "#/components/responses/Job"));
    json_object_set_new(answers, "4XX", json_pack("{s:s}", "$ref", "#/components/responses/Problem"));
    json_object_set_new(answers, "5XX", json_pack("{s:s}", "$ref", "#/components/responses/Problem"));
    return answers;
}

/* "get_machines_machine_xml" */
static char *operation_id(const HttpRoute *route)
{
    g_autoptr(GString) id = g_string_new(route->method);

    g_string_ascii_down(id);
    for (const char *at = route->pattern; *at; at++) {
        if (*at == '/' || *at == '-' || *at == '.')
            g_string_append_c(id, '_');
        else if (*at != '{' && *at != '}')
            g_string_append_c(id, *at);
    }
    return g_string_free(g_steal_pointer(&id), FALSE);
}

static Json *operation_of(const HttpRoute *route)
{
    static const char *const rights[] = { "anybody", "viewer", "operator", "admin" };
    g_autofree char *id = operation_id(route);
    g_auto(GStrv) parts = g_strsplit(route->pattern, "/", 3);
    Json *operation = json_pack("{s:s,s:s,s:[s],s:o,s:o,s:s,s:o*,s:s*}", "operationId", id, "summary",
                                route->doc, "tags", parts[1], "parameters", operation_parameters(route),
                                "responses", operation_answers(route), "x-lodge-role", rights[route->right],
                                "requestBody", operation_body(route), "x-lodge-command", route->command);

    if (route->right == HTTP_ANYONE)
        json_object_set_new(operation, "security", json_array());
    return operation;
}

static void add_paths(Json *paths, const HttpRoute *routes)
{
    for (const HttpRoute *route = routes; route->method; route++) {
        if (g_str_has_prefix(route->pattern, "//"))
            continue;
        g_autofree char *method = g_ascii_strdown(route->method, -1);
        Json *path = json_object_get(paths, route->pattern);
        if (!path) {
            path = json_object();
            json_object_set_new(paths, route->pattern, path);
        }
        json_object_set_new(path, method, operation_of(route));
    }
}

static const HttpField problem_fields[] = {
    { "type", HTTP_STRING, .required = true },
    { "title", HTTP_STRING, .required = true },
    { "status", HTTP_INT, .required = true },
    { "detail", HTTP_STRING, .doc = "what failed, on what, why" },
    { "code", HTTP_INT, .required = true, .doc = "libvirt's number of the error" },
    { "name", HTTP_STRING, .doc = "a word for programs" },
    { "hint", HTTP_STRING, .doc = "what to do about it" },
    { "command", HTTP_STRING, .doc = "a command of lodge that mends it" },
    { 0 },
};

static Json *openapi_components(void)
{
    Json *problem = json_pack("{s:s,s:{s:{s:o}}}", "description", "a problem", "content",
                              "application/problem+json", "schema", schema_of_fields(problem_fields, false));
    Json *job = json_pack("{s:s,s:{s:{s:{s:s,s:{s:{s:s,s:{s:{s:s}}}}}}}}", "description",
                          "it goes on; the job tells when it has ended", "content", "application/json",
                          "schema", "type", "object", "properties", "job", "type", "object", "properties",
                          "id", "type", "string");

    return json_pack("{s:{s:o,s:o},s:{s:{s:s,s:s},s:{s:s,s:s,s:s}}}", "responses", "Problem", problem, "Job",
                     job, "securitySchemes", "token", "type", "http", "scheme", "bearer", "session", "type",
                     "apiKey", "in", "cookie", "name", "lodge_session");
}

Json *http_openapi(const char *prefix)
{
    g_autofree char *url = g_strconcat(prefix, HTTP_API, NULL);
    Json *paths = json_object();

    for (const HttpRoute *const *table = http_routes; *table; table++)
        add_paths(paths, *table);
    return json_pack("{s:s,s:{s:s,s:s,s:s,s:{s:s,s:s}},s:[{s:s}],s:[{s:[]},{s:[]}],s:o,s:o}", "openapi",
                     "3.1.0", "info", "title", "Lodge", "version", LODGE_VERSION, "description",
                     "Machines, storage and networks of a host. What the page and the command line can do, "
                     "programs "
                     "can do by this.",
                     "license", "name", "LGPL-2.1-or-later", "identifier", "LGPL-2.1-or-later", "servers",
                     "url", url, "security", "token", "session", "paths", paths, "components",
                     openapi_components());
}
