/* Uploads that go on where they were cut off (tus 1.0). */
import { Upload } from "tus-js-client";
import { Problem, csrfToken, url } from "./api";
import { bytes } from "./format";
import { invalidateBelow } from "./store";

const CHUNK_BYTES = 8 * 2 ** 20;

/** Ends when all of @file is the volume; after @signal, it can go on later. Throws a Problem. */
export function upload(file: File, pool: string, volume: string, progress: (percent: number, what: string) => void, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const sending = new Upload(file, {
      endpoint: url("/uploads"),
      metadata: { pool, volume },
      chunkSize: CHUNK_BYTES,
      retryDelays: [0, 500, 1000, 2000, 5000, 10_000],
      // Whether the browser thinks that it is online says nothing of a daemon on this host.
      onShouldRetry: (error) => isPassing(error.originalResponse?.getStatus() ?? 0),
      removeFingerprintOnSuccess: true,
      fingerprint: async () => ["lodge", pool, volume, file.name, file.size, file.lastModified].join("/"),
      onBeforeRequest: (request) => request.setHeader("X-CSRF-Token", csrfToken()),
      onProgress: (sent, all) => progress(all > 0 ? Math.floor((sent / all) * 100) : 0, `${bytes(sent)} / ${bytes(all)}`),
      onError: (error) => {
        const response = "originalResponse" in error ? error.originalResponse : null;
        reject(problemOf(response?.getStatus() ?? 0, response?.getBody() ?? "", error.message));
      },
      onSuccess: () => {
        invalidateBelow("/pools");
        resolve();
      },
    });
    signal.addEventListener("abort", () => {
      void sending.abort();
      reject(new Problem(0, "cancelled"));
    });
    void sending.findPreviousUploads().then((previous) => {
      if (previous[0]) sending.resumeFromPreviousUpload(previous[0]);
      sending.start();
    });
  });
}

/** Nothing came back, another request still holds the upload, or the daemon has trouble: it may go on a little later. */
function isPassing(status: number): boolean {
  return status === 0 || status === 409 || status === 423 || status === 429 || status >= 500;
}

function problemOf(status: number, body: string, fallback: string): Problem {
  try {
    const p = JSON.parse(body) as { detail?: string; title?: string; hint?: string; command?: string };
    return new Problem(status, p.detail || p.title || fallback, p.hint, p.command);
  } catch {
    return new Problem(status, fallback);
  }
}
