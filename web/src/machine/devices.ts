/* Devices of a machine: what a dialog asks for, and the element that it makes. One row per kind. */
import { type Call, path, sh } from "../lib/api";
import { t } from "../lib/i18n";
import type { MachineDetails, Network, Pool, Volume } from "../lib/model";
import { at, child, el, parse, serialize, text } from "../lib/xml";
import type { Action } from "../ui/act";
import { type Field, type Option, type Values, num, size, str } from "../ui/fields";

export interface DeviceKind {
  /** the element below <devices> */
  tag: string;
  label: () => string;
  fields: (m: MachineDetails) => Field[];
  xml: (v: Values) => string;
  /** one of its kind is named so in lists */
  describe: (e: Element) => string;
  /** a running machine can't get it: it comes with the next start */
  cold?: boolean;
}

const isOn = (m: MachineDetails) => m.state !== "shutoff" && m.state !== "crashed";

export const poolField: Field = {
  name: "pool",
  label: "",
  kind: "select",
  from: () => "/pools",
  option: (p: Pool) => ({ value: p.name, label: p.name, disabled: p.state === "inactive" }),
};

export function volumeField(label: string): Field {
  return {
    name: "volume",
    label,
    kind: "select",
    from: (v) => (v.pool ? path`/pools/${str(v, "pool")}/volumes` : null),
    option: (vol: Volume): Option => ({
      value: vol.path ?? vol.name,
      label: vol.name,
    }),
  };
}

export function networkField(): Field {
  return {
    name: "network",
    label: t("Network"),
    kind: "select",
    from: () => "/networks",
    option: (n: Network) => ({ value: n.name, label: n.name }),
    when: (v) => v.type === undefined || v.type === "network",
  };
}

export const options = (...values: string[]): Option[] => values.map((value) => ({ value, label: value }));

const prefixes: Record<string, string> = { virtio: "vd", scsi: "sd", sata: "sd", usb: "sd", ide: "hd", fdc: "fd" };

function freeTarget(m: MachineDetails, bus: string): string {
  const taken = new Set(m.disks?.map((d) => d.target));
  const prefix = prefixes[bus] ?? "vd";
  for (let i = 0; i < 26; i++) {
    const name = prefix + String.fromCharCode(97 + i);
    if (!taken.has(name)) return name;
  }
  return `${prefix}aa`;
}

function diskFields(m: MachineDetails): Field[] {
  const isNew = (v: Values) => v.source === "new";
  return [
    {
      name: "source",
      label: t("Source"),
      kind: "select",
      options: [
        { value: "new", label: t("A new volume") },
        { value: "volume", label: t("A volume that is there") },
        { value: "path", label: t("A file or block device of the host") },
        { value: "empty", label: t("An empty drive for CDs") },
      ],
    },
    { ...poolField, label: t("Pool"), when: (v) => v.source === "new" || v.source === "volume" },
    { name: "name", label: t("Name"), initial: `${m.name}-${(m.disks?.length ?? 0) + 1}.qcow2`, when: isNew },
    { name: "capacity", label: t("Size"), kind: "size", initial: "10 GiB", when: isNew },
    { ...volumeField(t("Volume")), when: (v) => v.source === "volume" },
    { name: "path", label: t("Path"), when: (v) => v.source === "path" },
    {
      name: "device",
      label: t("Kind"),
      kind: "select",
      options: [{ value: "disk", label: t("Disk") }, { value: "cdrom", label: t("CD") }],
      when: (v) => v.source === "volume" || v.source === "path",
    },
    { name: "format", label: t("Format"), kind: "select", options: options("qcow2", "raw"), when: (v) => v.source !== "empty" },
    { name: "bus", label: t("Bus"), kind: "select", options: options("virtio", "scsi", "sata", "usb", "ide"), initial: "virtio" },
    { name: "cache", label: t("Cache"), kind: "select", options: [{ value: "", label: t("default") }, ...options("none", "writeback", "writethrough", "directsync", "unsafe")], optional: true },
    { name: "readonly", label: t("Read-only"), kind: "switch", when: (v) => v.device !== "cdrom" && v.source !== "empty" },
    { name: "target", label: t("Target"), help: t("Empty: the next free name of the bus."), optional: true, initial: "" },
  ];
}

/** The path of a volume that is about to be made: pools of folders name it by their path. */
function diskXml(m: MachineDetails, v: Values): string {
  const isCd = v.source === "empty" || v.device === "cdrom";
  const bus = isCd && v.bus === "virtio" ? "sata" : str(v, "bus");
  const source =
    v.source === "new"
      ? el("source", { pool: str(v, "pool"), volume: str(v, "name") })
      : v.source === "empty"
        ? ""
        : sourceXml(str(v, v.source === "volume" ? "volume" : "path"));
  const type = v.source === "new" ? "volume" : str(v, "path").startsWith("/dev/") && v.source === "path" ? "block" : "file";
  return el(
    "disk",
    { type, device: isCd ? "cdrom" : "disk" },
    el("driver", { name: "qemu", type: v.source === "empty" || isCd ? "raw" : str(v, "format"), cache: str(v, "cache") }),
    source,
    el("target", { dev: str(v, "target") || freeTarget(m, bus), bus }),
    (isCd || v.readonly === true) && "<readonly/>",
  );
}

export function sourceXml(file: string): string {
  return el("source", file.startsWith("/dev/") ? { dev: file } : { file });
}

export function newVolumeCall(pool: string, name: string, bytes: number, format: string, backing?: { path: string; format: string }): Call {
  return {
    method: "POST",
    path: path`/pools/${pool}/volumes`,
    body: { name, capacity_bytes: bytes, format, ...(backing && { backing: backing.path }) },
    command:
      sh`lodge vol-create-as ${pool} ${name} ${bytes} --format ${format}` +
      (backing ? sh` --backing-vol ${backing.path} --backing-vol-format ${backing.format}`.replace(/^/, " ") : ""),
  };
}

const nicKind: DeviceKind = {
  tag: "interface",
  label: () => t("Network interface"),
  fields: () => [
    {
      name: "type",
      label: t("Connected to"),
      kind: "select",
      options: [
        { value: "network", label: t("A network") },
        { value: "bridge", label: t("A bridge of the host") },
        { value: "direct", label: t("A device of the host (macvtap)") },
        { value: "user", label: t("The host's connections (user mode)") },
      ],
    },
    networkField(),
    { name: "source", label: t("Bridge or device"), when: (v) => v.type === "bridge" || v.type === "direct" },
    { name: "model", label: t("Model"), kind: "select", options: options("virtio", "e1000e", "e1000", "rtl8139") },
    { name: "mac", label: t("MAC address"), optional: true, help: t("Empty: one is made."), check: checkMac },
    { name: "filter", label: t("Filter"), kind: "select", optional: true, options: [{ value: "", label: t("none") }], from: () => "/filters", option: (f: { name: string }) => ({ value: f.name, label: f.name }) },
    { name: "down", label: t("Cable unplugged"), kind: "switch" },
  ],
  xml: (v) => {
    const source: Record<string, string> = { network: "network", bridge: "bridge", direct: "dev" };
    const kind = source[str(v, "type")];
    return el(
      "interface",
      { type: str(v, "type") },
      str(v, "mac") && el("mac", { address: str(v, "mac") }),
      kind && el("source", { [kind]: str(v, v.type === "network" ? "network" : "source"), mode: v.type === "direct" && "bridge" }),
      el("model", { type: str(v, "model") }),
      str(v, "filter") && el("filterref", { filter: str(v, "filter") }),
      v.down === true && el("link", { state: "down" }),
    );
  },
  describe: (e) => `${at(e, "mac@address")} · ${at(e, "source@network") || at(e, "source@bridge") || at(e, "source@dev") || at(e, "@type")}`,
};

function checkMac(value: unknown): string | undefined {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(String(value)) ? undefined : t("A MAC address looks like 52:54:00:12:34:56.");
}

const hostdevKind: DeviceKind = {
  tag: "hostdev",
  label: () => t("Device of the host"),
  fields: () => [
    { name: "type", label: t("Kind"), kind: "select", options: options("pci", "usb") },
    {
      name: "device",
      label: t("Device"),
      kind: "suggest",
      from: (v) => `/node-devices?capability=${v.type === "usb" ? "usb_device" : "pci"}`,
      option: (d: { name: string; description?: string }) => ({ value: d.name, label: d.description ?? d.name }),
      help: t("A name like pci_0000_03_00_0, or vendor and product of a USB device like 046d:c52b."),
    },
  ],
  xml: (v) => {
    const name = str(v, "device");
    const pci = /^pci_([0-9a-f]{4})_([0-9a-f]{2})_([0-9a-f]{2})_([0-7])$/i.exec(name);
    const usb = /^([0-9a-f]{4}):([0-9a-f]{4})$/i.exec(name);
    if (pci) {
      const [, domain, bus, slot, func] = pci;
      const address = el("address", { domain: `0x${domain}`, bus: `0x${bus}`, slot: `0x${slot}`, function: `0x${func}` });
      return el("hostdev", { mode: "subsystem", type: "pci", managed: "yes" }, el("source", {}, address));
    }
    if (!usb) throw new Error(t("A name like pci_0000_03_00_0, or vendor and product of a USB device like 046d:c52b."));
    const ids = el("vendor", { id: `0x${usb[1]}` }) + el("product", { id: `0x${usb[2]}` });
    return el("hostdev", { mode: "subsystem", type: "usb", managed: "yes" }, el("source", {}, ids));
  },
  describe: (e) => `${at(e, "@type")} ${["domain", "bus", "slot", "function"].map((a) => at(e, `source/address@${a}`)).filter(Boolean).join(" ")}`,
};

export const deviceKinds: DeviceKind[] = [
  { tag: "disk", label: () => t("Disk"), fields: diskFields, xml: () => "", describe: (e) => `${at(e, "target@dev")} · ${at(e, "source@file") || at(e, "source@dev") || at(e, "source@volume") || t("empty")}` },
  nicKind,
  hostdevKind,
  {
    tag: "graphics",
    label: () => t("Display"),
    cold: true,
    fields: () => [
      { name: "type", label: t("Kind"), kind: "select", options: options("vnc", "spice") },
      { name: "listen", label: t("Address it listens on"), initial: "127.0.0.1" },
      { name: "port", label: t("Port"), optional: true, help: t("Empty: the next free one.") },
      { name: "password", label: t("Password"), kind: "password", optional: true },
      { name: "keymap", label: t("Keyboard layout"), optional: true },
    ],
    xml: (v) => el("graphics", { type: str(v, "type"), port: str(v, "port") || -1, autoport: !str(v, "port") && "yes", passwd: str(v, "password"), keymap: str(v, "keymap") }, el("listen", { type: "address", address: str(v, "listen") })),
    describe: (e) => `${at(e, "@type")} ${at(e, "@port") === "-1" ? "" : at(e, "@port")}`,
  },
  {
    tag: "video",
    label: () => t("Video"),
    cold: true,
    fields: () => [{ name: "model", label: t("Model"), kind: "select", options: options("virtio", "vga", "qxl", "bochs", "cirrus", "none") }],
    xml: (v) => el("video", {}, el("model", { type: str(v, "model") })),
    describe: (e) => at(e, "model@type"),
  },
  {
    tag: "serial",
    label: () => t("Serial port"),
    cold: true,
    fields: () => [{ name: "type", label: t("Kind"), kind: "select", options: options("pty") }],
    xml: () => el("serial", { type: "pty" }),
    describe: (e) => `${at(e, "@type")} ${at(e, "target@port")}`,
  },
  {
    tag: "input",
    label: () => t("Input"),
    fields: () => [
      { name: "type", label: t("Kind"), kind: "select", options: options("tablet", "keyboard", "mouse") },
      { name: "bus", label: t("Bus"), kind: "select", options: options("usb", "virtio") },
    ],
    xml: (v) => el("input", { type: str(v, "type"), bus: str(v, "bus") }),
    describe: (e) => `${at(e, "@type")} ${at(e, "@bus")}`,
  },
  {
    tag: "channel",
    label: () => t("Channel of the guest agent"),
    fields: () => [{ name: "name", label: t("Name"), initial: "org.qemu.guest_agent.0" }],
    xml: (v) => el("channel", { type: "unix" }, el("target", { type: "virtio", name: str(v, "name") })),
    describe: (e) => at(e, "target@name"),
  },
  {
    tag: "filesystem",
    label: () => t("Shared folder"),
    cold: true,
    fields: () => [
      { name: "source", label: t("Folder of the host") },
      { name: "target", label: t("Tag in the guest"), help: t("The guest mounts it by this name.") },
      { name: "driver", label: t("Driver"), kind: "select", options: [{ value: "path", label: "9p" }, { value: "virtiofs", label: "virtiofs" }] },
      { name: "readonly", label: t("Read-only"), kind: "switch" },
    ],
    xml: (v) => el("filesystem", { type: "mount", accessmode: v.driver === "path" && "mapped" }, el("driver", { type: str(v, "driver") }), el("source", { dir: str(v, "source") }), el("target", { dir: str(v, "target") }), v.readonly === true && "<readonly/>"),
    describe: (e) => `${at(e, "source@dir")} → ${at(e, "target@dir")}`,
  },
  {
    tag: "tpm",
    label: () => t("TPM"),
    cold: true,
    fields: () => [{ name: "model", label: t("Model"), kind: "select", options: options("tpm-crb", "tpm-tis") }],
    xml: (v) => el("tpm", { model: str(v, "model") }, el("backend", { type: "emulator", version: "2.0" })),
    describe: (e) => at(e, "@model"),
  },
  {
    tag: "rng",
    label: () => t("Random numbers"),
    fields: () => [{ name: "source", label: t("Source"), initial: "/dev/urandom" }],
    xml: (v) => el("rng", { model: "virtio" }, text("backend", str(v, "source"), { model: "random" })),
    describe: (e) => at(e, "backend"),
  },
  {
    tag: "watchdog",
    label: () => t("Watchdog"),
    fields: () => [
      { name: "model", label: t("Model"), kind: "select", options: options("i6300esb", "ib700") },
      { name: "action", label: t("What it does"), kind: "select", options: options("reset", "poweroff", "shutdown", "pause", "inject-nmi", "none") },
    ],
    xml: (v) => el("watchdog", { model: str(v, "model"), action: str(v, "action") }),
    describe: (e) => `${at(e, "@model")} · ${at(e, "@action")}`,
  },
  {
    tag: "sound",
    label: () => t("Sound"),
    cold: true,
    fields: () => [{ name: "model", label: t("Model"), kind: "select", options: options("ich9", "ich6", "ac97") }],
    xml: (v) => el("sound", { model: str(v, "model") }),
    describe: (e) => at(e, "@model"),
  },
];

/* ---- what the dialogs do ---- */

/** The machine that runs, its definition, or both: what a change is for. */
function reach(m: MachineDetails): { live: boolean; config: boolean; words: string } {
  const live = isOn(m);
  const config = m.persistent !== false;
  return { live, config, words: `${live ? " --live" : ""}${config ? " --config" : ""}` };
}

const verbs = { POST: "attach-device", PUT: "update-device", DELETE: "detach-device" };

export function deviceCall(m: MachineDetails, method: "POST" | "PUT" | "DELETE", xml: string): Call {
  const { live, config, words } = reach(m);
  return {
    method,
    path: path`/machines/${m.name}/devices`,
    body: { xml, live, config },
    command: sh`lodge ${verbs[method]} ${m.name} device.xml` + words,
  };
}

/** Stores @doc, the definition, after @change of its devices. */
function definitionCall(m: MachineDetails, doc: Document, change: (devices: Element) => void): Call {
  const changed = doc.cloneNode(true) as Document;
  change(child(changed.documentElement, "devices"));
  return { method: "PUT", path: path`/machines/${m.name}/xml`, body: serialize(changed), command: sh`lodge edit ${m.name}` };
}

/** @definition  of the next start; cold kinds are added there */
export function addAction(m: MachineDetails, kind: DeviceKind, definition: Document | undefined): Action {
  const isDisk = kind.tag === "disk";
  const cold = kind.cold ?? false;
  return {
    label: kind.label(),
    submit: t("Add"),
    title: t("Add: {kind}", { kind: kind.label() }),
    disabled: cold && !definition ? t("It has no definition that could be changed.") : undefined,
    ...(cold && isOn(m) && { question: t("The machine gets it with its next start.") }),
    fields: kind.fields(m),
    inOrder: true,
    calls: (v) => {
      const xml = isDisk ? diskXml(m, v) : kind.xml(v);
      if (cold) return [definitionCall(m, definition!, (devices) => devices.append(devices.ownerDocument.importNode(parse(xml).doc!.documentElement, true)))];
      const volume = isDisk && v.source === "new" ? [newVolumeCall(str(v, "pool"), str(v, "name"), size(v, "capacity"), str(v, "format"))] : [];
      return [...volume, deviceCall(m, "POST", xml)];
    },
  };
}

/** @device without what only the machine that runs knows: it names the same one in the definition. */
function withoutRuntime(device: Element): Element {
  const plain = device.cloneNode(true) as Element;
  const runtime = ["alias", "address", "backingStore", ...(device.tagName === "interface" ? ["target"] : [])];
  [...plain.children].filter((c) => runtime.includes(c.tagName)).forEach((c) => c.remove());
  plain.querySelectorAll("source[index]").forEach((c) => c.removeAttribute("index"));
  return plain;
}

/** @index  which one of its kind */
export function removeAction(m: MachineDetails, kind: DeviceKind, device: Element, index: number, name: string, definition: Document | undefined): Action {
  const cold = kind.cold ?? false;
  const nth = (devices: Element) => [...devices.children].filter((c) => c.tagName === kind.tag)[index];
  return {
    label: t("Remove"),
    title: t("Remove {name}?", { name }),
    question: cold && isOn(m) ? t("It is gone with the next start.") : kind.tag === "disk" ? t("Its volume stays.") : t("The guest loses it at once, when it runs."),
    disabled: cold && !definition ? t("It has no definition that could be changed.") : undefined,
    danger: true,
    calls: () => [cold ? definitionCall(m, definition!, (devices) => nth(devices)?.remove()) : deviceCall(m, "DELETE", serialize(withoutRuntime(device)))],
  };
}

/** Another medium in a drive, or none. */
export function mediumAction(m: MachineDetails, device: Element): Action {
  return {
    label: t("Change medium…"),
    fields: [
      { name: "what", label: t("Medium"), kind: "select", options: [{ value: "volume", label: t("A volume that is there") }, { value: "none", label: t("none (eject)") }] },
      { ...poolField, label: t("Pool"), when: (v) => v.what === "volume" },
      { ...volumeField(t("Volume")), when: (v) => v.what === "volume" },
    ],
    calls: (v) => {
      const changed = device.cloneNode(true) as Element;
      [...changed.children].filter((c) => c.tagName === "source").forEach((c) => c.remove());
      if (v.what === "volume") {
        const source = changed.ownerDocument.createElementNS(null, "source");
        source.setAttribute("file", str(v, "volume"));
        changed.prepend(source);
        changed.setAttribute("type", "file");
      }
      const words = v.what === "volume" ? sh`--source ${str(v, "volume")} --update` : "--eject";
      return [{ ...deviceCall(m, "PUT", serialize(changed)), command: sh`lodge change-media ${m.name} ${at(device, "target@dev")}` + ` ${words}` }];
    },
  };
}

export function editNicAction(m: MachineDetails, device: Element): Action {
  const isNetwork = at(device, "@type") === "network";
  return {
    label: t("Edit…"),
    title: t("Edit {name}", { name: at(device, "mac@address") }),
    fields: [
      ...(isNetwork ? [{ ...networkField(), initial: at(device, "source@network") }] : [{ name: "source", label: t("Bridge or device"), initial: at(device, "source@bridge") || at(device, "source@dev"), optional: true }]),
      { name: "down", label: t("Cable unplugged"), kind: "switch", initial: at(device, "link@state") === "down" },
    ],
    calls: (v) => {
      const changed = device.cloneNode(true) as Element;
      const source = [...changed.children].find((c) => c.tagName === "source");
      const attribute = isNetwork ? "network" : source?.hasAttribute("bridge") ? "bridge" : "dev";
      source?.setAttribute(attribute, str(v, isNetwork ? "network" : "source"));
      [...changed.children].filter((c) => c.tagName === "link").forEach((c) => c.remove());
      const link = changed.ownerDocument.createElementNS(null, "link");
      link.setAttribute("state", v.down ? "down" : "up");
      changed.append(link);
      return [deviceCall(m, "PUT", serialize(changed))];
    },
  };
}

export function resizeAction(m: MachineDetails, target: string, bytes: number | undefined): Action {
  return {
    label: t("Resize…"),
    title: t("Resize {name}", { name: target }),
    fields: [{ name: "capacity", label: t("Size"), kind: "size", initial: bytes ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : "", help: t("A disk that a machine uses only grows.") }],
    calls: (v) => [
      {
        method: "POST",
        path: path`/machines/${m.name}/disks/${target}/resize`,
        body: { capacity_bytes: size(v, "capacity") },
        command: sh`lodge blockresize ${m.name} ${target} ${size(v, "capacity")}b`,
      },
    ],
  };
}

export function cpuMemoryAction(m: MachineDetails): Action {
  return {
    label: t("CPUs and memory…"),
    ...(isOn(m) && { question: t("A running machine gets what its maximum allows; the rest comes with its next start.") }),
    fields: [
      { name: "vcpus", label: t("CPUs"), kind: "number", min: 1, max: 512, initial: m.vcpus ?? 1 },
      { name: "memory", label: t("Memory"), kind: "size", initial: `${Math.round((m.memory_bytes ?? 0) / 2 ** 20)} MiB` },
    ],
    calls: (v) => [
      {
        method: "PATCH",
        path: path`/machines/${m.name}`,
        body: { vcpus: num(v, "vcpus"), memory_bytes: size(v, "memory"), config: true },
        command: `${sh`lodge setvcpus ${m.name} ${num(v, "vcpus")} --config`}; ${sh`lodge setmem ${m.name} ${size(v, "memory")}b --config`}`,
      },
    ],
  };
}
