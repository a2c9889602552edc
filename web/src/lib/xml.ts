/* Documents of machines and their parts: written from texts, read and changed as DOM. */

export function escape(text: string | number): string {
  return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

type Attributes = Record<string, string | number | false | undefined>;

/** An element; attributes that are "", false or undefined are left out, and so are such children. @children are XML. */
export function el(name: string, attributes: Attributes = {}, ...children: (string | false | undefined)[]): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined && value !== false && value !== "")
    .map(([key, value]) => ` ${key}="${escape(value as string)}"`)
    .join("");
  const inside = children.filter(Boolean).join("");
  return inside ? `<${name}${written}>${inside}</${name}>` : `<${name}${written}/>`;
}

export function text(name: string, content: string | number | undefined, attributes: Attributes = {}): string {
  return content === undefined || content === "" ? "" : el(name, attributes, escape(content));
}

/** @returns the document, or the parser's words in .error */
export function parse(xml: string): { doc?: Document; error?: string } {
  const doc = new DOMParser().parseFromString(xml, "application/xml");
  const bad = doc.querySelector("parsererror");
  return bad ? { error: (bad.querySelector("div")?.textContent ?? bad.textContent ?? "").trim() } : { doc };
}

/** Two spaces per level; elements with text stay on their line. */
export function pretty(xml: string): string {
  const { doc } = parse(xml);
  if (!doc) return xml;
  const write = (node: Element, indent: string): string => {
    const open = node.cloneNode(false) as Element;
    const whole = new XMLSerializer().serializeToString(open).replace(/ xmlns="http:\/\/www.w3.org\/1999\/xhtml"/, "");
    if (node.childNodes.length === 0) return `${indent}${whole}\n`;
    const start = whole.replace(/\s*\/>$|><\/[^>]*>$/, ">");
    const end = `</${node.tagName}>\n`;
    const hasText = [...node.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent!.trim() !== "");
    if (hasText) return `${indent}${start}${[...node.childNodes].map((n) => new XMLSerializer().serializeToString(n)).join("")}${end}`;
    return `${indent}${start}\n${[...node.children].map((c) => write(c, `${indent}  `)).join("")}${indent}${end}`;
  };
  return write(doc.documentElement, "").trimEnd();
}

export function serialize(node: Node): string {
  return new XMLSerializer().serializeToString(node);
}

/** The text or attribute at a path like "disk/target@dev" below @node; "" if there is none. */
export function at(node: Element | Document, where: string): string {
  const [elements = "", attribute] = where.split("@");
  let found: Element | null = node instanceof Document ? node.documentElement : node;
  for (const name of elements.split("/").filter(Boolean)) found = [...(found?.children ?? [])].find((c) => c.tagName === name) ?? null;
  return (attribute ? found?.getAttribute(attribute) : found?.textContent) ?? "";
}

/** The child @name of @parent; made where there is none. */
export function child(parent: Element, name: string): Element {
  const found = [...parent.children].find((c) => c.tagName === name);
  return found ?? parent.appendChild(parent.ownerDocument.createElementNS(null, name));
}
