import { type FileHandle, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Coded, coded } from '../../errors.ts';
import { naming } from '../../io/trouble.ts';

export interface DownloadOptions {
  signal?: AbortSignal | undefined;
  /** Called as bytes arrive. `total` is `null` where the host does not say. */
  onProgress?: ((done: number, total: number | null) => void) | undefined;
  /** Failures in a row, without one byte in between, after which the download is given up; 5 by default. */
  attempts?: number | undefined;
  /** Milliseconds before the first try anew, doubled at each further failure; 500 by default. */
  pause?: number | undefined;
  /** Milliseconds without a byte after which a connection counts as dropped; 30,000 by default. */
  patience?: number | undefined;
}

/** A finished download. */
export interface Downloaded {
  bytes: number;
  /** What the host says the file's SHA-256 is, in lower-case hexadecimal. */
  sha256: string | null;
}

/** What is kept beside a partial file, so that only bytes of the same file are joined. */
interface PartialNote {
  url: string;
  /** The host's `ETag` or, without one, `Last-Modified`. */
  version: string;
}

/** An attempt failed in a way that another may not. */
class Interrupted extends Error {}

/**
 * Downloads to a file, going on where an earlier attempt, or an earlier process, stopped. Redirects are followed; the
 * hash of the file is taken from the headers of hosts that send one (`X-Linked-ETag`, or an `ETag` that is a SHA-256).
 *
 * @param path - grows as the bytes come; the caller checks and renames it. After a failure it stays where the next call
 * can go on with it
 * @throws ERR_HOROBALL_DOWNLOAD with the URL and the reason; the signal's reason when aborted
 */
export async function download(url: URL, path: string, options: DownloadOptions = {}): Promise<Downloaded> {
  const file = await open(path, 'a+');
  await file.close();
  try {
    return await persist(url, path, options);
  } catch (error) {
    const resumable = (await readNote(path, url)) !== null && (await sizeOf(path)) > 0;
    if (!resumable) for (const useless of [path, notePath(path)]) await rm(useless, { force: true });
    throw error;
  }
}

/** Tries until it is there or there is no hope. */
async function persist(url: URL, path: string, options: DownloadOptions): Promise<Downloaded> {
  const { signal, attempts = 5, pause = 500 } = options;
  for (let failures = 0; ; failures++) {
    const before = await sizeOf(path);
    try {
      return await attempt(url, path, options);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Interrupted)) throw error;
      if ((await sizeOf(path)) > before) failures = 0;
      if (failures + 1 >= attempts) throw failed(url, `${error.message}; ${attempts} attempts failed`);
      await sleep(pause * 2 ** failures, undefined, { signal });
    }
  }
}

async function attempt(url: URL, path: string, options: DownloadOptions): Promise<Downloaded> {
  const watch = new Watch(options.signal, options.patience ?? 30_000);
  const file = await open(path, 'r+');
  try {
    const note = await readNote(path, url);
    const have = note === null ? 0 : (await file.stat()).size;
    const { response, sha256 } = await request(url, have, note, watch);
    const start = startOf(response, have, note);
    if (start === null) {
      await rm(notePath(path), { force: true });
      throw new Interrupted('the host has another file than before');
    }
    if (response.status === 416) return { bytes: have, sha256 };
    await file.truncate(start);
    await writeNote(path, url, versionOf(response));
    const total = totalOf(response, start);
    const bytes = await receive(response, { file, path }, start, total, options, watch);
    if (total !== null && bytes !== total)
      throw new Interrupted(`it stopped after ${bytes} of ${total} bytes`);
    await file.sync();
    await rm(notePath(path), { force: true });
    return { bytes, sha256 };
  } finally {
    watch.stop();
    await file.close();
  }
}

/** Asks for the bytes from `have` on, through redirects. */
async function request(
  url: URL,
  have: number,
  note: PartialNote | null,
  watch: Watch,
): Promise<{ response: Response; sha256: string | null }> {
  const headers: Record<string, string> = { 'accept-encoding': 'identity', 'user-agent': 'horoball' };
  if (have > 0) headers['range'] = `bytes=${have}-`;
  if (have > 0 && note !== null) headers['if-range'] = note.version;
  let linked: string | null = null;
  let plain: string | null = null;
  let at = url;
  for (let hop = 0; hop < 6; hop++) {
    const response = await watch.guard(fetch(at, { headers, redirect: 'manual', signal: watch.signal }));
    linked ??= sha256Of(response.headers.get('x-linked-etag'));
    plain ??= sha256Of(response.headers.get('etag'));
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || location === null) {
      await checkStatus(url, response);
      return { response, sha256: linked ?? plain };
    }
    await response.body?.cancel();
    const next = new URL(location, at);
    if (at.protocol === 'https:' && next.protocol !== 'https:')
      throw failed(url, `the host redirects to ${next.protocol}//, which is not secure`);
    at = next;
  }
  throw failed(url, 'the host redirects without end');
}

async function checkStatus(url: URL, response: Response): Promise<void> {
  const { status } = response;
  if (status === 200 || status === 206 || status === 416) return;
  await response.body?.cancel();
  if (status === 429 || status >= 500) throw new Interrupted(`the host answered ${status}`);
  const reason = status === 404 ? 'there is no such file (404)' : `the host answered ${status}`;
  throw failed(url, reason);
}

/** The byte at which the response begins; `null` where it does not continue what is there. */
function startOf(response: Response, have: number, note: PartialNote | null): number | null {
  if (response.status === 200) return 0;
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  if (response.status === 416) return range?.[2] === String(have) ? have : null;
  return Number(range?.[1]) === have && versionOf(response) === note?.version ? have : null;
}

/** What changes when the file does. A weak ETag may stay, so it does not count. */
function versionOf(response: Response): string | null {
  const etag = response.headers.get('etag');
  return etag?.startsWith('"') ? etag : response.headers.get('last-modified');
}

function totalOf(response: Response, start: number): number | null {
  const length = response.headers.get('content-length');
  // fetch decodes what hosts encode although they were asked not to: then the length is not that of the file.
  return length === null || response.headers.has('content-encoding') ? null : start + Number(length);
}

async function receive(
  response: Response,
  { file, path }: { file: FileHandle; path: string },
  start: number,
  total: number | null,
  options: DownloadOptions,
  watch: Watch,
): Promise<number> {
  let at = start;
  options.onProgress?.(at, total);
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
  for (;;) {
    const { done, value } = await watch.guard(reader.read());
    if (done) return at;
    // Disk errors pass through: trying anew would not help.
    for (let written = 0; written < value.length; )
      written += (await naming(path, file.write(value, written, value.length - written, at + written)))
        .bytesWritten;
    at += value.length;
    options.onProgress?.(at, total);
  }
}

/** Aborts a connection that stands still, and tells its failures from the caller's abort. */
class Watch {
  readonly signal: AbortSignal;
  readonly #stalled = new AbortController();
  readonly #patience: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(signal: AbortSignal | undefined, patience: number) {
    this.#patience = patience;
    this.signal = signal ? AbortSignal.any([signal, this.#stalled.signal]) : this.#stalled.signal;
  }

  /** Awaits something of the network: a failure means that the connection was interrupted. */
  async guard<T>(work: Promise<T>): Promise<T> {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#stalled.abort(), this.#patience);
    try {
      return await work;
    } catch (error) {
      throw new Interrupted(this.#stalled.signal.aborted ? 'the connection stands still' : reasonOf(error));
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#stalled.abort();
  }
}

/** fetch says 'fetch failed' and keeps the reason in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function sha256Of(etag: string | null): string | null {
  return /^(?:W\/)?"?([0-9a-f]{64})"?$/i.exec(etag ?? '')?.[1]?.toLowerCase() ?? null;
}

async function readNote(path: string, url: URL): Promise<PartialNote | null> {
  try {
    const note = JSON.parse(await readFile(notePath(path), 'utf8')) as PartialNote;
    return note.url === url.href ? note : null;
  } catch {
    return null;
  }
}

/** A file whose version is not known cannot be joined later, so it gets no note. */
async function writeNote(path: string, url: URL, version: string | null): Promise<void> {
  if (version === null) await rm(notePath(path), { force: true });
  else await writeFile(notePath(path), JSON.stringify({ url: url.href, version } satisfies PartialNote));
}

const notePath = (path: string): string => `${path}.json`;

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}

function failed(url: URL, reason: string): Coded {
  return coded('ERR_HOROBALL_DOWNLOAD', `${url.href} could not be downloaded: ${reason}`);
}
