/* What happens on the host, over one WebSocket while somebody is logged in, whatever number of tabs there are: the tab that holds
 * a lock has the connection and tells the others. It connects again by itself and resumes behind the last event; when it had to
 * start anew, everything that is shown is asked for again. Without WebSockets (a proxy in between) the events come as SSE. */
import { useSyncExternalStore } from "react";
import { csrfToken, socketUrl, url } from "./api";
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
  alert: ["/alerts"],
};

/** From the tab with the connection to the others; a new tab asks for the state. */
type Message = { frame: Frame } | { state: LiveState } | { isOld: true } | { asks: true };

let state: LiveState = "connecting";
let last: string | undefined;
let socket: WebSocket | null = null;
let source: EventSource | null = null;
let failures = 0;
let timer: number | undefined;
let running = false;
/** of this tab while it has the connection */
let release: (() => void) | null = null;
let channel: BroadcastChannel | null = null;
let waiting = new AbortController();
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

function take(message: Message): void {
  if ("frame" in message) receive(message.frame);
  else if ("state" in message) setState(message.state);
  else if ("isOld" in message) invalidate(() => true);
  else if (release) channel?.postMessage({ state });
}

/** In every tab. */
function tell(message: Message): void {
  channel?.postMessage(message);
  take(message);
}

function isOpen(): void {
  if (failures > 0) tell({ isOld: true });
  failures = 0;
  tell({ state: "live" });
}

function again(): void {
  if (!running) return;
  failures++;
  tell({ state: "lost" });
  if (failures > 1) tell({ isOld: true }); // no events come: what is shown is asked for now and then
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
    source.addEventListener(kind, (e: MessageEvent<string>) => tell({ frame: { id: e.lastEventId, event: kind, data: JSON.parse(e.data) } }));
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
  opened.onmessage = (e: MessageEvent<string>) => tell({ frame: JSON.parse(e.data) as Frame });
  opened.onclose = () => {
    if (socket === opened) again();
  };
}

/** Connects in this tab once no other of the same session has the connection. */
function connectInTurn(): void {
  const name = `lodge.live ${csrfToken()}`;
  channel = new BroadcastChannel(name);
  channel.onmessage = (e: MessageEvent<Message>) => take(e.data);
  channel.postMessage({ asks: true });
  waiting = new AbortController();
  const hold = () =>
    new Promise<void>((resolve) => {
      release = resolve;
      failures = state === "connecting" ? 0 : 1; // the tab that had it is gone, and with it what came meanwhile
      if (running) connect();
      else resolve();
    });
  navigator.locks.request(name, { signal: waiting.signal }, hold).catch(() => {});
}

export function startLive(): void {
  if (running) return;
  running = true;
  if (navigator.locks && "BroadcastChannel" in window) connectInTurn();
  else connect();
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
  waiting.abort();
  release?.();
  release = null;
  channel?.close();
  channel = null;
  state = "connecting";
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
