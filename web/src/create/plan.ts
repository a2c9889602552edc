/* From what the wizard asks to the calls that make the machine. */
import { type Call, path, sh } from "../lib/api";
import { has } from "../lib/has";
import { t } from "../lib/i18n";
import type { Host, Machine, Volume } from "../lib/model";
import { el, pretty, text } from "../lib/xml";
import { networkField, newVolumeCall, poolField, volumeField } from "../machine/devices";
import { cloneCall } from "../machine/power";
import { type Template, instantiateCall } from "../pages/templates";
import { type Field, type Values, num, size, str } from "../ui/fields";
import { seedImage } from "./seed";

export type Method = "iso" | "cloud" | "import" | "pxe" | "clone" | "template";

export function methods(): [Method, string, string][] {
  return [
    ["iso", t("Install from a CD image"), t("An ISO from a pool; a new disk.")],
    ["cloud", t("Cloud image"), t("A disk on top of an image, with a user, a key and a network: ready in seconds.")],
    ["import", t("A disk that is there"), t("A volume with an installed system.")],
    ["pxe", t("From the network"), t("It boots by PXE and installs to a new disk.")],
    ["clone", t("Like another machine"), t("A copy of a machine.")],
    ...(has("GET /templates") ? [["template", t("From a template"), t("A machine that was kept to make others from.")] as [Method, string, string]] : []),
  ];
}

const by = (...wanted: Method[]) => (v: Values) => wanted.includes(v.method as Method);

function mediumField(name: string, label: string, poolName: string): Field[] {
  return [
    { ...poolField, name: poolName, label: t("Pool of {what}", { what: label }) },
    {
      ...volumeField(label),
      name,
      from: (v) => (v[poolName] ? path`/pools/${str(v, poolName)}/volumes` : null),
      option: (vol: Volume) => ({ value: `${vol.format ?? "raw"}:${vol.path ?? vol.name}`, label: vol.name }),
    },
  ];
}

function limited(fields: Field[], wanted: (v: Values) => boolean): Field[] {
  return fields.map((field) => ({ ...field, when: (v: Values) => wanted(v) && (field.when?.(v) ?? true) }));
}

export function wizardFields(): Field[] {
  const isNew = by("iso", "cloud", "import", "pxe");
  return [
    { name: "name", label: t("Name"), check: (value) => (/[/\s]/.test(String(value)) ? t("A name has no spaces and no slashes.") : undefined) },
    ...limited(mediumField("iso", t("CD image"), "isoPool"), by("iso")),
    ...limited(mediumField("image", t("Image"), "imagePool"), by("cloud")),
    ...limited(mediumField("disk", t("Disk"), "diskPool"), by("import")),
    { name: "original", label: t("Machine"), kind: "select", from: () => "/machines", option: (m: Machine) => ({ value: m.name, label: m.name }), when: by("clone") },
    { name: "linked", label: t("Linked: disks on top of the original's, made at once"), kind: "switch", when: by("clone") },
    { name: "template", label: t("Template"), kind: "select", from: () => "/templates", option: (x: Template) => ({ value: x.name, label: x.name }), when: by("template") },
    { name: "full", label: t("Copy the disks instead of standing on the template's"), kind: "switch", when: by("template") },
    { name: "count", label: t("How many"), kind: "number", initial: 1, min: 1, max: 100, when: by("clone", "template") },
    ...limited(
      [
        { name: "user", label: t("User"), initial: "admin" },
        { name: "key", label: t("SSH key"), kind: "area", optional: true, help: t("The public key, one a line.") },
        { name: "password", label: t("Password"), kind: "password", optional: true, help: t("It lies readable on the seed: prefer a key.") },
        { name: "address", label: t("Fixed address"), optional: true, help: t("Like 192.168.122.60/24. Empty: by DHCP.") },
        { name: "gateway", label: t("Gateway"), optional: true, when: (v) => str(v, "address") !== "" },
        { name: "dns", label: t("DNS servers"), optional: true, when: (v) => str(v, "address") !== "" },
      ],
      by("cloud"),
    ),
    ...limited(
      [
        { name: "vcpus", label: t("CPUs"), kind: "number", min: 1, max: 512, initial: 2 },
        { name: "memory", label: t("Memory"), kind: "size", initial: "2 GiB" },
      ],
      isNew,
    ),
    ...limited(
      [
        { ...poolField, label: t("Pool of the disk") },
        { name: "capacity", label: t("Size of the disk"), kind: "size", initial: "20 GiB" },
      ],
      by("iso", "cloud", "pxe"),
    ),
    { ...networkField(), optional: true, options: [{ value: "", label: t("none") }], when: isNew, initial: "" },
    { name: "firmware", label: t("Firmware"), kind: "select", options: [{ value: "", label: "BIOS" }, { value: "efi", label: "UEFI" }], optional: true, when: isNew },
    { name: "windows", label: t("The guest is Windows without virtio drivers"), kind: "switch", when: by("iso", "import") },
    { name: "start", label: t("Start it at once"), kind: "switch", initial: true },
  ];
}

function split(volume: string): { format: string; path: string } {
  const [, format = "raw", file = volume] = /^(\w+):(.*)$/s.exec(volume) ?? [];
  return { format, path: file };
}

function fileDisk(device: string, format: string, file: string, target: string, bus: string): string {
  const type = file.startsWith("/dev/") ? "block" : "file";
  return el("disk", { type, device }, el("driver", { name: "qemu", type: format }), el("source", type === "block" ? { dev: file } : { file }), el("target", { dev: target, bus }), device === "cdrom" && "<readonly/>");
}

function volumeDisk(device: string, format: string, pool: string, volume: string, target: string, bus: string): string {
  return el("disk", { type: "volume", device }, el("driver", { name: "qemu", type: format }), el("source", { pool, volume }), el("target", { dev: target, bus }), device === "cdrom" && "<readonly/>");
}

const diskName = (v: Values) => `${str(v, "name")}.qcow2`;
const seedName = (v: Values) => `${str(v, "name")}-seed.iso`;

function disksXml(v: Values): string[] {
  const bus = v.windows ? "sata" : "virtio";
  const target = v.windows ? "sda" : "vda";
  if (v.method === "import") {
    const { format, path: file } = split(str(v, "disk"));
    return [fileDisk("disk", format, file, target, bus)];
  }
  const own = volumeDisk("disk", "qcow2", str(v, "pool"), diskName(v), target, bus);
  if (v.method === "iso") return [own, fileDisk("cdrom", "raw", split(str(v, "iso")).path, "sdb", "sata")];
  if (v.method === "cloud") return [own, volumeDisk("cdrom", "raw", str(v, "pool"), seedName(v), "sdb", "sata")];
  return [own];
}

export function machineXml(v: Values, host: Host | undefined): string {
  const boots: Record<string, string[]> = { iso: ["hd", "cdrom"], pxe: ["network", "hd"] };
  const boot = (boots[str(v, "method")] ?? ["hd"]).map((dev) => el("boot", { dev }));
  const model = v.windows ? "e1000e" : "virtio";
  const nic = str(v, "network") && el("interface", { type: "network" }, el("source", { network: str(v, "network") }), el("model", { type: model }));
  return pretty(
    el(
      "domain",
      { type: host?.kvm ? "kvm" : "qemu" },
      text("name", str(v, "name")),
      text("memory", Math.floor(size(v, "memory") / 1024), { unit: "KiB" }),
      text("vcpu", num(v, "vcpus")),
      el("os", { firmware: str(v, "firmware") }, text("type", "hvm", { arch: host?.arch ?? "x86_64", machine: (host?.arch ?? "x86_64") === "x86_64" && "q35" }), ...boot),
      "<features><acpi/><apic/></features>",
      host?.kvm === true && el("cpu", { mode: "host-passthrough" }),
      el("clock", { offset: v.windows ? "localtime" : "utc" }),
      el(
        "devices",
        {},
        ...disksXml(v),
        nic,
        '<serial type="pty"/><console type="pty"/>',
        el("channel", { type: "unix" }, el("target", { type: "virtio", name: "org.qemu.guest_agent.0" })),
        '<input type="tablet" bus="usb"/>',
        el("graphics", { type: "vnc", port: -1, autoport: "yes" }, el("listen", { type: "address", address: "127.0.0.1" })),
        el("video", {}, el("model", { type: v.windows ? "vga" : "virtio" })),
        el("rng", { model: "virtio" }, text("backend", "/dev/urandom", { model: "random" })),
      ),
    ),
  );
}

function seedCalls(v: Values): Call[] {
  const keys = str(v, "key").split("\n").map((k) => k.trim()).filter(Boolean);
  const seed = seedImage({ name: str(v, "name"), user: str(v, "user"), password: String(v.password ?? ""), keys, address: str(v, "address"), gateway: str(v, "gateway"), dns: str(v, "dns") });
  const volume = path`/pools/${str(v, "pool")}/volumes/${seedName(v)}/content`;
  return [newVolumeCall(str(v, "pool"), seedName(v), seed.size, "raw"), { method: "PUT", path: volume, body: seed, command: sh`lodge vol-upload ${`${str(v, "pool")}/${seedName(v)}`} seed.iso` }];
}

/** All that is made before the machine: what a later failure takes back is the volumes among it. */
export function storageCalls(v: Values): Call[] {
  const pool = str(v, "pool");
  switch (v.method as Method) {
    case "iso":
    case "pxe":
      return [newVolumeCall(pool, diskName(v), size(v, "capacity"), "qcow2")];
    case "cloud":
      return [newVolumeCall(pool, diskName(v), size(v, "capacity"), "qcow2", split(str(v, "image"))), ...seedCalls(v)];
    default:
      return [];
  }
}

function spokenCreate(v: Values): string {
  const common = sh`--cpus ${num(v, "vcpus")} --memory ${size(v, "memory")}`;
  if (v.method === "cloud") return `${sh`lodge run ${str(v, "name")} --image ${split(str(v, "image")).path} --user ${str(v, "user")} --network ${str(v, "network")}`} ${common} --ssh-key key.pub`;
  return "lodge define machine.xml" + (v.start ? `; ${sh`lodge start ${str(v, "name")}`}` : "");
}

export function machineCall(v: Values, xml: string): Call {
  if (v.method === "clone") return cloneCall(str(v, "original"), v);
  if (v.method === "template") return instantiateCall(str(v, "template"), v);
  return { method: "POST", path: "/machines", body: { xml, start: v.start === true }, command: spokenCreate(v) };
}

/** How to take back what @call has made, if it makes a volume. */
export function undoOf(call: Call): Call | null {
  if (call.method !== "POST" || !/^\/pools\/[^/]+\/volumes$/.test(call.path)) return null;
  const name = (call.body as { name: string }).name;
  return { method: "DELETE", path: `${call.path}/${encodeURIComponent(name)}`, command: "" };
}
