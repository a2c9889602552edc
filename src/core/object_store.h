/* Definitions on disk: CONFIG_DIR/NAME.xml and the autostart links, for every kind of object that has a
 * folder.
 *
 * Nothing is deleted when loading. A file that cannot be read now stays where it is and is tried again at
 * the next load; one that cannot be parsed is set aside as NAME.xml.damaged with its autostart link; one that
 * repeats the UUID of another is skipped. Only a rename that left its mark is finished. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/object_class.h"

char *object_config_path(const Host *host, const ObjectClass *class, const char *name);
char *object_autostart_path(const Host *host, const ObjectClass *class, const char *name);

/* Writes @def under the name that it holds; the file is safe when this returns. ERROR_SYSTEM */
AWAITS MUST_CHECK bool object_store(Host *host, const ObjectClass *class, const void *def, Error **err);
/* Removes the definition and the autostart link. */
AWAITS MUST_CHECK bool object_store_remove(Object *object, Error **err);
AWAITS MUST_CHECK bool object_store_autostart(Object *object, bool autostart, Error **err);

/* Loads what is not loaded yet. A missing folder is an empty one. */
AWAITS MUST_CHECK bool object_store_load(Host *host, const ObjectClass *class, Error **err);
