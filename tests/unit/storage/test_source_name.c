/* Names that stand in images: where they lead, and which are refused. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "storage/source_name.h"

/* "file PATH", or "PROTOCOL NAME [?QUERY] [@SNAPSHOT] [conf=FILE] [TRANSPORT:]HOST:PORT or unix:SOCKET ...",
 * and " as FORMAT" */
static char *describe(const StorageSource *source, const char *format)
{
    GString *out = g_string_new(NULL);

    g_string_append_printf(out, "%s %s",
                           source->type == STORAGE_FILE
                               ? "file"
                               : enum_name(&storage_protocol_names, source->protocol),
                           source->path ? source->path : "-");
    if (source->query)
        g_string_append_printf(out, " ?%s", source->query);
    if (source->snapshot)
        g_string_append_printf(out, " @%s", source->snapshot);
    if (source->config)
        g_string_append_printf(out, " conf=%s", source->config);
    for (guint i = 0; source->hosts && i < source->hosts->len; i++) {
        const StorageHost *host = g_ptr_array_index(source->hosts, i);
        if (host->socket)
            g_string_append_printf(out, " unix:%s", host->socket);
        else
            g_string_append_printf(out, " %s%s%s:%u",
                                   host->transport ? enum_name(&storage_transport_names, host->transport)
                                                   : "",
                                   host->transport ? ":" : "", host->name, host->port);
    }
    if (format)
        g_string_append_printf(out, " as %s", format);
    return g_string_free(out, FALSE);
}

TEST(names_lead_where_qemu_would_go)
{
    static const struct {
        const char *name, *where;
    } cases[] = {
        { "/abs/x.img", "file /abs/x.img" },
        { "x.img", "file /pool/x.img" },
        { "../other/x.img", "file /pool/../other/x.img" },
        { "a/b:c", "file /pool/a/b:c" },
        { "/a:b", "file /a:b" },
        { "file:x:y", "file /pool/x:y" },
        { "file:/x", "file /x" },
        { "file:///x", "file ///x" },
        { "nbd://host/export", "nbd export host:0" },
        { "nbd://host:10810", "nbd - host:10810" },
        { "nbd://[::1]:10810/a/b", "nbd a/b ::1:10810" },
        { "nbd+tcp://host/e", "nbd e tcp:host:0" },
        { "nbd+unix:///e?socket=/run/s%20t", "nbd e unix:/run/s t" },
        { "nbd:host:10809", "nbd - host:10809" },
        { "nbd:host:10809:exportname=a:b", "nbd a:b host:10809" },
        { "nbd:unix:/run/s:exportname=e", "nbd e unix:/run/s" },
        { "http://host/a%20b.img", "http a b.img host:0" },
        { "https://host:8443/p?q=a%26b&c", "https p ?q=a%26b&c host:8443" },
        { "ftp://host/x", "ftp x host:0" },
        { "ssh://host/x", "ssh /x host:0" },
        { "iscsi://host:3260/iqn.2020-01.org:x/1", "iscsi iqn.2020-01.org:x/1 host:3260" },
        { "gluster://host/vol/x.img", "gluster vol/x.img host:0" },
        { "gluster+rdma://host/vol/x.img", "gluster vol/x.img rdma:host:0" },
        { "nfs://host/export/x.img", "nfs /export/x.img host:0" },
        { "rbd:pool/image", "rbd pool/image" },
        { "rbd:pool/image@snap:conf=/etc/c:mon_host=a\\:6789;[\\:\\:1]\\:6790;b",
          "rbd pool/image @snap conf=/etc/c a:6789 ::1:6790 b:0" },
        { "json:{\"driver\":\"file\",\"filename\":\"/x\"}", "file /x" },
        { "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"x\"}}",
          "file /pool/x as qcow2" },
        { "json:{\"driver\":\"qcow2\",\"file.driver\":\"file\",\"file.filename\":\"nbd:x\"}",
          "file /pool/nbd:x as qcow2" },
        { "json:{\"file\":{\"filename\":\"nbd://h/e\"}}", "nbd e h:0" },
        { "json:{\"file.filename\":\"x\"}", "file /pool/x" },
        { "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"host_device\",\"filename\":\"/dev/x\"}}",
          "file /dev/x as raw" },
        { "json:{\"driver\":\"https\",\"url\":\"https://h/p?q\"}", "https p ?q h:0" },
        { "json:{\"driver\":\"nbd\",\"server\":{\"type\":\"inet\",\"host\":\"h\",\"port\":\"1\"},\"export\":"
          "\"e\"}",
          "nbd e h:1" },
        { "json:{\"driver\":\"nbd\",\"server.type\":\"unix\",\"server.path\":\"/s\"}", "nbd - unix:/s" },
        { "json:{\"driver\":\"ssh\",\"path\":\"/x\",\"server\":{\"host\":\"h\",\"port\":\"22\"}}",
          "ssh /x h:22" },
        { "json:{\"driver\":\"nfs\",\"path\":\"/x\",\"server\":{\"type\":\"inet\",\"host\":\"h\"}}",
          "nfs /x h:0" },
        { "json:{\"driver\":\"rbd\",\"pool\":\"p\",\"image\":\"i\",\"snapshot\":\"s\",\"conf\":\"/"
          "c\",\"server\":"
          "[{\"host\":\"a\",\"port\":\"1\"},{\"host\":\"b\",\"port\":\"2\"}]}",
          "rbd p/i @s conf=/c a:1 b:2" },
        { "json:{\"driver\":\"gluster\",\"volume\":\"v\",\"path\":\"p\",\"server.0.type\":\"tcp\",\"server.0."
          "host\":\"h\","
          "\"server.0.port\":24007}",
          "gluster v/p h:24007" },
        { "json:{\"driver\":\"iscsi\",\"transport\":\"tcp\",\"portal\":\"h:3260\",\"target\":\"iqn\",\"lun\":"
          "2}",
          "iscsi iqn/2 h:3260" },
    };
    const StorageSource above = { .type = STORAGE_FILE, .path = (char *)"/pool/top.qcow2" };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(StorageSource) source = NULL;
        g_autofree char *format = NULL;

        check_case(cases[i].name);
        check_ok(source_from_name(cases[i].name, &above, &source, &format, &err), err);
        g_autofree char *where = describe(source, format);
        check_str(where, cases[i].where);
    }
}

TEST(what_is_not_understood_to_the_last_option_is_refused_by_name)
{
    static const struct {
        const char *name;
        ErrorCode code;
        const char *text;
    } cases[] = {
        { "", ERROR_OPERATION_FAILED, "empty" },
        { "file:", ERROR_OPERATION_FAILED, "empty" },
        { "fat:rw:/etc", ERROR_OPERATION_UNSUPPORTED, "'fat'" },
        { "blkdebug:x:/etc/passwd", ERROR_OPERATION_UNSUPPORTED, "'blkdebug'" },
        { "fd:3", ERROR_OPERATION_UNSUPPORTED, "'fd'" },
        { "a\nb:c", ERROR_OPERATION_UNSUPPORTED, "'a\\x0ab'" },
        { "sheepdog://h/x", ERROR_OPERATION_UNSUPPORTED, "'sheepdog'" },
        { "vxhs://h/x", ERROR_OPERATION_UNSUPPORTED, "'vxhs'" },
        { "https+unix://h/x", ERROR_OPERATION_UNSUPPORTED, "'https+unix'" },
        { "nbd+carrier://h/x", ERROR_OPERATION_UNSUPPORTED, "'nbd+carrier'" },
        { "https://user:secret@h/x", ERROR_OPERATION_UNSUPPORTED, "user name" },
        { "https://h:99999/x", ERROR_OPERATION_FAILED, "no URL" },
        { "https:///x", ERROR_OPERATION_FAILED, "name of the server" },
        { "ftp://h/x?q", ERROR_OPERATION_UNSUPPORTED, "'q'" },
        { "nbd+unix:///e", ERROR_OPERATION_FAILED, "socket=PATH" },
        { "nbd+unix:///e?socket=/s&other=1", ERROR_OPERATION_FAILED, "socket=PATH" },
        { "nbd:host", ERROR_OPERATION_FAILED, "no port" },
        { "nbd:host:x", ERROR_OPERATION_FAILED, "no port" },
        { "rbd:p/i:key=topsecret", ERROR_OPERATION_UNSUPPORTED, "'key'" },
        { "json:", ERROR_OPERATION_FAILED, NULL },
        { "json:[1]", ERROR_OPERATION_FAILED, "no object" },
        { "json:{}", ERROR_OPERATION_FAILED, "'file.filename' is missing" },
        { "json:{\"driver\":\"qcow2\",\"file\":\"node\"}", ERROR_OPERATION_FAILED, "missing" },
        { "json:{\"driver\":\"file\",\"filename\":\"/x\",\"locking\":\"off\"}", ERROR_OPERATION_UNSUPPORTED,
          "'locking'" },
        { "json:{\"driver\":\"raw\",\"offset\":512,\"file\":{\"driver\":\"file\",\"filename\":\"/x\"}}",
          ERROR_OPERATION_UNSUPPORTED, "'offset'" },
        { "json:{\"driver\":\"quorum\",\"children\":[]}", ERROR_OPERATION_UNSUPPORTED, "'quorum'" },
        { "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"blkdebug\",\"image\":\"/x\"}}",
          ERROR_OPERATION_UNSUPPORTED, "'blkdebug'" },
        { "json:{\"driver\":\"file\",\"filename\":\"/"
          "x\",\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":1}}}}}}}",
          ERROR_OPERATION_UNSUPPORTED, "nested" },
        { "json:{\"file\":{\"filename\":\"/x\"},\"file.filename\":\"/y\"}", ERROR_OPERATION_FAILED,
          "two values" },
        { "json:{\"file\":{\"filename\":\"json:{}\"}}", ERROR_OPERATION_UNSUPPORTED, "'json'" },
        { "json:{\"driver\":\"nbd\",\"export\":\"e\"}", ERROR_OPERATION_FAILED, "name of the server" },
        { "json:{\"driver\":\"gluster\",\"volume\":\"v\",\"path\":\"p\"}", ERROR_OPERATION_FAILED,
          "server is missing" },
        { "json:{\"driver\":\"nbd\",\"server\":{\"type\":\"vsock\",\"cid\":\"1\"}}",
          ERROR_OPERATION_UNSUPPORTED, "'vsock'" },
        { "json:{\"driver\":\"iscsi\",\"transport\":\"tcp\",\"portal\":\"h:3260,1\",\"target\":\"t\"}",
          ERROR_OPERATION_FAILED, "no portal" },
        { "json:{\"driver\":\"iscsi\",\"transport\":\"tcp\",\"portal\":\"\",\"target\":\"t\"}",
          ERROR_OPERATION_FAILED, "no portal" },
        { "json:{\"driver\":\"sheepdog\"}", ERROR_OPERATION_UNSUPPORTED, "'sheepdog'" },
        { "json:{\"driver\":\"tftp\"}", ERROR_OPERATION_UNSUPPORTED, "'tftp'" },
    };
    const StorageSource above = { .type = STORAGE_FILE, .path = (char *)"/pool/top.qcow2" };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        StorageSource *source = NULL;
        char *format = NULL;

        check_case(cases[i].name);
        check_eq(source_from_name(cases[i].name, &above, &source, &format, &err), false);
        check_eq(error_code(err), cases[i].code);
        if (cases[i].text)
            check_contains(error_message(err), cases[i].text);
        check(source == NULL && format == NULL);
        check(strstr(error_message(err), "secret") == NULL);
    }
}

TEST(relative_names_need_a_local_image_above)
{
    const StorageSource server = { .type = STORAGE_NETWORK, .path = (char *)"export" };
    g_autoptr(Error) err = NULL;
    StorageSource *source = NULL;
    char *format = NULL;

    check_fails(source_from_name("x", NULL, &source, &format, &err), err, ERROR_OPERATION_FAILED);
    check_fails(source_from_name("x", &server, &source, &format, &err), err, ERROR_OPERATION_FAILED);
}

TEST(names_in_messages_are_printable_and_short)
{
    g_autofree char *odd = name_for_message("a\x01\xff\xc3\xa4\n");
    char text[1000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    g_autofree char *cut = name_for_message(text);
    check_str(odd, "a\\x01\xef\xbf\xbd\xc3\xa4\\x0a");
    check(strlen(cut) < 250);
}
