/* What happens elsewhere shows at once. "one" runs. SPDX-License-Identifier: LGPL-2.1-or-later */
import { check, lodge, origin, scenario, until } from "./browser.mjs";

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
  "tabs share one connection, and the next takes over": async (b) => {
    const second = await b.context.newPage();
    let sockets = 0;
    second.on("websocket", (socket) => socket.url().includes("/live") && sockets++);
    await second.goto(`${origin}#/machines`);
    const one = second.getByRole("row").filter({ hasText: "one" });
    await one.getByText("paused").waitFor();
    await second.getByText("connecting").waitFor({ state: "detached" });
    lodge("resume", "one");
    await one.getByText("running").waitFor();
    check(sockets === 0, `the second tab has ${sockets} connections of its own`);
    await b.page.close();
    b.page = second;
    await until(() => sockets === 1, "the second tab connects");
    lodge("suspend", "one");
    await one.getByText("paused").waitFor();
  },
});
