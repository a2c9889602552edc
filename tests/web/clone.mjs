/* A copy of "one", which is off, by the wizard and from its menu. SPDX-License-Identifier: LGPL-2.1-or-later */
import { lodge, scenario, until } from "./browser.mjs";

const names = () => lodge("list", "--all", "--name").split("\n");

await scenario({
  "by the wizard": async (b) => {
    await b.go("create");
    await b.page.locator("#choose-clone").check({ force: true });
    await b.fill({ name: "twin", original: "one" }, b.page);
    await b.button("Create").click();
    await b.page.getByRole("heading", { name: "twin", level: 1 }).waitFor();
    await until(() => names().includes("twin"), "there is a twin");
  },
  "from its menu": async (b) => {
    await b.go("machines", "one");
    await b.choose("Actions", "Clone");
    await b.fill({ name: "third" });
    await b.submit("Clone");
    await b.page.getByRole("heading", { name: "third", level: 1 }).waitFor();
    await until(() => names().includes("third"), "there is a third");
  },
});
