/* The table of configuration keys, and how a value gets from text into the struct. For config.c and its
 * tests. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/config_file.h"
#include "core/config.h"

typedef enum ConfigKeyType {
    CONFIG_KEY_BOOL,   /* 0 or 1; bool */
    CONFIG_KEY_UINT,   /* unsigned */
    CONFIG_KEY_INT,    /* int */
    CONFIG_KEY_BYTES,  /* number or "unlimited"; uint64_t */
    CONFIG_KEY_MODE,   /* octal digits in a string; mode_t */
    CONFIG_KEY_STRING, /* char * */
    CONFIG_KEY_PATH,   /* absolute path; char * */
    CONFIG_KEY_WORDS,  /* words in a string; char ** */
    CONFIG_KEY_LIST,   /* list of strings; char ** */
    CONFIG_KEY_UNUSED, /* known, without effect here; doc: what users would rely on, so they are warned */
} ConfigKeyType;

typedef struct ConfigKey {
    const char *file; /* "libvirtd.conf", "qemu.conf" */
    const char *name;
    ConfigKeyType type;
    size_t offset;
    const char *fallback; /* the default as it would stand in the file, without quotes; NULL: no value */
    int64_t min, max;     /* of numbers; max 0: no limit but the type's */
    const char *choices;  /* "none|polkit"; NULL: any */
    bool secret;          /* shown as *** */
    const char *doc;
} ConfigKey;

extern const ConfigKey config_keys[];
extern const size_t config_keys_count;

/* "a number from 1 to 5", for messages. Caller owns. */
char *config_key_describe(const ConfigKey *key);
/* false: not what config_key_describe() says; @config is untouched then. */
bool config_key_set(const ConfigKey *key, const ConfigValue *value, Config *config);
void config_key_set_default(const ConfigKey *key, Config *config);
/* The value as text; caller owns. */
char *config_key_format(const ConfigKey *key, const Config *config);
void config_key_clear(const ConfigKey *key, Config *config);
