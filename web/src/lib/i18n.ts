/* Words of the page. The English text is the key; catalogues lie in ../../po. A text that a catalogue lacks stays
 * English; test/i18n.test.ts finds it. */
import type { Catalogue } from "../../po";

export const languages = { en: "English", "zh-Hans": "简体中文" } as const;
export type Language = keyof typeof languages;

let catalogue: Catalogue = {};
let current: Language = "en";

function fill(text: string, values?: Record<string, string | number>): string {
  return values ? text.replace(/\{(\w+)\}/g, (all, name: string) => String(values[name] ?? all)) : text;
}

export function t(text: string, values?: Record<string, string | number>): string {
  const found = catalogue[text];
  return fill(typeof found === "string" ? found : text, values);
}

/** @one and @other are English; Chinese has one form. */
export function tn(one: string, other: string, n: number, values?: Record<string, string | number>): string {
  const found = catalogue[one];
  const text = found === undefined ? (n === 1 ? one : other) : typeof found === "string" ? found : found[0]!;
  return fill(text, { n, ...values });
}

export function language(): Language {
  return current;
}

/** The language that was chosen, or else the browser's. */
export function preferredLanguage(): Language {
  const chosen = localStorage.getItem("lodge.language");
  if (chosen && chosen in languages) return chosen as Language;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh-Hans" : "en";
}

export async function loadLanguage(wanted: Language): Promise<void> {
  catalogue = wanted === "en" ? {} : (await import("../../po/zh-Hans.po")).default;
  current = wanted;
  document.documentElement.lang = wanted;
}
