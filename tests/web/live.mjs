/* What happens elsewhere shows at once. "one" runs. SPDX-License-Identifier: LGPL-2.1-or-later */
import { check, lodge, scenario } from "./browser.mjs";

const AT_ONCE_MS = 500;

/** Milliseconds from the command's end until the row says @word; less than none if it said so before. */
async function delay(b, word, ...command) {
  const seen = b.page.getByRole("row").filter({ hasText: "one" }).getByText(word).waitFor().then(() => Date.now());
  lodge(...command);
  const done = Date.now();
  return (await seen) - done;
}

await scenario({
  "events come": async (b) => {
    await b.go("machines");
    await b.page.getByText("No connection").waitFor({ state: "detached" });
    for (const [word, command] of [["paused", "suspend"], ["running", "resume"], ["paused", "suspend"]]) {
      const ms = await delay(b, word, command, "one");
      console.log(`${command}: seen ${ms} ms after its end`);
      check(ms < AT_ONCE_MS * Number(process.env.LODGE_TEST_SLOWNESS ?? 1), `${command} was seen after ${ms} ms`);
    }
  },
  "new machines come, and go": async (b) => {
    lodge("domrename", "two", "renamed");
    await b.page.getByRole("link", { name: "renamed", exact: true }).waitFor();
    lodge("undefine", "renamed");
    await b.page.getByRole("link", { name: "renamed", exact: true }).waitFor({ state: "detached" });
  },
});
