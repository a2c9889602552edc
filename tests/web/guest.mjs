/* What the agent in "demo" tells. SPDX-License-Identifier: LGPL-2.1-or-later */
import { check, scenario } from "./browser.mjs";

await scenario({
  "the guest tells its name and its file systems": async (b) => {
    await b.go("machines", "demo", "guest");
    await b.see("inside");
    await b.page.getByRole("row").filter({ hasText: "ext4" }).waitFor();
    const found = await b.axe();
    check(found.length === 0, found.join("\n"));
  },
  "a password is set in it": async (b) => {
    await b.button("Set password…").click();
    await b.fill({ user: "root", password: "secret" });
    await b.submit("Set password");
  },
});
