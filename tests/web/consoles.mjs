/* The screen and the serial console of "demo", which runs and has a display. SPDX-License-Identifier: LGPL-2.1-or-later */
import { check, lodge, scenario, until } from "./browser.mjs";

/** How many of the canvas's pixels are not of one colour. */
const lit = (b) =>
  b.page.evaluate(() => {
    const canvas = document.querySelector(".lodge-screen canvas");
    if (!canvas || canvas.width === 0) return 0;
    const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return pixels.reduce((n, pixel) => n + (pixel !== pixels[0] ? 1 : 0), 0);
  });

const terminal = (b) => b.page.locator(".lodge-terminal .xterm-rows");

async function command(b, text, answer) {
  await b.page.locator(".lodge-terminal").click();
  await b.page.keyboard.type(`${text}\n`, { delay: 5 });
  await until(async () => (await terminal(b).innerText()).includes(answer), `the terminal shows ${answer}`);
}

await scenario({
  "the screen is drawn": async (b) => {
    await b.go("machines", "demo", "console");
    await b.see("connected");
    await until(async () => (await lit(b)) > 100, "there is a picture");
  },
  "keys can be sent": async (b) => {
    await b.choose("Keys", "Ctrl\\+Alt\\+F1");
  },
  "it connects again after a reset of the display's machine": async (b) => {
    lodge("destroy", "demo");
    await b.see("The machine is off.");
    lodge("start", "demo");
    await b.see("connected", 30);
    await until(async () => (await lit(b)) > 100, "there is a picture again");
  },
  "the terminal reaches the guest's shell": async (b) => {
    await b.go("machines", "demo", "serial");
    await b.see("connected");
    await until(async () => {
      await b.page.locator(".lodge-terminal").click();
      await b.page.keyboard.press("Enter");
      await new Promise((resolve) => setTimeout(resolve, 300));
      return /demo:\S*# /.test(await terminal(b).innerText());
    }, "there is a prompt", 120);
    await command(b, "echo at-$((40 + 2))", "at-42");
    check(b.complaints.length === 0, b.complaints.join());
  },
});
