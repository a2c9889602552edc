/* Connections to the console of a machine: a ticket is asked for, then a WebSocket is opened with it. It connects again when the
 * machine starts again, the daemon restarts or the network was cut. */
import { useCallback, useEffect, useRef, useState } from "react";
import { Problem, path, perform, sh, socketUrl } from "../lib/api";
import { onLive } from "../lib/live";
import type { Machine } from "../lib/model";

export type ConsoleKind = "vnc" | "serial";

interface Ticket {
  ticket: string;
  path?: string;
}

/** @returns where to open the WebSocket, once */
export async function consoleUrl(m: Machine, kind: ConsoleKind, options: { view_only?: boolean; device?: string } = {}): Promise<string> {
  const answer = await perform<Ticket>({
    method: "POST",
    path: path`/machines/${m.name}/consoles`,
    body: { kind, ...options },
    command: sh`lodge console ${m.name}`,
  });
  if (!answer) throw new Problem(0, "no ticket");
  return socketUrl(answer.path ?? path`/console?ticket=${answer.ticket}`);
}

/** Calls @connect now, and again after it was lost: with growing pauses, and at once when the machine changes. @connect opens
 * something and returns how to close it; it calls lost() once when it ends by itself. */
export function useConnection(m: Machine, connect: (lost: () => void, opened: () => void) => Promise<() => void>) {
  const [state, setState] = useState<"connecting" | "open" | "lost">("connecting");
  const [problem, setProblem] = useState<Problem>();
  const [attempt, setAttempt] = useState(0);
  const failures = useRef(0);
  const isOn = m.state !== "shutoff" && m.state !== "crashed";
  const retry = useCallback(() => setAttempt((n) => n + 1), []);

  useEffect(() => {
    if (!isOn) return;
    let close: (() => void) | null = null;
    let isGone = false;
    let timer: number | undefined;
    const lost = () => {
      if (isGone) return;
      setState("lost");
      timer = window.setTimeout(retry, Math.min(300 * 2 ** failures.current++, 8000));
    };
    setState("connecting");
    connect(lost, () => {
      failures.current = 0;
      setProblem(undefined);
      setState("open");
    }).then(
      (opened) => (isGone ? opened() : (close = opened)),
      (error: unknown) => {
        setProblem(error instanceof Problem ? error : new Problem(0, String(error)));
        lost();
      },
    );
    return () => {
      isGone = true;
      clearTimeout(timer);
      close?.();
    };
  }, [connect, isOn, attempt, retry, m.id]);

  useEffect(() => onLive((frame) => frame.data?.uuid === m.uuid && state === "lost" && retry()), [m.uuid, state, retry]);
  return { state: isOn ? state : "off", problem, retry } as const;
}
