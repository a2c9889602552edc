/* Machines as others change them, and as the page changes them. "one" runs; SPDX-License-Identifier: LGPL-2.1-or-later */
import { check, lodge, scenario, until } from "./browser.mjs";

const state = (name) => lodge("domstate", name).trim();
const row = (b, name) => b.page.getByRole("row").filter({ has: b.page.getByRole("link", { name, exact: true }) });

await scenario({
  "the list shows what runs": async (b) => {
    await b.go("machines");
    await row(b, "one").getByText("running").waitFor();
  },
  "a machine that another has paused is resumed from its menu": async (b) => {
    lodge("suspend", "one");
    await row(b, "one").getByText("paused").waitFor();
    await b.choose("Actions of one", "Resume");
    await until(() => state("one") === "running", "it runs");
    await row(b, "one").getByText("running").waitFor();
  },
  "search finds it, and only it": async (b) => {
    const search = b.page.getByPlaceholder("Search");
    await search.fill("tw");
    await b.page.getByRole("link", { name: "two", exact: true }).waitFor();
    check((await row(b, "one").count()) === 0, "the other one is shown");
    await search.fill("");
  },
  "a view is kept, and comes again": async (b) => {
    const search = b.page.getByPlaceholder("Search");
    await search.fill("tw");
    await b.choose("Views", "Keep this view");
    await b.fill({ name: "those" });
    await b.submit("Keep this view");
    await search.fill("");
    await row(b, "one").waitFor();
    await b.choose("Views", "those");
    await until(async () => (await search.inputValue()) === "tw" && (await row(b, "one").count()) === 0, "the list is as it was kept");
    await search.fill("");
  },
  "each argument of QEMU says what asks for it": async (b) => {
    await b.go("machines", "one", "command");
    await b.page.getByRole("row").filter({ hasText: "-name" }).getByText("/domain/name").first().waitFor();
  },
  "the keyboard reaches everything": async (b) => {
    await b.page.keyboard.press("Control+k");
    await b.page.getByRole("combobox", { name: "Find or do" }).fill("two");
    await b.page.keyboard.press("Enter");
    await b.page.getByRole("heading", { name: "two", level: 1 }).waitFor();
  },
  "a machine is described, and starts with the host": async (b) => {
    await b.choose("Actions", "Title and notes");
    await b.fill({ title: "the second", description: "a note" });
    await b.submit("Title and notes");
    await until(() => lodge("desc", "two", "--title").includes("the second"), "it has a title");
    await b.choose("Actions", "Start with the host");
    await until(() => /Autostart:\s+enable/.test(lodge("dominfo", "two")), "it starts with the host");
  },
  "it starts, and is powered off after a question": async (b) => {
    await b.button("Start").click();
    await until(() => state("two") === "running", "it runs");
    await b.choose("Actions", "Power off");
    check((await b.dialog.innerText()).includes("pulling the plug"), "the question");
    await b.button("Command and request", b.dialog).click();
    check((await b.dialog.innerText()).includes("lodge destroy two"), "the command");
    await b.submit("Power off");
    await until(() => state("two") === "shut off", "it is off");
  },
  "its definition is changed as a document": async (b) => {
    await b.go("machines", "two", "xml");
    const editor = b.page.locator(".lodge-editor .cm-content");
    await editor.waitFor();
    const xml = await editor.evaluate((e) => e.cmTile?.view?.state.doc.toString() ?? e.cmView?.view?.state.doc.toString() ?? e.innerText);
    await editor.click();
    await b.page.keyboard.press("Control+a");
    await b.page.keyboard.insertText(xml.replace(/<vcpu[^>]*>\d+</, "<vcpu>3<"));
    await b.button("Difference").click();
    await b.button("Store").click();
    await b.see("Stored.");
    check(/<vcpu[^>]*>3</.test(lodge("dumpxml", "two")), "three processors");
  },
  "a wrong document is refused with the reason": async (b) => {
    await b.button("Document").click();
    const editor = b.page.locator(".lodge-editor .cm-content");
    await editor.click();
    await b.page.keyboard.press("Control+a");
    await b.page.keyboard.insertText("<domain type='qemu'><name>two</name></domain>");
    await b.button("Store").click();
    await b.page.getByRole("alert").first().waitFor();
  },
  "nothing that it shows is a barrier": async (b) => {
    for (const parts of [["machines"], ["machines", "one"], ["machines", "one", "hardware"], ["machines", "one", "command"], ["host"], ["create"], ["settings"]]) {
      await b.go(...parts);
      await b.page.getByRole("heading", { level: 1 }).waitFor();
      const found = await b.axe();
      check(found.length === 0, `${parts.join("/")}: ${found.join("\n")}`);
    }
  },
  "Chinese": async (b) => {
    await b.page.locator("#language").selectOption("zh-Hans");
    await b.see("设置");
    await b.page.locator("#language").selectOption("en");
    await b.see("Settings");
  },
  "machines are deleted": async (b) => {
    await b.go("machines", "two");
    await b.choose("Actions", "Delete");
    await b.submit("Delete");
    await until(() => !lodge("list", "--all", "--name").split("\n").includes("two"), "it is gone");
    await b.page.getByRole("heading", { name: "Machines", level: 1 }).waitFor();
    check((await row(b, "two").count()) === 0, "the list shows it still");
  },
});
