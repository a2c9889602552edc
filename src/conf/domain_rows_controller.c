/* Rows of controllers: what disks, ports and other devices are plugged into. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_rows.h"

#define PCI_ONLY ONLY(ControllerDef, type, BIT(CONTROLLER_PCI))

static void controller_init(void *base)
{
    ((ControllerDef *)base)->type = CONTROLLER_IDE;
}

static bool controller_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    ControllerDef *controller = base;
    bool is_root =
        controller->model == CONTROLLER_MODEL_PCI_ROOT || controller->model == CONTROLLER_MODEL_PCIE_ROOT;
    if (controller->type == CONTROLLER_PCI && controller->model == CONTROLLER_MODEL_ABSENT)
        return xml_error(reader, element, ERROR_INTERNAL, err, "a PCI controller needs a model");
    if (!is_root) {
        controller->has_pcihole64 = false;
        controller->pcihole64_bytes = 0;
    }
    return true;
}

static bool numa_node_codec_read(const char *text, void *base, Error **err)
{
    ControllerDef *controller = base;
    char *end = NULL;
    guint64 node = g_ascii_strtoull(text, &end, 10);
    if (end == text || *end || node > CPUSET_MAX)
        return error_set(err, ERROR_XML_INVALID, "'%s' is not a NUMA node", text);
    controller->numa_node = (OptU32){ (uint32_t)node, true };
    return true;
}

static bool numa_node_codec_write(const void *base, unsigned flags, GString *out)
{
    const ControllerDef *controller = base;
    if (controller->numa_node.is_set)
        g_string_append_printf(out, "%u", controller->numa_node.value);
    return controller->numa_node.is_set;
}
static const XmlCodec numa_node_codec = { numa_node_codec_read, numa_node_codec_write, "[0-9]+" };

const XmlTable controller_table =
    TABLE(ControllerDef, "controller",
          ROWS(ATTR("type", ControllerDef, type, .names = &controller_type_names, .fallback = "ide",
                    .doc = "what is plugged into it"),
               ATTR("index", ControllerDef, index, .max = INT32_MAX,
                    .doc = "number among the controllers of its type", .fallback = "the next free"),
               ATTR("model", ControllerDef, model, .names = &controller_model_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED,
                    .doc = "the hardware; which models exist depends on the type"),
               ATTR("ports", ControllerDef, ports,
                    ONLY(ControllerDef, type, BIT(CONTROLLER_VIRTIO_SERIAL) | BIT(CONTROLLER_USB)),
                    .max = INT32_MAX, .doc = "number of ports"),
               ATTR("vectors", ControllerDef, vectors,
                    ONLY(ControllerDef, type, BIT(CONTROLLER_VIRTIO_SERIAL)), .max = INT32_MAX,
                    .doc = "number of interrupt vectors"),
               ATTR("maxGrantFrames", ControllerDef, maxGrantFrames, REFUSED("only Xen guests have it"),
                    ONLY(ControllerDef, type, BIT(CONTROLLER_XENBUS)), .max = INT32_MAX,
                    .doc = "Xen grant frames"),
               KEPT_ATTR("maxEventChannels", REFUSED("only Xen guests have it"), .doc = "Xen event channels"),
               GROUP("model",
                     ROWS(ATTR("name", ControllerDef, pci_model, .names = &pci_model_name_names,
                               .doc = "name")),
                     PCI_ONLY, .doc = "the QEMU device that implements a PCI controller"),
               GROUP("target",
                     ROWS(ATTR("chassisNr", ControllerDef, chassis_nr, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                               .max = 255, .doc = "chassis number of a bridge"),
                          ATTR("chassis", ControllerDef, chassis, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                               .max = 255, .doc = "chassis number of a port"),
                          ATTR("port", ControllerDef, port, .bad_code = ERROR_CONFIG_UNSUPPORTED, .max = 255,
                               .flags = ROW_HEX, .doc = "port number"),
                          ATTR("busNr", ControllerDef, bus_nr, .min = 1, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                               .max = 254, .doc = "first bus number of an expander bus"),
                          ATTR("index", ControllerDef, target_index, REFUSED("only pSeries machines have it"),
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .max = 30,
                               .doc = "number of a spapr host bridge"),
                          ATTR("hotplug", ControllerDef, hotplug, .names = &tristate_on_off_names,
                               .doc = "devices can come and go"),
                          CODEC_CHILD("node", &numa_node_codec, .doc = "NUMA node of an expander bus")),
                     PCI_ONLY, .doc = "numbers that the guest sees"),
               GROUP("driver",
                     ROWS(ATTR("queues", ControllerDef, queues, .max = UINT32_MAX,
                               .doc = "number of virtqueues"),
                          ATTR("cmd_per_lun", ControllerDef, cmd_per_lun, .max = UINT32_MAX,
                               .doc = "commands queued per LUN"),
                          ATTR("max_sectors", ControllerDef, max_sectors, .max = UINT32_MAX,
                               .doc = "sectors of one command"),
                          ATTR("ioeventfd", ControllerDef, ioeventfd, .names = &tristate_on_off_names,
                               .doc = "guest notifications are handled outside the vCPU's thread"),
                          ATTR("iothread", ControllerDef, iothread, .min = 1, .max = UINT32_MAX,
                               .doc = "number of the I/O thread"),
                          INCLUDE(ControllerDef, virtio, &virtio_options_table)),
                     .doc = "how QEMU runs the controller"),
               INCLUDE(ControllerDef, info, &device_info_table),
               GROUP_FLAG("pcihole64", ControllerDef, has_pcihole64,
                          ROWS(TEXT(ControllerDef, pcihole64_bytes, .unit = XML_UNIT_KIB, .flags = ROW_ALWAYS,
                                    .max = INT64_MAX)),
                          PCI_ONLY, .doc = "size of the 64-bit PCI window: of the board's own bus")),
          KEEPS(ControllerDef), .init = controller_init, .finish = controller_finish,
          .doc = "A bus or host adapter that other devices need.");