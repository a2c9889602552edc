/* Every text of the page is in every catalogue, with the same placeholders, and no catalogue has more. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readCatalogue } from "../po";

const top = join(import.meta.dirname, "..");
const word = String.raw`("(?:[^"\\]|\\.)*")`;

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

function textsOfPage(): Set<string> {
  const found = new Set<string>();
  for (const file of sources(join(top, "src")))
    for (const match of readFileSync(file, "utf8").matchAll(new RegExp(String.raw`\btn?\(\s*${word}`, "g"))) found.add(JSON.parse(match[1]!) as string);
  return found;
}

const placeholders = (text: string) => [...text.matchAll(/\{\w+\}/g)].map((m) => m[0]).filter((p) => !["{n}", "{names}"].includes(p)).sort();

describe.each(readdirSync(join(top, "po")))("%s", (name) => {
  const catalogue = readCatalogue(readFileSync(join(top, "po", name), "utf8"));
  const texts = textsOfPage();

  test("has every text of the page", () => expect([...texts].filter((text) => !(text in catalogue))).toEqual([]));
  test("has nothing else", () => expect(Object.keys(catalogue).filter((id) => !texts.has(id))).toEqual([]));
  test("keeps the placeholders", () => {
    const wrong = Object.entries(catalogue).filter(([id, text]) => placeholders(id).join() !== placeholders([text].flat()[0]!).join());
    expect(wrong).toEqual([]);
  });
});
