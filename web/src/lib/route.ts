/* Where the page is: the fragment of the address, `#/machines/web/disks?sort=name`. Works below any path prefix. */
import { useSyncExternalStore } from "react";

export interface Route {
  /** decoded, without empty ones: ["machines", "web", "disks"] */
  parts: string[];
  query: URLSearchParams;
}

function read(hash: string): Route {
  const [where = "", query = ""] = hash.replace(/^#/, "").split("?");
  return { parts: where.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) };
}

let shown = { hash: "", route: read("") };

function current(): Route {
  if (shown.hash !== location.hash) shown = { hash: location.hash, route: read(location.hash) };
  return shown.route;
}

export function useRoute(): Route {
  return useSyncExternalStore((watcher) => {
    window.addEventListener("hashchange", watcher);
    return () => window.removeEventListener("hashchange", watcher);
  }, current);
}

export function href(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

export function go(...parts: string[]): void {
  location.hash = href(...parts);
}
