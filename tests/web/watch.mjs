/* What the daemon has measured and warns of. "one" runs; "two" should, but does not. SPDX-License-Identifier: LGPL-2.1-or-later */
import { check, lodge, scenario, until } from "./browser.mjs";

/** How many pixels of a graph are coloured as lines are, not grey as the axes. */
const drawn = (b) =>
  b.page.evaluate(() => {
    const canvas = document.querySelector(".lodge-chart canvas");
    if (!canvas || canvas.width === 0) return 0;
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let n = 0;
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 200 && Math.abs(pixels[i] - pixels[i + 2]) > 100) n++;
    return n;
  });

await scenario({
  "graphs of a machine move": async (b) => {
    await b.go("machines", "one", "graphs");
    await until(async () => (await drawn(b)) > 0, "there is a line", 40);
    await b.button("Week").click();
    await until(async () => (await b.page.locator(".lodge-chart").count()) === 4, "there are four");
  },
  "and closer, where somebody draws": async (b) => {
    await b.button("Hour").click();
    const box = await b.page.locator(".lodge-chart .u-over").first().boundingBox();
    await b.page.mouse.move(box.x + box.width / 2, box.y + 20);
    await b.page.mouse.down();
    await b.page.mouse.move(box.x + box.width - 5, box.y + 20, { steps: 5 });
    await b.page.mouse.up();
    await b.see(" – ");
    check((await b.page.locator("#span-1h").getAttribute("aria-pressed")) !== "true", "the hour is still chosen");
  },
  "nothing went wrong with it": async (b) => {
    await b.see("What went wrong");
  },
  "the journal tells what a definition was": async (b) => {
    lodge("desc", "two", "--config", "another note");
    await b.go("machines", "two", "events");
    await b.page.getByRole("button", { name: "Difference" }).first().click();
    await b.dialog.getByText("another note").waitFor();
    await b.page.keyboard.press("Escape");
  },
  "alerts are shown and acknowledged": async (b) => {
    await b.go("host");
    await b.button("Alert settings…").click();
    await b.fill({ pool_percent: "95" });
    await b.submit("Store");
    await b.page.locator(".lodge-chart").first().waitFor();
    const found = await b.axe();
    check(found.length === 0, found.join("\n"));
    await b.see("two should run, but does not", 90);
    await b.button("Acknowledge").first().click();
    await b.see("1 acknowledged alert");
  },
});
