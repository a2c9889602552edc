/* Alerts begin and end once. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "http/alert_book.h"

static char told[256]; /* "+1 -1": what began and ended, by number */

static void on_change(const Alert *alert, void *arg)
{
    g_snprintf(told + strlen(told), sizeof told - strlen(told), "%s%c%d", *told ? " " : "",
               alert->is_open ? '+' : '-', (int)alert->id);
}

static void look(AlertBook *book, int64_t now_s, const char *key, AlertLevel level)
{
    alert_book_begin(book);
    if (key)
        alert_book_find(book, now_s,
                        &(AlertFinding){ .kind = ALERT_POOL_FULL,
                                         .key = key,
                                         .object = key,
                                         .level = level,
                                         .begin_s = 10,
                                         .end_s = 20,
                                         .detail = level == ALERT_BAD ? "95 % used" : NULL });
    alert_book_end(book, now_s, 1u << ALERT_POOL_FULL);
}

TEST(an_alert_begins_and_ends_once)
{
    static const struct {
        int64_t now_s;
        AlertLevel level;
        const char *told;
    } cases[] = {
        { 100, ALERT_BAD, "" },  /* not long enough */
        { 105, ALERT_GOOD, "" }, /* ... and never one */
        { 110, ALERT_BAD, "" },         { 119, ALERT_BETWEEN, "" },
        { 121, ALERT_BAD, "+2" },       { 131, ALERT_BAD, "+2" },
        { 140, ALERT_BETWEEN, "+2" },   { 150, ALERT_GOOD, "+2" }, /* not long enough */
        { 160, ALERT_BAD, "+2" },       { 170, ALERT_GOOD, "+2" },
        { 180, ALERT_BETWEEN, "+2" },   { 190, ALERT_GOOD, "+2 -2" },
        { 200, ALERT_GOOD, "+2 -2" },   { 210, ALERT_BAD, "+2 -2" },
        { 220, ALERT_BAD, "+2 -2 +3" },
    };
    AlertBook *book = alert_book_new(on_change, NULL);

    *told = '\0';
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strdup_printf("at %d", (int)cases[i].now_s);
        check_case(name);
        look(book, cases[i].now_s, "default", cases[i].level);
        check_str(told, cases[i].told);
    }
    /* An object that is gone ends it at once; kinds that were not looked at stay. */
    alert_book_begin(book);
    alert_book_end(book, 230, 1u << ALERT_DOWN);
    check_str(told, "+2 -2 +3");
    look(book, 230, NULL, ALERT_GOOD);
    check_str(told, "+2 -2 +3 -3");
    alert_book_free(book);
}

TEST(what_is_open_or_not_told_survives)
{
    AlertBook *book = alert_book_new(on_change, NULL);

    *told = '\0';
    look(book, 100, "a", ALERT_BAD);
    look(book, 110, "a", ALERT_BAD);
    check(alert_book_acknowledge(book, 1) && !alert_book_acknowledge(book, 2));
    AUTO_JSON begun = alert_book_format(book);
    alert_book_told(book, 1, true);
    look(book, 120, NULL, ALERT_GOOD);
    check_eq(alert_book_list(book)->len, 1); /* its end is to be told */
    AUTO_JSON ended = alert_book_format(book);
    alert_book_told(book, 1, false);
    check_eq(alert_book_list(book)->len, 0);
    alert_book_free(book);

    book = alert_book_new(on_change, NULL);
    alert_book_parse(book, begun);
    const Alert *alert = g_ptr_array_index(alert_book_list(book), 0);
    check(alert->is_open && alert->must_tell && alert->is_acknowledged && alert->since_s == 100);
    check_str(alert->detail, "95 % used");
    *told = '\0';
    look(book, 200, "a", ALERT_BAD); /* it does not begin again */
    look(book, 300, "b", ALERT_BAD);
    look(book, 310, "b", ALERT_BAD);
    check_str(told, "-1 +2");
    check_eq(alert_book_list(book)->len, 1); /* nobody knew of the first, and nobody needs to */
    alert_book_free(book);

    book = alert_book_new(on_change, NULL);
    alert_book_parse(book, ended);
    look(book, 400, "a", ALERT_BAD); /* another one, though the end of the first is to be told yet */
    look(book, 410, "a", ALERT_BAD);
    check_eq(alert_book_list(book)->len, 2);
    alert_book_free(book);
}
