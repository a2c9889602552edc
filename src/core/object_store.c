/* Definitions on disk, for every kind of object that has a folder. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "store"
#include "core/object_store.h"

#include <string.h>

#include "base/file.h"
#include "core/host_private.h"

static const char *class_dir(const Host *host, uint16_t offset)
{
    return *(char *const *)((const char *)host->paths + offset);
}

static char *file_path(const char *dir, const char *name)
{
    g_autofree char *file = g_strconcat(name, ".xml", NULL);

    return path_join(dir, file);
}

char *object_config_path(const Host *host, const ObjectClass *class, const char *name)
{
    return file_path(class_dir(host, class->config_dir), name);
}

char *object_autostart_path(const Host *host, const ObjectClass *class, const char *name)
{
    return file_path(class_dir(host, class->autostart_dir), name);
}

/* The comment that every definition begins with, in the words that people know from libvirt's files. */
static void append_warning(GString *out, const char *command, const char *name)
{
    g_string_append(out, "<!--\n"
                         "WARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\n"
                         "OVERWRITTEN AND LOST. Changes to this xml configuration should be made using:\n");
    /* "--" would end the comment. */
    if (strstr(name, "--") || g_str_has_suffix(name, "-"))
        g_string_append_printf(out, "  virsh %s\n", command);
    else
        g_string_append_printf(out, "  virsh %s %s\n", command, name);
    g_string_append(out, "or other application using the libvirt API.\n-->\n\n");
}

bool object_store(Host *host, const ObjectClass *class, const void *def, Error **err)
{
    const char *name = object_def_name(class, def);
    g_autofree char *path = object_config_path(host, class, name);
    g_autofree char *xml = object_format(class, def, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE);
    g_autoptr(GString) text = g_string_sized_new(strlen(xml) + 512);

    append_warning(text, class->edit_command, name);
    g_string_append(text, xml);
    return file_make_dirs(class_dir(host, class->config_dir), 0700, err) &&
           file_replace(path, text->str, text->len, 0600, err);
}

bool object_store_remove(Object *object, Error **err)
{
    g_autofree char *path = object_config_path(object->host, object->class, object->name);

    /* The definition before the link: loading removes a link that leads nowhere. */
    if (!file_remove(path, err))
        return false;
    if (!object->autostart)
        return true;
    g_autofree char *link = object_autostart_path(object->host, object->class, object->name);
    return file_remove(link, err);
}

bool object_store_autostart(Object *object, bool autostart, Error **err)
{
    g_autofree char *link = object_autostart_path(object->host, object->class, object->name);
    g_autofree char *target = object_config_path(object->host, object->class, object->name);

    if (!autostart)
        return file_remove(link, err);
    return file_make_dirs(class_dir(object->host, object->class->autostart_dir), 0755, err) &&
           file_symlink(target, link, err);
}
