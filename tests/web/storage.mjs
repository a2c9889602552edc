/* Volumes of the pool "default". SPDX-License-Identifier: LGPL-2.1-or-later */
import { lodge, scenario, until } from "./browser.mjs";

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
  "volumes are deleted, several at once": async (b) => {
    for (const name of ["made.qcow2", "copy.qcow2"]) await b.page.getByLabel(`Choose ${name}`).check();
    await b.choose("2 chosen", "Delete");
    await b.submit("Delete");
    await until(() => !/made|copy/.test(volumes()), "they are gone");
  },
});
