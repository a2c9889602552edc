/* Which row answers, and what it takes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "http/route.h"

static const HttpRoute *find(const char *method, const char *path, const char *params[HTTP_PARAMS_MAX],
                             bool *known)
{
    static HttpTarget target;

    http_target_clear(&target);
    *known = false;
    check(http_target_parse(path, "", &target, NULL));
    return http_route_find(method, &target, params, known);
}

TEST(the_row_of_method_and_path_answers)
{
    const char *params[HTTP_PARAMS_MAX] = { 0 };
    bool known;
    const HttpRoute *route = find("GET", "/api/v1/machines/web%2F1/xml", params, &known);

    check(route != NULL);
    check_str(route->pattern, "/machines/{machine}/xml");
    check_str(params[0], "web/1");
    check(find("HEAD", "/api/v1/machines", params, &known) != NULL);
    check(find("POST", "/api/v1/machines/web/actions/save", params, &known)->flags & HTTP_LONG);
    check_str(find("POST", "/api/v1/machines/web/actions/start", params, &known)->pattern,
              "/machines/{machine}/actions/{action}");
    check(find("PUT", "/api/v1/machines", params, &known) == NULL);
    check(known);
    check(find("DELETE", "/api/v1/nothing", params, &known) == NULL);
    check(!known);
}

TEST(a_body_is_what_its_table_says)
{
    static const HttpField inner[] = { { "x", HTTP_UINT, .required = true }, { 0 } };
    static const HttpField fields[] = {
        { "name", HTTP_STRING, .required = true }, { "kind", HTTP_STRING, .choices = "a|b" },
        { "size", HTTP_UINT, .nullable = true },   { "words", HTTP_STRINGS },
        { "inner", HTTP_OBJECT, .fields = inner }, { 0 }
    };
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        { "{\"name\":\"x\"}", true },
        { "{\"name\":\"x\",\"kind\":\"b\",\"size\":null,\"words\":[\"y\"],\"inner\":{\"x\":1}}", true },
        { "{}", false },
        { "[]", false },
        { "{\"name\":1}", false },
        { "{\"name\":null}", false },
        { "{\"name\":\"x\",\"more\":1}", false },
        { "{\"name\":\"x\",\"kind\":\"c\"}", false },
        { "{\"name\":\"x\",\"size\":-1}", false },
        { "{\"name\":\"x\",\"size\":1.5}", false },
        { "{\"name\":\"x\",\"size\":9007199254740993}", false },
        { "{\"name\":\"x\",\"words\":[1]}", false },
        { "{\"name\":\"x\",\"inner\":{}}", false },
        { "{\"name\":\"x\\u0000y\"}", false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        AUTO_JSON body = json_loads(cases[i].text, JSON_ALLOW_NUL, NULL);
        check_case(cases[i].text);
        check_eq(http_body_check(body, fields, &err), cases[i].ok);
        check_eq(err == NULL, cases[i].ok);
    }
}

/* Patterns have room for their parameters, and each operation has a name of its own. */
TEST(rows_are_sound)
{
    AUTO_JSON document = http_openapi("/x");
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    check(document != NULL);
    for (const HttpRoute *const *table = http_routes; *table; table++) {
        for (const HttpRoute *route = *table; route->method; route++) {
            unsigned n = 0;
            check_case(route->pattern);
            for (const char *at = route->pattern; *at; at++)
                n += *at == '{';
            check(n <= HTTP_PARAMS_MAX);
            check(route->handle != NULL);
            check(g_hash_table_add(seen, g_strdup_printf("%s %s", route->method, route->pattern)));
            check(route->doc || g_str_has_prefix(route->pattern, "//"));
            check(!(route->flags & HTTP_MACHINE) || g_str_has_prefix(route->pattern, "/machines") ||
                  g_str_has_prefix(route->pattern, "/session") ||
                  g_str_has_prefix(route->pattern, "/events") || g_str_has_prefix(route->pattern, "/live"));
        }
    }
}
