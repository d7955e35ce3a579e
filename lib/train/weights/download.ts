import { type FileHandle, open, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { type Coded, coded } from '../../errors.ts';
import { crcOfFile } from '../../io/checksums.ts';
import { naming } from '../../io/file-errors.ts';
import { checkInside } from '../../io/inside.ts';
import { readRecordFile } from '../../io/record-file.ts';
import type { OpenFile } from '../../io/thread-file.ts';

/** Options of a download. */
export interface DownloadOptions {
  signal?: AbortSignal | undefined;
  /** Called when bytes arrive; `total` is null if the host does not send the size. */
  onProgress?: ((done: number, total: number | null) => void) | undefined;
  /** Consecutive attempts without progress before the download fails; 5 by default. */
  attempts?: number | undefined;
  /** Milliseconds before the first retry, doubled for each subsequent one; 500 by default. */
  pause?: number | undefined;
  /** Timeout of a stalled connection in milliseconds; 30,000 by default. */
  patience?: number | undefined;
}

/** A finished download. */
export interface Downloaded {
  bytes: number;
  /** SHA-256 of the file in lowercase hexadecimal, as sent by the host; null if it sends none. */
  sha256: string | null;
}

/** Metadata of a partial download, so that it is resumed only if the file on the host is the same and no byte was changed. */
const noteSchema = z.object({
  url: z.string(),
  /** The host's strong `ETag` or, without one, `Last-Modified`. */
  version: z.string(),
  /** Number of bytes that were received, and their CRC-32; the partial file may have further bytes, which are discarded. */
  bytes: z.int().min(0),
  crc32: z
    .int()
    .min(0)
    .max(2 ** 32 - 1),
});
type PartialNote = z.infer<typeof noteSchema>;
type Received = Pick<PartialNote, 'bytes' | 'crc32'>;

/** Number of bytes after which the metadata are written again: a killed process loses no more than these. */
const noteEvery = 2 ** 25;

/** A transient failure, after which a retry may succeed. */
class Interrupted extends Error {}

/**
 * Downloads a file, or resumes an earlier attempt, even one by another process. Follows redirects. The hash comes from the
 * response headers, if the host sends one (`X-Linked-ETag`, or an `ETag` that is a SHA-256).
 *
 * @param path - a partial file, which the caller verifies and renames; kept after a failure if the next call can resume it
 * @throws ERR_HOROBALL_DOWNLOAD with the URL and the reason; the signal's reason if it is aborted
 */
export async function download(url: URL, path: string, options: DownloadOptions = {}): Promise<Downloaded> {
  for (const each of [path, notePath(path)]) await checkInside(each); // a link in the cache could lead outside
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

/** Retries until the download is complete or cannot succeed. */
async function persist(url: URL, path: string, options: DownloadOptions): Promise<Downloaded> {
  const { signal, attempts = 5, pause = 500 } = options;
  const own: Received = { bytes: 0, crc32: 0 };
  for (let failures = 0; ; ) {
    const before = await sizeOf(path);
    try {
      return await attempt(url, path, options, own);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Interrupted)) throw error;
      failures = (await sizeOf(path)) > before ? 0 : failures + 1;
      if (failures >= attempts) throw failed(url, `${error.message} (${attempts} attempts)`);
      await sleep(pause * 2 ** Math.max(failures - 1, 0), undefined, { signal });
    }
  }
}

/** @param own - the bytes that this process has received; updated, and not verified again by the next attempt */
async function attempt(url: URL, path: string, options: DownloadOptions, own: Received): Promise<Downloaded> {
  const watch = new Watch(options.signal, options.patience ?? 30_000);
  const file = await open(path, 'r+');
  try {
    const note = await intactNote(path, url, file, own);
    const have = note?.bytes ?? 0;
    const { response, sha256 } = await request(url, have, note, watch);
    const start = startOf(response, have, note);
    if (start === null) {
      await rm(notePath(path), { force: true });
      throw new Interrupted('the file on the host changed');
    }
    await file.truncate(start);
    if (response.status === 416) return { bytes: have, sha256 };
    const received: Received = { bytes: start, crc32: start === 0 ? 0 : note!.crc32 };
    const keep = async (): Promise<void> => {
      await file.sync();
      await writeNote(path, url, versionOf(response), received);
      Object.assign(own, received);
    };
    await keep();
    try {
      await receive(response, { file, path, received, keep }, totalOf(response, start), options, watch);
    } catch (error) {
      await keep().catch(() => {}); // `error` is reported instead
      throw error;
    }
    await file.sync();
    await rm(notePath(path), { force: true });
    return { bytes: received.bytes, sha256 };
  } finally {
    watch.stop();
    await file.close();
  }
}

/** Requests the bytes from offset `have` on, and follows redirects. */
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
    if (!URL.canParse(location, at.href)) throw failed(url, 'the host redirects to an invalid URL');
    const next = new URL(location, at);
    if (next.protocol !== 'https:' && (next.protocol !== 'http:' || at.protocol === 'https:'))
      throw failed(url, `the host redirects to ${next.protocol}//, which is not secure`);
    at = next;
  }
  throw failed(url, 'the host redirects in a loop');
}

async function checkStatus(url: URL, response: Response): Promise<void> {
  const { status } = response;
  if (status === 200 || status === 206 || status === 416) return;
  await response.body?.cancel();
  if (status === 429 || status >= 500) throw new Interrupted(`the host responded with ${status}`);
  const reason =
    status === 404 ? 'the host does not have this file (404)' : `the host responded with ${status}`;
  throw failed(url, reason);
}

/** Returns the offset of the response in the file; null if it does not continue the partial file. */
function startOf(response: Response, have: number, note: PartialNote | null): number | null {
  if (response.status === 200) return 0;
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  if (response.status === 416) return range?.[2] === String(have) ? have : null;
  return Number(range?.[1]) === have && versionOf(response) === note?.version ? have : null;
}

/** Returns the strong ETag or, without one, `Last-Modified`. A weak ETag can stay the same when the file changes. */
function versionOf(response: Response): string | null {
  const etag = response.headers.get('etag');
  return etag?.startsWith('"') ? etag : response.headers.get('last-modified');
}

function totalOf(response: Response, start: number): number | null {
  const length = response.headers.get('content-length');
  // A host may encode the response despite the request headers; fetch decodes it, so content-length is not the file size.
  return length === null || response.headers.has('content-encoding') ? null : start + Number(length);
}

/** Appends a response to a partial file, and updates `received`; calls `keep` from time to time. */
async function receive(
  response: Response,
  {
    file,
    path,
    received,
    keep,
  }: { file: FileHandle; path: string; received: Received; keep: () => Promise<void> },
  total: number | null,
  options: DownloadOptions,
  watch: Watch,
): Promise<void> {
  let kept = received.bytes;
  await options.onProgress?.(kept, total);
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
  for (;;) {
    const { done, value } = await watch.guard(reader.read());
    if (done) break;
    const at = received.bytes;
    // Not guarded by `watch`, because disk errors are not retried.
    for (let written = 0; written < value.length; )
      written += (await naming(path, file.write(value, written, value.length - written, at + written)))
        .bytesWritten;
    Object.assign(received, { bytes: at + value.length, crc32: crc32(value, received.crc32) });
    if (received.bytes - kept >= noteEvery) {
      await keep();
      kept = received.bytes;
    }
    await options.onProgress?.(received.bytes, total);
  }
  const { bytes } = received;
  if (total !== null && bytes !== total) throw new Interrupted(`it ended after ${bytes} of ${total} bytes`);
}

/** Aborts a stalled connection, and distinguishes that from an abort by the caller. */
class Watch {
  readonly signal: AbortSignal;
  readonly #stalled = new AbortController();
  readonly #patience: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(signal: AbortSignal | undefined, patience: number) {
    this.#patience = patience;
    this.signal = signal ? AbortSignal.any([signal, this.#stalled.signal]) : this.#stalled.signal;
  }

  /** Awaits a network operation; any failure counts as an interrupted connection. */
  async guard<T>(work: Promise<T>): Promise<T> {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#stalled.abort(), this.#patience);
    try {
      return await work;
    } catch (error) {
      throw new Interrupted(this.#stalled.signal.aborted ? 'the connection stalled' : reasonOf(error));
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#stalled.abort();
  }
}

/** Returns the message of an error's cause if it has one, because the message of fetch is only 'fetch failed'. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function sha256Of(etag: string | null): string | null {
  return /^(?:W\/)?"?([0-9a-f]{64})"?$/i.exec(etag ?? '')?.[1]?.toLowerCase() ?? null;
}

async function readNote(path: string, url: URL): Promise<PartialNote | null> {
  try {
    const note = noteSchema.parse(await readRecordFile(notePath(path)));
    return note.url === url.href ? note : null;
  } catch {
    return null;
  }
}

/** Returns the metadata of a partial download; null if it cannot be resumed, for example because the file was damaged. */
async function intactNote(
  path: string,
  url: URL,
  file: FileHandle,
  own: Received,
): Promise<PartialNote | null> {
  const note = await readNote(path, url);
  if (note === null || (await file.stat()).size < note.bytes) return null;
  if (note.bytes === own.bytes && note.crc32 === own.crc32) return note;
  const sum = await crcOfFile(file as OpenFile, 0, note.bytes);
  return Number.parseInt(sum, 16) === note.crc32 ? note : null;
}

/** Writes the metadata of a partial download; removes it if there is no version, because resuming would not be safe. */
async function writeNote(path: string, url: URL, version: string | null, received: Received): Promise<void> {
  if (version === null) await rm(notePath(path), { force: true });
  else
    await writeFile(
      notePath(path),
      JSON.stringify({ url: url.href, version, ...received } satisfies PartialNote),
    );
}

const notePath = (path: string): string => `${path}.json`;

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}

function failed(url: URL, reason: string): Coded {
  return coded(
    'ERR_HOROBALL_DOWNLOAD',
    `[weights] source: expected to download ${url.href}, but ${reason}. Check the URL and the network, and run the command again.`,
  );
}
