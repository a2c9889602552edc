/* What cloud-init is told at a machine's first boot. */
import { type IsoFile, makeIso } from "./iso";

export interface Answers {
  name: string;
  user: string;
  password: string;
  keys: string[];
  /** "192.168.122.60/24"; "" for DHCP */
  address: string;
  gateway: string;
  dns: string;
}

/** JSON is YAML: what is typed needs no quoting of its own. */
function userData(a: Answers): string {
  const user = {
    name: a.user,
    groups: ["sudo"],
    shell: "/bin/bash",
    sudo: "ALL=(ALL) NOPASSWD:ALL",
    lock_passwd: a.password === "",
    ...(a.password && { plain_text_passwd: a.password }),
    ...(a.keys.length > 0 && { ssh_authorized_keys: a.keys }),
  };
  return `#cloud-config\n${JSON.stringify({ hostname: a.name, ssh_pwauth: a.password !== "", users: ["default", user] }, null, 2)}\n`;
}

function networkConfig(a: Answers): string {
  const nic = {
    match: { name: "e*" },
    addresses: [a.address],
    ...(a.gateway && { routes: [{ to: "0.0.0.0/0", via: a.gateway }] }),
    ...(a.dns && { nameservers: { addresses: a.dns.split(/[ ,]+/) } }),
  };
  return JSON.stringify({ version: 2, ethernets: { nic } }, null, 2);
}

export function seedFiles(a: Answers): IsoFile[] {
  return [
    { name: "user-data", content: userData(a) },
    { name: "meta-data", content: JSON.stringify({ "instance-id": crypto.randomUUID?.() ?? `${a.name}-1`, "local-hostname": a.name }) },
    ...(a.address ? [{ name: "network-config", content: networkConfig(a) }] : []),
  ];
}

export function seedImage(a: Answers): Blob {
  return new Blob([makeIso("cidata", seedFiles(a))], { type: "application/octet-stream" });
}
