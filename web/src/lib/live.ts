/* What happens on the host, over one WebSocket while somebody is logged in. It connects again by itself and resumes behind the
 * last event; when it had to start anew, everything that is shown is asked for again. Without WebSockets (a proxy in between)
 * the events come as SSE. */
import { useSyncExternalStore } from "react";
import { socketUrl, url } from "./api";
import type { Machine } from "./model";
import { invalidate, invalidateBelow, machineChanged, machineStats } from "./store";

interface Frame {
  id?: string | number;
  event: string;
  data: { kind?: string; uuid?: string; name?: string; event?: string; detail?: string } & Record<string, unknown>;
}

export type LiveState = "connecting" | "live" | "lost";

const paths: Record<string, string[]> = {
  pool: ["/pools"],
  volume: ["/pools"],
  network: ["/networks"],
  job: ["/jobs"],
  filter: ["/filters"],
  secret: ["/secrets"],
  interface: ["/interfaces"],
  "node-device": ["/node-devices"],
  nodedev: ["/node-devices"],
  user: ["/users"],
  token: ["/tokens"],
};

let state: LiveState = "connecting";
let last: string | undefined;
let socket: WebSocket | null = null;
let source: EventSource | null = null;
let failures = 0;
let timer: number | undefined;
let running = false;
const watchers = new Set<() => void>();
const listeners = new Set<(frame: Frame) => void>();

function setState(next: LiveState): void {
  if (state === next) return;
  state = next;
  watchers.forEach((watcher) => watcher());
}

function receive(frame: Frame): void {
  if (frame.id !== undefined) last = String(frame.id);
  if (frame.event === "stats") machineStats(frame.data as unknown as Partial<Machine>[]);
  else if (frame.event === "lost") invalidate(() => true);
  else if (frame.event === "machine" && frame.data?.uuid) machineChanged(frame.data.uuid);
  else paths[frame.event]?.forEach(invalidateBelow);
  if (frame.event !== "stats") invalidateBelow("/journal");
  listeners.forEach((listener) => listener(frame));
}

function isOpen(): void {
  if (failures > 0) invalidate(() => true);
  failures = 0;
  setState("live");
}

function again(): void {
  if (!running) return;
  failures++;
  setState("lost");
  if (failures > 1) invalidate(() => true); // no events come: what is shown is asked for now and then
  timer = window.setTimeout(connect, Math.min(500 * 2 ** Math.min(failures, 4), 5000));
}

function connectSse(): void {
  source = new EventSource(url("/events"));
  source.onopen = isOpen;
  source.onerror = () => {
    source?.close();
    source = null;
    again();
  };
  for (const kind of ["machine", "lost", ...Object.keys(paths)])
    source.addEventListener(kind, (e: MessageEvent<string>) => receive({ id: e.lastEventId, event: kind, data: JSON.parse(e.data) }));
}

function connect(): void {
  timer = undefined;
  if (failures > 0 && failures % 3 === 0) return connectSse();
  const opened = new WebSocket(socketUrl(last ? `/live?since=${encodeURIComponent(last)}` : "/live"));
  socket = opened;
  opened.onopen = () => {
    opened.send(JSON.stringify({ subscribe: ["stats"] }));
    isOpen();
  };
  opened.onmessage = (e: MessageEvent<string>) => receive(JSON.parse(e.data) as Frame);
  opened.onclose = () => {
    if (socket === opened) again();
  };
}

export function startLive(): void {
  if (running) return;
  running = true;
  connect();
}

export function stopLive(): void {
  running = false;
  clearTimeout(timer);
  const closing = socket;
  socket = null;
  closing?.close();
  source?.close();
  source = null;
  last = undefined;
}

export function onLive(listener: (frame: Frame) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useLiveState(): LiveState {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => state,
  );
}
