/* A browser that drives the page, for the scenarios in this folder.
 *
 * LODGE_LINK is the link that logs in; LODGE_URI and LODGE_CLI reach the same daemon without the page; LODGE_SHOTS, if set, is
 * where a picture goes when a scenario fails. SPDX-License-Identifier: LGPL-2.1-or-later */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const slowness = Number(process.env.LODGE_TEST_SLOWNESS ?? 1);
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export const origin = process.env.LODGE_LINK.split("#")[0];

export function lodge(...words) {
  return execFileSync(process.env.LODGE_CLI, ["-c", process.env.LODGE_URI, ...words], { encoding: "utf8", timeout: 60_000 * slowness });
}

export function check(condition, text) {
  if (!condition) throw new Error(text);
}

/** Asks until @question answers with something true. */
export async function until(question, what, seconds = 20) {
  const end = Date.now() + seconds * 1000 * slowness;
  for (;;) {
    const answer = await question();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`still not after ${seconds * slowness} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Browser {
  static async open(options = {}) {
    const self = new Browser();
    self.folder = mkdtempSync(join(tmpdir(), "browser-"));
    self.context = await chromium.launchPersistentContext(self.folder, { executablePath: "/usr/bin/chromium", headless: true, args: flags, viewport: { width: 1280, height: 900 }, locale: "en-GB", ...options });
    self.page = self.context.pages()[0] ?? (await self.context.newPage());
    self.page.setDefaultTimeout(20_000 * slowness);
    self.complaints = [];
    self.page.on("pageerror", (error) => self.complaints.push(String(error)));
    self.page.on("console", (message) => /Content Security Policy|React/.test(message.text()) && self.complaints.push(message.text()));
    return self;
  }

  async close() {
    await this.context.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async go(...parts) {
    await this.page.evaluate((hash) => (location.hash = hash), `/${parts.map(encodeURIComponent).join("/")}`);
  }

  button(name, within = this.page) {
    return within.getByRole("button", { name, exact: true });
  }

  /** An item of the menu that the button @menu opens. */
  async choose(menu, item) {
    await this.button(menu).first().click();
    await this.page.getByRole("menuitem", { name: new RegExp(`^${item}`) }).first().click();
  }

  get dialog() {
    return this.page.getByRole("dialog");
  }

  /** Fills fields by their names; true and false are for switches. */
  async fill(values, within = this.dialog) {
    for (const [name, value] of Object.entries(values)) {
      const field = within.locator(`#field-${name}`);
      if (typeof value === "boolean") await field.setChecked(value);
      else if ((await field.evaluate((e) => e.tagName)) === "SELECT") {
        const option = field.locator("option", { hasText: value }).first();
        await option.waitFor({ state: "attached" });
        await field.selectOption({ value: await option.getAttribute("value") });
      } else await field.fill(value);
    }
  }

  /** Presses the button of the dialog and waits until it has closed. */
  async submit(name) {
    await this.button(name, this.dialog).last().click();
    await this.dialog.waitFor({ state: "detached" });
  }

  async see(text, seconds = 20) {
    await this.page.getByText(text).first().waitFor({ timeout: seconds * 1000 * slowness });
  }

  /** What axe finds wrong that matters, on the page as it is. */
  async axe() {
    await this.page.evaluate(readFileSync(require.resolve("axe-core/axe.min.js"), "utf8"));
    return this.page.evaluate(async () => {
      const { violations } = await window.axe.run();
      return violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => `${v.id}: ${v.nodes[0].html}`);
    });
  }
}

/** Runs the steps in their order, in one browser that is logged in. */
export async function scenario(steps, options) {
  const browser = await Browser.open(options);
  let step = "opening the page";
  try {
    await browser.page.goto(process.env.LODGE_LINK);
    await browser.button("Log out").waitFor();
    for (const [name, run] of Object.entries(steps)) {
      step = name;
      const begun = Date.now();
      await run(browser);
      console.log(`${name}: ${Date.now() - begun} ms`);
    }
    step = "complaints of the browser";
    check(browser.complaints.length === 0, browser.complaints.slice(0, 5).join("\n"));
  } catch (error) {
    if (process.env.LODGE_SHOTS) await browser.page.screenshot({ path: join(process.env.LODGE_SHOTS, "failed.png") }).catch(() => {});
    console.error(`${step}: ${error.stack ?? error}\n${browser.complaints.slice(0, 5).join("\n")}`);
    console.error(await browser.page.locator("body").innerText().catch(() => ""));
    process.exitCode = 1;
  }
  await browser.close();
}
