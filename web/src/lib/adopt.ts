/* Style sheets that a library writes into <style> elements, which the content security policy refuses, as adopted ones.
 * @make may create <style> elements only while it runs; their text may change later. */
export function adoptStyles(make: () => void): void {
  const create = document.createElement;
  document.createElement = ((name: string, options?: ElementCreationOptions) =>
    name === "style" ? standIn(create.call(document, "template")) : create.call(document, name, options)) as typeof create;
  try {
    make();
  } finally {
    document.createElement = create;
  }
}

/** @element, whose text is a style sheet of the document until it is removed. */
function standIn(element: HTMLElement): HTMLElement {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "textContent", { set: (text: string) => sheet.replaceSync(text), get: () => "" });
  const remove = element.remove;
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    remove.call(element);
  };
  return element;
}
