/* Who may see and do what: one-time codes, owners, shared screens. "one" runs. SPDX-License-Identifier: LGPL-2.1-or-later */
import { createHmac } from "node:crypto";
import { lodge, scenario, until } from "./browser.mjs";

/** RFC 6238, of a secret in base 32. */
function codeOf(secret) {
  const bits = [...secret.replace(/[\s=]/g, "").toUpperCase()].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const mac = createHmac("sha1", key).update(counter).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

async function logIn(b, name, code) {
  const otp = b.page.locator("#otp");
  await b.page.locator("#pf-login-username-id").fill(name);
  await b.page.locator("#pf-login-password-id").fill("a long password");
  if (!code || !(await otp.isVisible())) await b.button("Log in").click();
  if (!code) return;
  await otp.fill(code);
  await b.button("Log in").click();
}

await scenario({
  "a screen is shared by a link that needs no log-in": async (b) => {
    await b.go("machines", "one");
    await b.choose("Actions", "Share the screen");
    await b.submit("Make link");
    const link = (await (await b.page.getByText("#share=").first().elementHandle()).innerText()).trim();
    const guest = await b.context.browser()?.newContext() ?? b.context;
    const page = await guest.newPage();
    await page.goto(link);
    await page.getByText("connected", { exact: true }).waitFor();
    await page.locator(".lodge-screen canvas").waitFor();
    await page.close();
    await b.go("users");
    await b.page.getByRole("row").filter({ hasText: "one" }).first().waitFor();
  },
  "a machine gets an owner": async (b) => {
    await b.button("Create user").click();
    await b.fill({ name: "eve", password: "a long password", role: "viewer" });
    await b.submit("Create user");
    await b.go("machines", "one");
    await b.choose("Actions", "Owner");
    await b.fill({ owner: "eve" });
    await b.submit("Owner");
    await b.see("eve");
  },
  "who is logged in sets up one-time codes": async (b) => {
    await b.button("Log out").click();
    await logIn(b, "eve");
    await b.button("Log out").waitFor();
    await b.go("settings");
    await b.button("Set up one-time codes").click();
    const secret = await b.page.getByRole("textbox", { name: "Secret" }).inputValue();
    await b.button("Confirm…").click();
    await b.fill({ otp: codeOf(secret) });
    await b.submit("Confirm");
    await b.button("Remove…").waitFor();
    b.secret = secret;
  },
  "and logs in with them": async (b) => {
    await b.button("Log out").click();
    await until(async () => {
      await logIn(b, "eve", codeOf(b.secret));
      return b.button("Log out").waitFor({ timeout: 5000 }).then(() => true, () => false);
    }, "the code is taken", 60);
  },
  "the owner, who only may look elsewhere, pauses the machine": async (b) => {
    await b.go("machines", "one");
    await b.button("Pause").or(b.button("Shut down")).first().waitFor();
    await b.choose("Actions", "Pause");
    await until(() => lodge("domstate", "one").trim() === "paused", "it is paused");
  },
});
