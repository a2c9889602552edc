/* Devices and snapshots of "one", which runs from a qcow2 volume; the pool "default" is active. SPDX-License-Identifier: LGPL-2.1-or-later */
import { check, lodge, scenario, until } from "./browser.mjs";

const xml = (...options) => lodge("dumpxml", "one", ...options);

await scenario({
  "a disk is added while it runs": async (b) => {
    await b.go("machines", "one", "hardware");
    await b.choose("Add device", "Disk");
    await b.fill({ source: "A new volume", pool: "default", name: "more.qcow2", capacity: "64 MiB", bus: "virtio", target: "vdz" });
    await b.submit("Add");
    await until(() => xml().includes("vdz") && xml("--inactive").includes("vdz"), "it runs and is defined with the disk");
    await b.see("more.qcow2");
  },
  "and taken away": async (b) => {
    await b.choose(/^Actions of vdz/, "Remove");
    await b.submit("Remove");
    await until(() => !xml("--inactive").includes("vdz"), "the definition is without it");
  },
  "an interface is added and taken away": async (b) => {
    await b.choose("Add device", "Network interface");
    await b.fill({ type: "user mode", model: "virtio", mac: "52:54:00:11:22:33" });
    await b.submit("Add");
    await until(() => xml().includes("52:54:00:11:22:33"), "it has the interface");
    await b.choose(/^Actions of 52:54:00:11:22:33/, "Remove");
    await b.submit("Remove");
    await until(() => !xml("--inactive").includes("52:54:00:11:22:33"), "the definition is without it");
  },
  "what only the next start brings is told": async (b) => {
    await b.choose("Add device", "Sound");
    check((await b.dialog.innerText()).includes("with its next start"), "it is told");
    await b.submit("Add");
    await until(() => xml("--inactive").includes("<sound") && !xml().includes("<sound"), "it is defined");
    await b.page.getByRole("tab", { name: "Pending changes" }).waitFor();
  },
  "a mistake is told where it was made": async (b) => {
    await b.choose("Add device", "Network interface");
    await b.fill({ mac: "nonsense" });
    await b.button("Add", b.dialog).last().click();
    check((await b.dialog.innerText()).includes("A MAC address looks like"), "what is wrong");
    await b.button("Cancel", b.dialog).click();
  },
});
