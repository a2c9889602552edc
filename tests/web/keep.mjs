/* "one", which is off and has a disk, is backed up, restored, kept as a template. SPDX-License-Identifier: LGPL-2.1-or-later */
import { join } from "node:path";
import { check, lodge, scenario, until } from "./browser.mjs";

const names = () => lodge("list", "--all", "--name").split("\n");

await scenario({
  "a repository is named": async (b) => {
    await b.go("backups");
    await b.button("Add repository").click();
    await b.fill({ name: "safe", path: join(b.folder, "safe") });
    await b.submit("Add repository");
    await b.page.getByRole("link", { name: "safe", exact: true }).waitFor();
  },
  "the machine is backed up into it": async (b) => {
    await b.go("machines", "one", "backups");
    await b.button("Back up now").click();
    await b.fill({ repository: "safe" });
    await b.submit("Back up now");
    await b.page.getByRole("row").filter({ hasText: "safe" }).waitFor();
    const found = await b.axe();
    check(found.length === 0, found.join("\n"));
  },
  "and comes back under another name": async (b) => {
    await b.page.getByRole("button", { name: /^Actions of / }).first().click();
    await b.page.getByRole("menuitem", { name: /^Restore/ }).click();
    await b.fill({ name: "back", pool: "default" });
    await b.submit("Restore");
    await until(() => names().includes("back"), "it is there");
    await b.page.getByRole("heading", { name: "back", level: 1 }).waitFor();
  },
  "the backup is deleted": async (b) => {
    await b.go("machines", "one", "backups");
    await b.page.getByRole("button", { name: /^Actions of / }).first().click();
    await b.page.getByRole("menuitem", { name: /^Delete/ }).click();
    await b.submit("Delete");
    await b.page.getByRole("row").filter({ hasText: "safe" }).waitFor({ state: "detached" });
  },
  "it is kept as a template": async (b) => {
    await b.choose("Actions", "Keep as template");
    await b.fill({ name: "mold" });
    await b.submit("Keep as template");
    await b.page.getByRole("row").filter({ hasText: "mold" }).waitFor();
  },
  "machines are made from it, by the list and by the wizard": async (b) => {
    await b.choose("Actions of mold", "Make machines");
    await b.fill({ name: "cast", count: "2", start: false });
    await b.submit("Make machines");
    await until(() => ["cast-1", "cast-2"].every((name) => names().includes(name)), "there are two");
    await b.go("create");
    await b.page.locator("#choose-template").check({ force: true });
    await b.fill({ name: "third", template: "mold", start: false }, b.page);
    await b.button("Create").click();
    await b.page.getByRole("heading", { name: "third", level: 1 }).waitFor();
  },
  "linked clones, several at once": async (b) => {
    await b.go("machines", "one");
    await b.choose("Actions", "Clone");
    await b.fill({ name: "twin", count: "2", linked: true });
    await b.submit("Clone");
    await until(() => ["twin-1", "twin-2"].every((name) => names().includes(name)), "there are two");
  },
});
