/* A file into the pool "default", and back. SPDX-License-Identifier: LGPL-2.1-or-later */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { check, lodge, scenario } from "./browser.mjs";

const MIB = Number(process.env.LODGE_UPLOAD_MIB ?? 24);

await scenario({
  "a file is uploaded, over a cut": async (b) => {
    const file = join(b.folder, "big.iso");
    writeFileSync(file, Buffer.alloc(MIB * 2 ** 20, "lodge "));
    await b.go("pools", "default");
    await b.button("Upload").click();
    await b.dialog.locator("input[type=file]").setInputFiles(file);
    let parts = 0;
    await b.page.route("**/uploads/*", (route) => (route.request().method() === "PATCH" && ++parts === 2 ? route.abort("connectionreset") : route.continue()));
    await b.button("Upload", b.dialog).last().click();
    await b.dialog.waitFor({ state: "detached", timeout: 120_000 });
    check(parts > 2, `it came in ${parts} parts`);
    const saved = join(b.folder, "back.iso");
    lodge("vol-download", "default/big.iso", saved);
    check(readFileSync(saved).equals(readFileSync(file)), "what arrived is what was sent");
  },
  "what is there is downloaded": async (b) => {
    await b.page.unroute("**/uploads/*");
    const begun = b.page.waitForEvent("download");
    await b.choose("Actions of big.iso", "Download");
    check((await begun).suggestedFilename() === "big.iso", "it has its name");
  },
});
