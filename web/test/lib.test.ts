import { describe, expect, test } from "vitest";
import { asCurl, path, quote, sh } from "../src/lib/api";
import { bytes, parseSize } from "../src/lib/format";
import { at, el, parse, pretty, text } from "../src/lib/xml";
import { checkFields, initialValues, shownFields, type Field } from "../src/ui/fields";

describe("sizes", () => {
  test.each([["20 GiB", 20 * 2 ** 30], ["512M", 512 * 2 ** 20], ["3", 3 * 2 ** 30], ["1.5t", 1.5 * 2 ** 40], ["100 B", 100], ["7kb", 7 * 1024]])("%s", (typed, expected) =>
    expect(parseSize(typed)).toBe(expected));
  test.each(["", "x", "-1", "1 GiB x", "1e9"])("%j is none", (typed) => expect(parseSize(typed)).toBeNull());
  test("are shown", () => expect([0, 1023, 2 ** 20, 1.5 * 2 ** 30, undefined].map(bytes)).toEqual(["0 B", "1023 B", "1 MiB", "1.5 GiB", "–"]));
});

describe("commands and requests", () => {
  test("paths escape what is filled in", () => expect(path`/machines/${"a/b ?"}/xml`).toBe("/machines/a%2Fb%20%3F/xml"));
  test("words of the shell are quoted", () => expect(sh`lodge start ${"it's $x"}`).toBe(`lodge start 'it'\\''s $x'`));
  test("empty words vanish", () => expect(sh`lodge a ${""} ${false} b`).toBe("lodge a b"));
  test("plain words stay", () => expect(quote("a-b_c.d/e:f")).toBe("a-b_c.d/e:f"));
  test("secrets are not shown", () => {
    const shown = asCurl({ method: "POST", path: "/users", body: { name: "a", password: "hidden" }, command: "" });
    expect(shown).not.toContain("hidden");
    expect(shown).toContain('"$LODGE/api/v1/users"');
  });
});

describe("XML", () => {
  test("is escaped", () => {
    const made = el("a", { x: `<"'&>`, none: "", off: false }, text("b", "<&"));
    expect(at(parse(made).doc!, "@x")).toBe(`<"'&>`);
    expect(at(parse(made).doc!, "b")).toBe("<&");
    expect(parse(made).doc!.documentElement.hasAttribute("none")).toBe(false);
  });
  test("is laid out and stays the same", () => {
    const laid = pretty("<a x='1'><b><c/></b><d>text</d></a>");
    expect(laid).toBe('<a x="1">\n  <b>\n    <c/>\n  </b>\n  <d>text</d>\n</a>');
    expect(pretty(laid)).toBe(laid);
  });
  test("errors are found", () => expect(parse("<a><b></a>").error).toBeTruthy());
});

describe("fields", () => {
  const fields: Field[] = [
    { name: "n", label: "N", kind: "number", min: 1, max: 4, initial: 9 },
    { name: "s", label: "S", kind: "size", initial: "no" },
    { name: "o", label: "O", optional: true },
    { name: "r", label: "R" },
    { name: "hidden", label: "H", when: (v) => v.n === "1" },
  ];
  test("are checked when they are shown", () => {
    const values = initialValues(fields);
    expect(Object.keys(checkFields(shownFields(fields, values), values))).toEqual(["n", "s", "r"]);
    const right = { ...values, n: "1", s: "1 G", r: "x", hidden: "y" };
    expect(checkFields(shownFields(fields, right), right)).toEqual({});
  });
});
