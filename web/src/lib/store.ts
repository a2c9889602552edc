/* What the daemon has, kept while something on the page shows it.
 *
 * A resource is named by its path below /api/v1. All that show the same path share one answer. An event of the daemon
 * (live.ts) marks paths as old; those that are shown are asked for again, one request per path at a time, with the ETag. */
import { useCallback, useSyncExternalStore } from "react";
import { Problem, path, request } from "./api";
import type { List, Machine } from "./model";

interface Entry {
  data?: unknown;
  problem?: Problem;
  etag?: string;
  asking: boolean;
  old: boolean;
  watchers: Set<() => void>;
  shown: Resource<unknown>;
}

export interface Resource<T> {
  data: T | undefined;
  problem: Problem | undefined;
}

const entries = new Map<string, Entry>();

function entryOf(below: string): Entry {
  let entry = entries.get(below);
  if (!entry) {
    entry = { asking: false, old: true, watchers: new Set(), shown: { data: undefined, problem: undefined } };
    entries.set(below, entry);
  }
  return entry;
}

function tell(entry: Entry): void {
  entry.shown = { data: entry.data, problem: entry.problem };
  entry.watchers.forEach((watcher) => watcher());
}

async function ask(below: string, entry: Entry): Promise<void> {
  if (entry.asking) return;
  entry.asking = true;
  entry.old = false;
  try {
    const response = await request("GET", below, undefined, entry.etag ? { "If-None-Match": entry.etag } : {});
    if (response.status !== 304) {
      const isJson = response.headers.get("Content-Type")?.includes("json");
      entry.data = isJson ? await response.json() : await response.text();
      entry.etag = response.headers.get("ETag") ?? undefined;
    }
    entry.problem = undefined;
  } catch (problem) {
    entry.problem = problem instanceof Problem ? problem : new Problem(0, String(problem));
    if (entry.problem.status === 404) entry.data = undefined;
  }
  entry.asking = false;
  tell(entry);
  if (entry.old && entry.watchers.size > 0) void ask(below, entry);
}

function refresh(below: string, entry: Entry): void {
  entry.old = true;
  if (entry.watchers.size > 0) void ask(below, entry);
}

/** Asks again for all paths that @matches. */
export function invalidate(matches: (below: string) => boolean): void {
  for (const [below, entry] of entries) if (matches(below)) refresh(below, entry);
}

export function invalidateBelow(prefix: string): void {
  invalidate((below) => below === prefix || below.startsWith(`${prefix}/`) || below.startsWith(`${prefix}?`));
}

/** Forgets everything: somebody else logs in. */
export function forgetAll(): void {
  entries.clear();
}

const nothing: Resource<never> = { data: undefined, problem: undefined };

/** @below  null asks for nothing */
export function useResource<T>(below: string | null): Resource<T> {
  const subscribe = useCallback(
    (watcher: () => void) => {
      if (below === null) return () => {};
      const entry = entryOf(below);
      entry.watchers.add(watcher);
      if (entry.old) void ask(below, entry);
      return () => {
        entry.watchers.delete(watcher);
        if (entry.watchers.size === 0) entry.old = true;
      };
    },
    [below],
  );
  return useSyncExternalStore(subscribe, () => (below === null ? nothing : (entryOf(below).shown as Resource<T>)));
}

/* ---- machines: events change single rows of a list that may be long ---- */

const MANY = 8;
const changed = new Set<string>();
let timer: number | undefined;

function changeRows(change: (rows: Machine[]) => Machine[]): void {
  const entry = entries.get("/machines");
  const list = entry?.data as List<Machine> | undefined;
  if (!entry || !list) return;
  entry.data = { ...list, items: change(list.items) };
  entry.etag = undefined;
  tell(entry);
}

async function readMachine(uuid: string): Promise<void> {
  const gone = (rows: Machine[]) => rows.filter((row) => row.uuid !== uuid);
  try {
    const fresh = (await (await request("GET", path`/machines/${uuid}`)).json()) as Machine;
    changeRows((rows) => {
      const at = rows.findIndex((row) => row.uuid === uuid);
      return at < 0 ? [...rows, fresh] : rows.with(at, { ...rows[at], ...fresh });
    });
  } catch (problem) {
    if ((problem as Problem).status === 404) changeRows(gone);
  }
}

/** What somebody has to be asked for, and no event tells of. */
const costly = /^\/machines\/[^/]+\/(backups|guest|history)/;

function readChanged(): void {
  timer = undefined;
  if (changed.size > MANY) invalidate((below) => below === "/machines");
  else changed.forEach((uuid) => void readMachine(uuid));
  invalidate((below) => below.startsWith("/machines/") && !costly.test(below));
  changed.clear();
}

/** A machine has changed: its row is read again, and what is shown of machines. */
export function machineChanged(uuid: string): void {
  changed.add(uuid);
  timer ??= window.setTimeout(readChanged, 60);
}

/** What machines use now: into the list, and into what is shown of single ones. */
export function machineStats(stats: Partial<Machine>[]): void {
  const byUuid = new Map(stats.map((s) => [s.uuid, s]));
  changeRows((rows) => rows.map((row) => (byUuid.has(row.uuid) ? { ...row, ...byUuid.get(row.uuid) } : row)));
  for (const [below, entry] of entries) {
    const used = /^\/machines\/[^/?]+$/.test(below) ? byUuid.get((entry.data as Machine | undefined)?.uuid) : undefined;
    if (!used || entry.watchers.size === 0) continue;
    entry.data = { ...(entry.data as Machine), ...used };
    tell(entry);
  }
}
