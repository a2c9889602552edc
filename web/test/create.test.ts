import { describe, expect, test } from "vitest";
import { makeIso } from "../src/create/iso";
import { machineXml, methods, storageCalls, undoOf, wizardFields } from "../src/create/plan";
import { seedFiles } from "../src/create/seed";
import { at, parse } from "../src/lib/xml";
import { initialValues } from "../src/ui/fields";

const SECTOR = 2048;

/** The files of an image as its Joliet folder names them. */
function filesOf(bytes: Uint8Array<ArrayBuffer>): Record<string, string> {
  const number = (offset: number) => new DataView(bytes.buffer).getUint32(offset, true);
  const root = number(17 * SECTOR + 156 + 2) * SECTOR;
  const found: Record<string, string> = {};
  for (let p = root; bytes[p]! > 0; p += bytes[p]!) {
    const length = bytes[p + 32]!;
    if (length < 2) continue;
    const name = new TextDecoder("utf-16be").decode(bytes.subarray(p + 33, p + 33 + length));
    const start = number(p + 2) * SECTOR;
    found[name] = new TextDecoder().decode(bytes.subarray(start, start + number(p + 10)));
  }
  return found;
}

describe("a seed", () => {
  const answers = { name: "web", user: "anna", password: "", keys: ["ssh-ed25519 AAAA a"], address: "10.0.0.5/24", gateway: "10.0.0.1", dns: "10.0.0.1, 10.0.0.2" };
  test("is an image with the files that cloud-init reads", () => {
    const files = filesOf(makeIso("cidata", seedFiles(answers)));
    expect(Object.keys(files)).toEqual(["user-data", "meta-data", "network-config"]);
    expect(files["user-data"]).toMatch(/^#cloud-config\n/);
    const user = JSON.parse(files["user-data"]!.replace(/^.*\n/, "")) as { users: [string, { name: string; ssh_authorized_keys: string[] }] };
    expect(user.users[1]).toMatchObject({ name: "anna", ssh_authorized_keys: answers.keys, lock_passwd: true });
    expect(JSON.parse(files["network-config"]!)).toMatchObject({ ethernets: { nic: { addresses: ["10.0.0.5/24"], nameservers: { addresses: ["10.0.0.1", "10.0.0.2"] } } } });
  });
});

describe.each(methods().map(([method]) => method).filter((method) => method !== "clone"))("a machine by %s", (method) => {
  const values = { ...initialValues(wizardFields()), method, name: "a&b", pool: "default", iso: "raw:/i.iso", image: "qcow2:/i.qcow2", disk: "raw:/dev/sdb", network: "default" };
  const { doc, error } = parse(machineXml(values, { kvm: true, arch: "x86_64" }));
  test("is a document", () => {
    expect(error).toBeUndefined();
    expect(at(doc!, "name")).toBe("a&b");
    expect(at(doc!, "memory")).toBe(String(2 * 2 ** 20));
    expect(doc!.querySelectorAll("disk, interface").length).toBeGreaterThan(1);
  });
  test("takes back the volumes that it made", () => {
    const made = storageCalls(values).filter((call) => call.method === "POST");
    expect(made.map((call) => undoOf(call)?.path)).toEqual(made.map((call) => `${call.path}/${encodeURIComponent((call.body as { name: string }).name)}`));
  });
});
