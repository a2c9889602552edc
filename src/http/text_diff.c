/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/text_diff.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define AROUND 3u
#define CELLS_MAX ((size_t)1000000)

typedef struct Lines {
    char **lines;
    size_t n;
} Lines;

/* The way from one to the other: ' ', '-' and '+' with the line of either. */
typedef struct Step {
    char what;
    const char *line;
} Step;

static void step_add(GArray *steps, char what, const char *line)
{
    const Step step = { what, line };

    g_array_append_val(steps, step);
}

static Lines lines_of(const char *text)
{
    Lines lines = { .lines = g_strsplit(text, "\n", -1) };

    lines.n = g_strv_length(lines.lines);
    if (lines.n && !*lines.lines[lines.n - 1]) /* behind the last line's end */
        lines.n--;
    return lines;
}

/* The longest common subsequence of a[0..n) and b[0..m), from behind. */
static void steps_between(char *const *a, size_t n, char *const *b, size_t m, GArray *steps)
{
    const size_t width = m + 1;
    g_autofree uint16_t *common = (n + 1) * width <= CELLS_MAX ? g_new0(uint16_t, (n + 1) * width) : NULL;
    size_t i = 0, k = 0;

    for (size_t x = n; common && x-- > 0;) {
        for (size_t y = m; y-- > 0;)
            common[x * width + y] = strcmp(a[x], b[y]) == 0
                                        ? (uint16_t)(common[(x + 1) * width + y + 1] + 1)
                                        : MAX(common[(x + 1) * width + y], common[x * width + y + 1]);
    }
    while (i < n || k < m) {
        if (common && i < n && k < m && strcmp(a[i], b[k]) == 0) {
            step_add(steps, ' ', a[i++]);
            k++;
        } else if (i < n && (!common || k == m || common[(i + 1) * width + k] >= common[i * width + k + 1])) {
            step_add(steps, '-', a[i++]);
        } else {
            step_add(steps, '+', b[k++]);
        }
    }
}

static GArray *steps_of(const Lines *before, const Lines *after)
{
    GArray *steps = g_array_new(FALSE, FALSE, sizeof(Step));
    size_t head = 0, tail = 0;

    while (head < before->n && head < after->n && strcmp(before->lines[head], after->lines[head]) == 0)
        step_add(steps, ' ', before->lines[head++]);
    while (tail < before->n - head && tail < after->n - head &&
           strcmp(before->lines[before->n - 1 - tail], after->lines[after->n - 1 - tail]) == 0)
        tail++;
    steps_between(before->lines + head, before->n - head - tail, after->lines + head, after->n - head - tail,
                  steps);
    for (size_t i = before->n - tail; i < before->n; i++)
        step_add(steps, ' ', before->lines[i]);
    return steps;
}

static bool is_change(const GArray *steps, guint i)
{
    return g_array_index(steps, Step, i).what != ' ';
}

/* Steps from @from to @to (not included), behind "@@ -a,n +b,m @@". */
static void hunk_format(const GArray *steps, guint from, guint to, GString *out)
{
    unsigned starts[2] = { 1, 1 }, counts[2] = { 0, 0 };

    for (guint i = 0; i < to; i++) {
        const char what = g_array_index(steps, Step, i).what;
        unsigned *numbers = i < from ? starts : counts;
        numbers[0] += what != '+';
        numbers[1] += what != '-';
    }
    g_string_append_printf(out, "@@ -%u,%u +%u,%u @@\n", starts[0] - (counts[0] == 0), counts[0],
                           starts[1] - (counts[1] == 0), counts[1]);
    for (guint i = from; i < to; i++)
        g_string_append_printf(out, "%c%s\n", g_array_index(steps, Step, i).what,
                               g_array_index(steps, Step, i).line);
}

static char *hunks_format(const GArray *steps)
{
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < steps->len; i++) {
        if (!is_change(steps, i))
            continue;
        const guint from = i - MIN(i, AROUND);
        guint last = i;
        for (guint k = i; k < steps->len && k <= last + 2 * AROUND + 1; k++)
            last = is_change(steps, k) ? k : last;
        hunk_format(steps, from, MIN(last + AROUND + 1, steps->len), out);
        i = last;
    }
    return g_string_free(out, FALSE);
}

char *text_diff(const char *before, const char *after)
{
    if (strcmp(before, after) == 0)
        return NULL;
    const Lines a = lines_of(before), b = lines_of(after);
    g_autoptr(GArray) steps = steps_of(&a, &b);
    char *text = hunks_format(steps);
    g_strfreev(a.lines);
    g_strfreev(b.lines);
    return text;
}
