/* What a machine's document says about itself: boot, firmware, processor. Changes are made in the document and stored whole. */
import { path, sh } from "../lib/api";
import { t } from "../lib/i18n";
import type { MachineDetails } from "../lib/model";
import { at, child, serialize } from "../lib/xml";
import type { Action } from "../ui/act";
import { str } from "../ui/fields";
import { options } from "./devices";

const bootDevices = () => [
  { value: "", label: t("none") },
  { value: "hd", label: t("Disk") },
  { value: "cdrom", label: t("CD") },
  { value: "network", label: t("Network") },
];

function bootOrder(os: Element): string[] {
  return [...os.children].filter((c) => c.tagName === "boot").map((c) => c.getAttribute("dev") ?? "");
}

/** Boot order, boot menu, firmware and CPU model of the definition. */
export function bootAction(m: MachineDetails, doc: Document): Action {
  const os = child(doc.documentElement, "os");
  const order = bootOrder(os);
  return {
    label: t("Boot and CPU…"),
    question: t("These come with the next start."),
    fields: [
      { name: "first", label: t("Boots first from"), kind: "select", options: bootDevices(), initial: order[0] ?? "", optional: true },
      { name: "second", label: t("and else from"), kind: "select", options: bootDevices(), initial: order[1] ?? "", optional: true },
      { name: "menu", label: t("Boot menu"), kind: "switch", initial: at(os, "bootmenu@enable") === "yes" },
      { name: "firmware", label: t("Firmware"), kind: "select", optional: true, options: [{ value: "", label: t("as it is") }, { value: "bios", label: "BIOS" }, { value: "efi", label: "UEFI" }] },
      { name: "cpu", label: t("CPU model"), kind: "select", options: [{ value: "", label: t("as it is") }, ...options("host-passthrough", "host-model", "maximum")], optional: true },
      { name: "sockets", label: t("Sockets"), optional: true, initial: at(doc, "cpu/topology@sockets") },
      { name: "cores", label: t("Cores"), optional: true, initial: at(doc, "cpu/topology@cores") },
      { name: "threads", label: t("Threads"), optional: true, initial: at(doc, "cpu/topology@threads") },
      { name: "nodes", label: t("Memory from the host's NUMA nodes"), optional: true, initial: at(doc, "numatune/memory@nodeset"), help: t("Like 0 or 0-1. Empty: from any."), check: (value) => (/^[\d,^-]*$/.test(String(value).trim()) ? undefined : t("Like 0 or 0-1.")) },
    ],
    calls: (v) => {
      const changed = doc.cloneNode(true) as Document;
      const domain = changed.documentElement;
      const newOs = child(domain, "os");
      [...newOs.children].filter((c) => c.tagName === "boot").forEach((c) => c.remove());
      for (const dev of [str(v, "first"), str(v, "second")].filter(Boolean)) {
        const boot = newOs.appendChild(changed.createElementNS(null, "boot"));
        boot.setAttribute("dev", dev);
      }
      child(newOs, "bootmenu").setAttribute("enable", v.menu ? "yes" : "no");
      if (str(v, "firmware")) {
        [...newOs.children].filter((c) => ["loader", "nvram", "firmware"].includes(c.tagName)).forEach((c) => c.remove());
        if (v.firmware === "efi") newOs.setAttribute("firmware", "efi");
        else newOs.removeAttribute("firmware");
      }
      if (str(v, "nodes") !== at(doc, "numatune/memory@nodeset")) {
        domain.querySelectorAll(":scope > numatune").forEach((c) => c.remove());
        const memory = str(v, "nodes") && child(child(domain, "numatune"), "memory");
        if (memory) {
          memory.setAttribute("mode", "strict");
          memory.setAttribute("nodeset", str(v, "nodes"));
        }
      }
      if (str(v, "cpu")) {
        domain.querySelectorAll(":scope > cpu").forEach((c) => c.remove());
        child(domain, "cpu").setAttribute("mode", str(v, "cpu"));
      }
      if (str(v, "cores")) {
        const topology = child(child(domain, "cpu"), "topology");
        for (const part of ["sockets", "cores", "threads"]) topology.setAttribute(part, str(v, part) || "1");
      }
      return [{ method: "PUT", path: path`/machines/${m.name}/xml`, body: serialize(changed), command: sh`lodge edit ${m.name}` }];
    },
  };
}
