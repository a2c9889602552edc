/* Sets of small numbers as bit words that grow to the highest member. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/cpuset.h"

#include <stdint.h>
#include <string.h>

#define WORD_BITS 64u

struct CpuSet {
    unsigned n_words;
    uint64_t *words;
};

CpuSet *cpuset_new(void)
{
    return g_new0(CpuSet, 1);
}

CpuSet *cpuset_copy(const CpuSet *set)
{
    if (!set)
        return NULL;
    CpuSet *copy = g_new0(CpuSet, 1);
    copy->n_words = set->n_words;
    copy->words = g_memdup2(set->words, set->n_words * sizeof(uint64_t));
    return copy;
}

void cpuset_free(CpuSet *set)
{
    if (!set)
        return;
    g_free(set->words);
    g_free(set);
}

void cpuset_add(CpuSet *set, unsigned number)
{
    unsigned word = number / WORD_BITS;
    if (word >= set->n_words) {
        set->words = g_renew(uint64_t, set->words, word + 1);
        memset(set->words + set->n_words, 0, (word + 1 - set->n_words) * sizeof(uint64_t));
        set->n_words = word + 1;
    }
    set->words[word] |= UINT64_C(1) << (number % WORD_BITS);
}

void cpuset_remove(CpuSet *set, unsigned number)
{
    if (number / WORD_BITS < set->n_words)
        set->words[number / WORD_BITS] &= ~(UINT64_C(1) << (number % WORD_BITS));
}

bool cpuset_has(const CpuSet *set, unsigned number)
{
    return set && number / WORD_BITS < set->n_words &&
           (set->words[number / WORD_BITS] >> (number % WORD_BITS) & 1) != 0;
}

int cpuset_next(const CpuSet *set, int after)
{
    const unsigned from = (unsigned)(after + 1);

    for (unsigned i = from / WORD_BITS; set && i < set->n_words; i++) {
        const uint64_t rest =
            i == from / WORD_BITS ? set->words[i] >> (from % WORD_BITS) << (from % WORD_BITS) : set->words[i];
        if (rest)
            return (int)(i * WORD_BITS) + __builtin_ctzll(rest);
    }
    return -1;
}

static bool cpuset_is_empty(const CpuSet *set)
{
    return cpuset_next(set, -1) < 0;
}

unsigned cpuset_count(const CpuSet *set)
{
    unsigned count = 0;
    for (unsigned i = 0; set && i < set->n_words; i++)
        count += (unsigned)__builtin_popcountll(set->words[i]);
    return count;
}

bool cpuset_equal(const CpuSet *a, const CpuSet *b)
{
    if (!a || !b)
        return a == b;
    unsigned longest = MAX(a->n_words, b->n_words);
    for (unsigned i = 0; i < longest; i++) {
        if ((i < a->n_words ? a->words[i] : 0) != (i < b->n_words ? b->words[i] : 0))
            return false;
    }
    return true;
}

static const char *skip_blanks(const char *text)
{
    while (g_ascii_isspace(*text))
        text++;
    return text;
}

/* A number below CPUSET_MAX at *@text; moves *@text behind it. */
static bool read_number(const char **text, unsigned *ret_number)
{
    unsigned number = 0;
    if (!g_ascii_isdigit(**text))
        return false;
    for (; g_ascii_isdigit(**text); (*text)++) {
        number = number * 10 + (unsigned)(**text - '0');
        if (number >= CPUSET_MAX)
            return false;
    }
    *ret_number = number;
    return true;
}

/* One of "7", "2-5", "^3" at *@text. */
static bool read_item(const char **text, CpuSet *set)
{
    bool exclude = **text == '^';
    if (exclude)
        (*text)++;
    unsigned first, last;
    if (!read_number(text, &first))
        return false;
    last = first;
    *text = skip_blanks(*text);
    if (**text == '-' && !exclude) {
        *text = skip_blanks(*text + 1);
        if (!read_number(text, &last) || last < first)
            return false;
    }
    for (unsigned i = first; i <= last; i++) {
        if (exclude)
            cpuset_remove(set, i);
        else
            cpuset_add(set, i);
    }
    return true;
}

bool cpuset_parse(const char *text, CpuSet **ret_set, Error **err)
{
    g_autoptr(CpuSet) set = cpuset_new();
    const char *at = skip_blanks(text);
    while (true) {
        if (!read_item(&at, set))
            return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not a list of numbers like 0-3,8,^2",
                             text);
        at = skip_blanks(at);
        if (*at == 0)
            break;
        if (*at != ',')
            return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not a list of numbers like 0-3,8,^2",
                             text);
        at = skip_blanks(at + 1);
    }
    if (cpuset_is_empty(set))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' leaves no number", text);
    *ret_set = g_steal_pointer(&set);
    return true;
}

void cpuset_format(const CpuSet *set, GString *out)
{
    const char *separator = "";
    for (int first = cpuset_next(set, -1); first >= 0;) {
        int last = first;
        while (cpuset_has(set, (unsigned)last + 1))
            last++;
        if (last > first)
            g_string_append_printf(out, "%s%d-%d", separator, first, last);
        else
            g_string_append_printf(out, "%s%d", separator, first);
        separator = ",";
        first = cpuset_next(set, last);
    }
}
