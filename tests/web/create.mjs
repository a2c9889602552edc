/* New machines by the wizard. The pool "default" has sector.img (a guest), cloud.qcow2 and disc.iso. SPDX-License-Identifier: LGPL-2.1-or-later */
import { check, lodge, scenario, until } from "./browser.mjs";

const xml = (name) => lodge("dumpxml", name, "--inactive");

async function create(b, method, name, values) {
  await b.go("create");
  await b.page.locator(`#choose-${method}`).check({ force: true });
  await b.fill({ name, ...values }, b.page);
  await b.button("Create").click();
  await b.page.getByRole("heading", { name, level: 1 }).waitFor();
}

const small = { vcpus: "1", memory: "64 MiB", start: true };

await scenario({
  "from a disk that is there, up to its screen": async (b) => {
    await create(b, "import", "imported", { diskPool: "default", disk: "sector.img", ...small });
    await until(() => lodge("domstate", "imported").trim() === "running", "it runs");
    await b.see("connected");
  },
  "from a CD image": async (b) => {
    await create(b, "iso", "installed", { isoPool: "default", iso: "disc.iso", pool: "default", capacity: "1 GiB", ...small, start: false });
    check(xml("installed").includes("disc.iso"), "the CD");
    check(lodge("vol-list", "default").includes("installed.qcow2"), "its disk");
  },
  "from a cloud image": async (b) => {
    await create(b, "cloud", "cloudy", { imagePool: "default", image: "cloud.qcow2", pool: "default", capacity: "1 GiB", user: "anna", key: "ssh-ed25519 AAAA anna", ...small, start: false });
    check(lodge("vol-dumpxml", "default/cloudy.qcow2").includes("cloud.qcow2"), "its disk is on top of the image");
    check(lodge("vol-list", "default").includes("cloudy-seed.iso"), "its seed");
  },
  "from the network": async (b) => {
    await create(b, "pxe", "netboot", { pool: "default", capacity: "1 GiB", ...small, start: false });
    check(/<boot dev='network'/.test(xml("netboot")), "its boot order");
  },
  "what fails leaves nothing": async (b) => {
    await b.go("create");
    await b.page.locator("#choose-pxe").check({ force: true });
    await b.fill({ name: "half", pool: "default", capacity: "1 GiB", memory: "64 MiB" }, b.page);
    await b.button("Look at it first").click();
    const editor = b.page.locator(".lodge-editor .cm-content");
    await editor.click();
    await b.page.keyboard.press("Control+a");
    await b.page.keyboard.insertText("<domain type='qemu'><name>half</name></domain>");
    await b.button("Create").click();
    await b.page.getByRole("alert").first().waitFor();
    check(!lodge("vol-list", "default").includes("half"), "its volume is left");
  },
});
