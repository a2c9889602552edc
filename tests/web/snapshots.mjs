/* Snapshots of "one", which is off and has a qcow2 disk. SPDX-License-Identifier: LGPL-2.1-or-later */
import { lodge, scenario, until } from "./browser.mjs";

const names = () => lodge("snapshot-list", "one", "--name").trim().split("\n").filter(Boolean).sort().join();

await scenario({
  "two are taken": async (b) => {
    await b.go("machines", "one", "snapshots");
    for (const name of ["first", "second"]) {
      await b.button("Take snapshot").click();
      await b.fill({ name, description: "by a test" });
      await b.submit("Take snapshot");
      await b.page.locator(".lodge-tree-row").filter({ hasText: name }).waitFor();
    }
    await until(() => names() === "first,second", "there are two");
  },
  "it goes back to the first": async (b) => {
    await b.choose("Actions of first", "Revert");
    await b.submit("Revert");
    await until(() => lodge("snapshot-current", "one", "--name").trim() === "first", "the first is current");
  },
  "the second is deleted": async (b) => {
    await b.choose("Actions of second", "Delete");
    await b.submit("Delete");
    await until(() => names() === "first", "one is left");
  },
});
