/* Volumes of the pool "default". SPDX-License-Identifier: LGPL-2.1-or-later */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { check, lodge, scenario, until } from "./browser.mjs";

const MIB = Number(process.env.LODGE_UPLOAD_MIB ?? 24);
const volumes = () => lodge("vol-list", "default");

await scenario({
  "a volume is created, resized, cloned": async (b) => {
    await b.go("pools", "default");
    await b.button("Create volume").click();
    await b.fill({ name: "made.qcow2", capacity: "32 MiB", format: "qcow2" });
    await b.submit("Create volume");
    await b.choose("Actions of made.qcow2", "Resize");
    await b.fill({ capacity: "64 MiB" });
    await b.submit("Resize");
    await until(() => /64.00 MiB|67108864/.test(lodge("vol-info", "default/made.qcow2")), "it is larger");
    await b.choose("Actions of made.qcow2", "Clone");
    await b.fill({ name: "copy.qcow2" });
    await b.submit("Clone");
    await until(() => volumes().includes("copy.qcow2"), "there is a copy");
  },
  "a file is uploaded, over a cut": async (b) => {
    const file = join(b.folder, "big.iso");
    writeFileSync(file, Buffer.alloc(MIB * 2 ** 20, "lodge "));
    await b.button("Upload").click();
    await b.dialog.locator("input[type=file]").setInputFiles(file);
    let parts = 0;
    await b.page.route("**/uploads/*", (route) => (route.request().method() === "PATCH" && ++parts === 2 ? route.abort("connectionreset") : route.continue()));
    await b.button("Upload", b.dialog).last().click();
    await b.dialog.waitFor({ state: "detached", timeout: 120_000 });
    check(parts > 2, `it came in ${parts} parts`);
    const saved = join(b.folder, "back.iso");
    lodge("vol-download", "default/big.iso", saved);
    const { readFileSync } = await import("node:fs");
    check(readFileSync(saved).equals(readFileSync(file)), "what arrived is what was sent");
  },
  "what is there is downloaded": async (b) => {
    await b.page.unroute("**/uploads/*");
    const begun = b.page.waitForEvent("download");
    await b.choose("Actions of big.iso", "Download");
    check((await begun).suggestedFilename().length > 0, "it has a name");
  },
  "volumes are deleted, several at once": async (b) => {
    for (const name of ["made.qcow2", "copy.qcow2", "big.iso"]) await b.page.getByLabel(`Choose ${name}`).check();
    await b.choose("3 chosen", "Delete");
    await b.submit("Delete");
    await until(() => !/made|copy|big/.test(volumes()), "they are gone");
  },
});
