/* The configuration file format of libvirtd.conf and qemu.conf: `key = "string"`, `key = 123`, `key = ["a",
 * "b"]`, comments with '#', single or triple quotes. Every value remembers its line. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef enum ConfigType { CONFIG_INT, CONFIG_STRING, CONFIG_LIST } ConfigType;
typedef struct ConfigValue {
    char *key;
    ConfigType type;
    int64_t number;
    char *string;
    char **list; /* NULL-terminated */
    unsigned line;
} ConfigValue;

typedef struct ConfigFile {
    char *path;
    GPtrArray *values; /* of ConfigValue, in file order */
} ConfigFile;

/* A missing file is an empty one. ERROR_CONFIG_SYNTAX: "FILE:LINE: what is wrong". */
MUST_CHECK bool config_file_load(const char *path, ConfigFile **ret_file, Error **err);
MUST_CHECK bool config_file_parse(const char *path, const char *text, size_t len, ConfigFile **ret_file,
                                  Error **err);
const ConfigValue *config_file_get(const ConfigFile *file,
                                   const char *key); /* the last one; NULL if absent */
void config_file_free(ConfigFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfigFile, config_file_free)
