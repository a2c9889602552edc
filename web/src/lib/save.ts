/** Lets the browser save what is at @href as the file @name; the page stays. */
export function saveAs(href: string, name: string): void {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
}
