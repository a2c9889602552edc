/* What this daemon can do, as its OpenAPI document says: parts whose routes it lacks are not shown. */
import { get } from "./api";

let routes = new Set<string>();

const bare = (route: string) => route.replace(/\{\w+\}/g, "{}");

/** Once, before the page is shown. Without an answer only what every daemon has is shown. */
export async function loadRoutes(): Promise<void> {
  const { paths } = await get<{ paths: Record<string, object> }>("/openapi.json").catch(() => ({ paths: {} }));
  const all = Object.entries(paths).flatMap(([below, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${below.replace(/^.*\/api\/v1/, "")}`));
  routes = new Set(all.map(bare));
}

/** has("GET /machines/{machine}/guest"): names of parameters do not matter */
export function has(route: string): boolean {
  return routes.has(bare(route));
}
