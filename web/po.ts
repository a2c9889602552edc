/* Reads a gettext catalogue (.po). What counts is msgid, msgid_plural and msgstr; anything else is a comment. */
export interface Catalogue {
  [msgid: string]: string | string[];
}

function unquote(text: string): string {
  return JSON.parse(text) as string;
}

/** Untranslated entries are left out, so that the page falls back to English. Throws on a line that it cannot read. */
export function readCatalogue(text: string): Catalogue {
  const catalogue: Catalogue = {};
  let id = "";
  let strings: string[] = [];
  let append: (more: string) => void = () => {};
  const finish = () => {
    if (id && strings.every((s) => s !== "") && strings.length > 0)
      catalogue[id] = strings.length === 1 ? strings[0]! : strings;
    id = "";
    strings = [];
  };
  for (const [number, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const match = /^(?:(msgid_plural|msgid|msgstr)(?:\[(\d)\])? )?(".*")$/.exec(line);
    if (!match) throw new Error(`line ${number + 1}: ${line}`);
    const [, keyword, , quoted] = match;
    if (keyword === "msgid") {
      finish();
      append = (more) => (id += more);
    } else if (keyword === "msgid_plural") {
      append = () => {};
    } else if (keyword === "msgstr") {
      const at = strings.push("") - 1;
      append = (more) => (strings[at] += more);
    }
    append(unquote(quoted!));
  }
  finish();
  return catalogue;
}
