/* The REST interface: one function per way to ask, one error for all that goes wrong.
 *
 * A Call says what the page does in three ways: as a request, and as the command of `lodge` that does the same. */

/** Where the page lies, whatever prefix a proxy gave it; ends in a slash. */
const root = new URL(".", document.baseURI).pathname;
const base = `${root}api/v1`;

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface Call {
  method: Method;
  /** below /api/v1, with its query */
  path: string;
  /** sent as JSON; a string is sent as XML, a Blob as it is */
  body?: unknown;
  command: string;
}

export interface Session {
  user: string;
  role: "viewer" | "operator" | "admin";
  csrf: string;
}

/** What the daemon said (RFC 9457), or that it could not be reached (status 0). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly hint?: string,
    readonly command?: string,
    readonly code?: number,
    /** a word of the daemon for what is wrong */
    readonly word?: string,
  ) {
    super(message);
  }
}

let csrf = "";
let whenLoggedOut: () => void = () => {};

export function setSession(session: Session | null): void {
  csrf = session?.csrf ?? "";
}

export function onLoggedOut(handler: () => void): void {
  whenLoggedOut = handler;
}

export function csrfToken(): string {
  return csrf;
}

/** path`/machines/${name}`: what is filled in is escaped. */
export function path(texts: TemplateStringsArray, ...values: (string | number)[]): string {
  return texts.reduce((all, text, i) => all + encodeURIComponent(String(values[i - 1])) + text);
}

export function url(below: string): string {
  return base + below;
}

/** @below as the daemon gives it: a path from the root, or one below /api/v1 */
export function socketUrl(below: string): string {
  const whole = new URL(below.startsWith(base) ? below : base + below, location.href);
  whole.protocol = whole.protocol === "https:" ? "wss:" : "ws:";
  return whole.href;
}

async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text().catch(() => "");
  try {
    const p = JSON.parse(text) as Record<string, unknown>;
    const message = String(p.detail || p.title || response.statusText);
    return new Problem(response.status, message, p.hint as string, p.command as string, p.code as number, p.name as string);
  } catch {
    return new Problem(response.status, text.slice(0, 300) || `HTTP ${response.status} ${response.statusText}`);
  }
}

function encode(body: unknown): { type?: string; content?: BodyInit } {
  if (body === undefined) return {};
  if (body instanceof Blob) return { type: "application/octet-stream", content: body };
  if (typeof body === "string") return { type: "application/xml", content: body };
  return { type: "application/json", content: JSON.stringify(body) };
}

/** Waits for the answer, at most two minutes. Throws a Problem. */
export async function request(method: Method, below: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const { type, content } = encode(body);
  if (type) headers["Content-Type"] = type;
  if (method !== "GET") headers["X-CSRF-Token"] = csrf;
  let response: Response;
  try {
    response = await fetch(url(below), {
      method,
      headers,
      body: content ?? null,
      credentials: "same-origin",
      signal: AbortSignal.timeout(120_000),
    });
  } catch (error) {
    throw new Problem(0, error instanceof Error ? error.message : String(error));
  }
  if (response.status === 401 && below !== "/session") whenLoggedOut();
  if (!response.ok && response.status !== 304) throw await problemOf(response);
  return response;
}

export async function get<T>(below: string): Promise<T> {
  return (await request("GET", below)).json() as Promise<T>;
}

export async function getText(below: string): Promise<string> {
  return (await request("GET", below, undefined, { Accept: "application/xml, text/plain" })).text();
}

/** How far a long operation is. @percent is undefined where nobody knows. */
export type Progress = (percent: number | undefined, what: string) => void;

interface Job {
  state: string;
  phase?: string | null;
  percent?: number | null;
  result?: unknown;
  error?: { detail?: string; title?: string; hint?: string; command?: string } | null;
}

/** Asks until the job has ended, and cancels it when @signal says so. @returns its result; a job that the daemon forgot has ended well. */
async function waitForJob(id: string, progress?: Progress, signal?: AbortSignal): Promise<unknown> {
  signal?.addEventListener("abort", () => void request("DELETE", path`/jobs/${id}`).catch(() => {}));
  for (let wait = 200; ; wait = Math.min(wait * 1.5, 3000)) {
    const job = await get<Job>(path`/jobs/${id}`).catch((p: Problem): Job => {
      if (p.status === 404) return { state: "done" };
      throw p;
    });
    if (job.state === "failed") throw new Problem(500, job.error?.detail || job.error?.title || job.state, job.error?.hint, job.error?.command);
    if (job.state !== "running") return job.result;
    progress?.(job.percent ?? undefined, job.phase ?? "");
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** Performs the call; a long operation is waited for. @returns what the daemon answered, or null */
export async function perform<T = unknown>(call: Call, progress?: Progress, signal?: AbortSignal): Promise<T | null> {
  const headers: Record<string, string> = call.method === "POST" ? { "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) } : {};
  const response = await request(call.method, call.path, call.body, headers);
  const isJson = response.headers.get("Content-Type")?.includes("json");
  const answer = isJson && response.status !== 204 ? ((await response.json().catch(() => null)) as T & { job?: { id: string } }) : null;
  return response.status === 202 && answer?.job ? ((await waitForJob(answer.job.id, progress, signal)) as T) : answer;
}

/** The same call for a shell, with $TOKEN and $LODGE to be set by the reader. */
export function asCurl(call: Call): string {
  const words = ["curl", "-fsS", "-X", call.method, '-H "Authorization: Bearer $TOKEN"'];
  if (call.body instanceof Blob) words.push("-T FILE");
  else if (typeof call.body === "string") words.push("-H 'Content-Type: application/xml'", "--data-binary @FILE.xml");
  else if (call.body !== undefined)
    words.push("-H 'Content-Type: application/json'", `-d ${quote(JSON.stringify(withoutSecrets(call.body)))}`);
  words.push(`"$LODGE${`/api/v1${call.path}`.replace(/["$`\\]/g, "\\$&")}"`);
  return words.join(" ");
}

function withoutSecrets(body: unknown): unknown {
  const hidden = Object.entries(body as object).map(([key, value]) => [key, /password|otp|link|xml|^value$/.test(key) && value ? "..." : value]);
  return Object.fromEntries(hidden);
}

export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, `'\\''`)}'`;
}

/** sh`lodge start ${name}`: what is filled in is quoted; false and "" vanish. */
export function sh(texts: TemplateStringsArray, ...values: (string | number | false)[]): string {
  const whole = texts.reduce((all, text, i) => {
    const value = values[i - 1];
    return all + (value === false || value === "" ? "" : quote(String(value))) + text;
  });
  return whole.replace(/ +/g, " ").trim();
}
