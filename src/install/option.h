/* The options of `lodge install`, named as virt-install names them, as rows: an option is an element of the
 * machine's document (or a part of it), a sub-option a place in that element. Parsing, `--OPTION=?`,
 * completion and the manual come from the rows; what no row can say is a function of the option.
 *
 *     --disk path=/a,bus=scsi,driver.cache=none
 *
 * A word without "=" at the front is the value of the option's first sub-option ("vnc", "/a"); elsewhere it
 * switches something on. "_" may stand for ".". Commas inside of quotes belong to a value. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/macros.h"
#include "install/document.h"

typedef enum SubKind {
    SUB_TEXT,    /* as it is */
    SUB_NUMBER,  /* a whole number, also 0x...; written in decimals */
    SUB_YES_NO,  /* on, off, yes, no, true, false, 1, 0; written as yes or no */
    SUB_ON_OFF,  /* the same; written as on or off */
    SUB_ELEMENT, /* the same; the element is there or is not */
    SUB_FILE,    /* a path; written as an absolute one */
    SUB_OWN      /* means more than one place: the option's function */
} SubKind;

typedef struct InstallSub {
    const char *name; /* "vcpupin[0-9]*.cpuset": the number may be left out; NULL ends the list */
    const char *path; /* below the option's element, "#" is the number's place: "vcpupin[#]/@cpuset" */
    SubKind kind;
    const char *note; /* NULL: it says itself */
    bool is_old;      /* an older spelling: understood, not listed */
} InstallSub;

typedef enum OptionFlags {
    OPTION_EACH = 1,    /* each time that it is given is another element */
    OPTION_PLACE = 2,   /* the device has an address: address.* */
    OPTION_NO_XPATH = 4 /* no xpath.* */
} OptionFlags;

typedef struct InstallWords InstallWords;
typedef struct Install Install; /* install.h */

#define OPTION_SHARED_MAX 3

typedef struct InstallOption {
    const char *name;
    const char *also;    /* another name of it; NULL */
    const char *element; /* "devices/disk"; "": the document itself; NULL: it is no part of the document */
    unsigned flags;      /* OptionFlags */
    const char *first;   /* the sub-option that a word without "=" at the front is the value of; NULL: none */
    const InstallSub *subs;
    const InstallSub *shared[OPTION_SHARED_MAX]; /* rows that several options have */
    const char *note;
    /* What rows cannot say: @node has what rows say, words that none knows are still in @words. NULL: nothing
     */
    bool (*apply)(Install *install, xmlNode *node, InstallWords *words, Error **err);
} InstallOption;

/* All names of sub-options in order, owned array of borrowed texts; the common ones (clearxml, xpath.*) too.
 */
GPtrArray *install_option_names(const InstallOption *option);

/* What is said of one of them; NULL. */
const char *install_option_note(const InstallOption *option, const char *name);

/* ---- the words of one value ---- */

typedef struct InstallWord {
    char *name;  /* NULL: stood alone */
    char *value; /* of one that stood alone: the word */
    bool is_used;
} InstallWord;

struct InstallWords {
    const InstallOption *option;
    GArray *list; /* of InstallWord */
};

MUST_CHECK bool install_words_split(const InstallOption *option, const char *text, InstallWords *ret_words,
                                    Error **err);
void install_words_clear(InstallWords *words);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(InstallWords, install_words_clear)

/* The value of a word, which counts as used then; NULL: it is not there. Borrowed. */
const char *install_word_take(InstallWords *words, const char *name);
/* on, off, yes, no, ...: false with @err for another value. Not there: true, @ret_value untouched. */
MUST_CHECK bool install_word_take_bool(InstallWords *words, const char *name, bool *ret_value, Error **err);
/* Whether a word stands alone, anywhere; it counts as used then. */
bool install_word_take_alone(InstallWords *words, const char *word);
MUST_CHECK bool install_read_bool(const char *option, const char *name, const char *text, bool *ret_value,
                                  Error **err);

/* Puts what the rows know below @node; what is left is refused (ERROR_INVALID_ARGUMENT). */
MUST_CHECK bool install_option_apply(const InstallOption *option, Install *install, xmlNode *node,
                                     InstallWords *words, Error **err);
