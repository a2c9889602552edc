/* Definitions on disk: CONFIG_DIR/NAME.xml and the autostart links, for every kind of object that has a
 * folder.
 *
 * A rename first leaves a mark, then writes the new file and removes the old one, so that loading can finish
 * one that was cut off. Two files with one UUID and no mark are somebody's copy: one is taken, the other
 * stays. A file that makes no sense is set aside with its autostart link; one that cannot be read now (a link
 * to a share that is not mounted) stays, keeps its name reserved and is tried again. None of them stops the
 * daemon. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/object_class.h"

char *object_config_path(const Host *host, const ObjectClass *class, const char *name);
char *object_autostart_path(const Host *host, const ObjectClass *class, const char *name);

/* Writes @def under the name that it holds; the file is safe when this returns. ERROR_SYSTEM */
AWAITS MUST_CHECK bool object_store(Host *host, const ObjectClass *class, const void *def, Error **err);
/* The same for a @def as the reader of documents made it, unchanged since: it is not read back first, only
 * measured, because whatever was read can be written and read again (tests/fuzz/fuzz_xml.c). */
AWAITS MUST_CHECK bool object_store_as_read(Host *host, const ObjectClass *class, const void *def,
                                            Error **err);
/* Removes the definition and the autostart link. */
AWAITS MUST_CHECK bool object_store_remove(Object *object, Error **err);
AWAITS MUST_CHECK bool object_store_autostart(Object *object, bool autostart, Error **err);
/* Moves the files of @object to the name that @def (a changed copy of its definition) holds. All or nothing.
 */
AWAITS MUST_CHECK bool object_store_rename(Object *object, const void *def, Error **err);

/* The comment that every definition begins with, in the words that people know from libvirt's files. @name
 * NULL: the command is named alone. */
void object_store_append_warning(GString *out, const char *command, const char *name);
/* What makes no sense gets the name PATH.damaged, with a number if an earlier one lies there. */
AWAITS void object_store_set_aside(const char *path);

/* Loads all definitions. A missing folder is an empty one. */
AWAITS MUST_CHECK bool object_store_load(Host *host, const ObjectClass *class, Error **err);
/* Those that were left as they are. */
AWAITS MUST_CHECK bool object_store_load_unused(Host *host, const ObjectClass *class, Error **err);
