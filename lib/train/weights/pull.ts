import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { lstat, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { checkSignal } from '../../call/run.ts';
import { boolean, checkCallback, checkText, filePath, integer, readOptions } from '../../check.ts';
import { coded, quoted } from '../../errors.ts';
import { writeAtomically } from '../../io/atomic.ts';
import { ensureFolder } from '../../io/folder.ts';
import { Lock } from '../../io/lock.ts';
import { readRecordFile } from '../../io/record-file.ts';
import { holesOf } from '../../io/regular.ts';
import { shellWord } from '../../io/shell.ts';
import { nearestNames } from '../../nearest-names.ts';
import { cacheFolder } from '../../setup/paths.ts';
import { type DownloadOptions, download } from './download.ts';
import { findPublished, publishedWeights } from './registry.ts';

/** Options of {@link pullWeights}. */
export interface PullOptions extends DownloadOptions {
  /** Cache folder; `weights` in the cache folder of horoball by default. */
  cache?: string | undefined;
  /** Download again, and accept a file whose hash differs from that of the earlier download. */
  force?: boolean | undefined;
}

/**
 * Source of the hash that a file was verified against: the host's headers, the file name or an earlier download. `first`:
 * not verified, because neither the host nor the name states a hash, and this is the first download or used `force`.
 */
export type HashSource = 'host' | 'name' | 'earlier' | 'first';

/** Weights in the cache. */
export interface Pulled {
  /** Path of the file in the cache. */
  path: string;
  url: string;
  bytes: number;
  /** SHA-256 of the file in lowercase hexadecimal. */
  sha256: string;
  /** Source of the expected hash when the file was downloaded. */
  checked: HashSource;
}

/** Metadata of a file in the cache. */
type PullRecord = Omit<Pulled, 'path'>;
const recordSchema = z.object({
  url: z.string(),
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[\da-f]{64}$/),
  checked: z.enum(['host', 'name', 'earlier', 'first']),
}) satisfies z.ZodType<PullRecord>;

/**
 * Downloads published weights, or a file at an http(s) URL, into the cache. A cached file is verified against its recorded
 * hash, and downloaded again only if the hash differs or with `force`. An interrupted download resumes.
 *
 * @param source - a name in `horoball weights list`, the name of a model, or a URL
 * @returns the cached file, and `fresh`: whether this call downloaded it
 * @throws RangeError `ERR_HOROBALL_OPTION` for an unknown name; `ERR_HOROBALL_DOWNLOAD` if the download fails;
 * `ERR_HOROBALL_HASH` if the hash differs (the file is then deleted); the signal's reason if it is aborted
 * @example
 * const { path } = await pullWeights('dino_vits16');
 */
export async function pullWeights(
  source: string,
  options: PullOptions = {},
): Promise<Pulled & { fresh: boolean }> {
  const url = urlOf(checkText('pullWeights', 'source', source), '[weights] source', notPullable);
  const checked = checkedOptions(options);
  const path = cachedPath(url, checked.cache);
  const record = checked.force ? null : await readRecord(path, url);
  if (record !== null && (await isWhole(path, record)) && (await sha256Of(path)) === record.sha256)
    return { path, ...record, fresh: false };
  await ensureFolder(dirname(path));
  const part = `${path}.part`;
  await using lock = await Lock.take(`${part}.lock`, (holder, advice) =>
    coded(
      'ERR_HOROBALL_DOWNLOAD',
      `[weights] source: expected a file that is not being downloaded, got ${url.href}: ${holder} is downloading it. ${advice}`,
    ),
  );
  const { bytes, sha256: announced } = await download(url, part, checked);
  await checkUnreplaced(url, part, bytes, lock);
  const sha256 = await sha256Of(part);
  const origin = await check(url, part, sha256, announced, record);
  await rename(part, path);
  const pulled: PullRecord = { url: url.href, bytes, sha256, checked: origin };
  await writeAtomically(recordPath(path), (file) => file.writeFile(`${JSON.stringify(pulled, null, 2)}\n`));
  return { path, ...pulled, fresh: true };
}

/**
 * Returns the cached file of a name or URL; null if it was not downloaded, or if its size has changed.
 *
 * @throws RangeError `ERR_HOROBALL_OPTION` for an unknown name
 */
export async function findPulled(source: string, cache?: string, at?: string): Promise<Pulled | null> {
  const url = urlOf(source, at);
  const path = cachedPath(url, cache);
  const record = await readRecord(path, url);
  return record !== null && (await isWhole(path, record)) ? { path, ...record } : null;
}

/**
 * Returns the path of a cached file after verifying its hash: most weight files have no checksums, and damaged weights
 * would train without an error.
 *
 * @returns null if the file was not downloaded, or if its size has changed
 * @throws `ERR_HOROBALL_HASH` if it was changed after the download; otherwise as {@link findPulled}
 */
export async function verifiedPath(source: string, cache?: string, at?: string): Promise<string | null> {
  const pulled = await findPulled(source, cache, at);
  if (pulled === null) return null;
  const { path, sha256: wanted } = pulled;
  const got = await sha256Of(path);
  if (got === wanted) return path;
  const message = `${at ?? '[weights] source'}: expected ${path} as it was downloaded, with SHA-256 ${wanted}, got ${got}. Download it again with: npx horoball weights pull ${shellWord(source)}`;
  throw coded('ERR_HOROBALL_HASH', message);
}

const pullNames = [
  'cache',
  'force',
  'signal',
  'onProgress',
  'attempts',
  'pause',
  'patience',
] as const satisfies (keyof PullOptions)[];

function checkedOptions(given: PullOptions): PullOptions {
  const operation = 'pullWeights';
  const options = readOptions(operation, given, pullNames);
  const { cache, force, signal, onProgress, attempts = 1, pause = 0, patience = 1 } = options;
  if (cache !== undefined) filePath(operation, 'cache', cache);
  boolean(operation, 'force', force, false);
  checkSignal(operation, signal);
  checkCallback(operation, 'onProgress', onProgress);
  integer(operation, 'attempts', attempts, 1, 1000);
  integer(operation, 'pause', pause, 0, maxWait);
  integer(operation, 'patience', patience, 1, maxWait);
  return options;
}

/** The maximum delay of Node's timers, in milliseconds. */
const maxWait = 2 ** 31 - 1;

/** Extensions of weight files, which distinguish a path from a name. */
const weightsExtension = /\.(safetensors|pth?|bin|ckpt|tar|npz|onnx)$/i;

/**
 * Returns the error for a source that is neither a file nor known.
 * @param at - the operation and the argument
 */
function unknownSource(source: string, at: string): Error {
  if (isPathLike(source)) {
    const message = `${at}: expected a file, got ${quoted(source)}, which does not exist. Check the path.`;
    return coded('ERR_HOROBALL_OPTION', message, RangeError);
  }
  const message = `${at}: expected a file, an http(s) URL or the name of published weights, got ${quoted(source)}. ${nearestText(source)}`;
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

function isPathLike(source: string): boolean {
  return weightsExtension.test(source) || /[/\\]/.test(source);
}

function nearestText(source: string): string {
  const names = publishedWeights.flatMap(({ name, model }) => [...new Set([model, name])]);
  return `The nearest names are ${nearestNames(source, names).join(', ')}.`;
}

/** Returns the error for a source that cannot be downloaded; see {@link unknownSource}. */
function notPullable(source: string, at: string): Error {
  const isFile = isPathLike(source) && existsSync(source);
  const fix = isFile ? 'A file needs no download: pass its path as the weights.' : nearestText(source);
  const message = `${at}: expected an http(s) URL or the name of published weights, got ${quoted(source)}. ${fix}`;
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

function urlOf(source: string, at: string = '[weights] source', unknown = unknownSource): URL {
  const published = findPublished(source);
  if (published !== undefined) return new URL(published.url);
  if (/^https?:\/\//i.test(source) && URL.canParse(source)) return new URL(source);
  throw unknown(source, at);
}

/**
 * Builds a cache path from the host and path of the URL, so that equal file names of different hosts do not collide. A
 * hash distinguishes URLs that differ only in their query, or in characters that the path replaces or leaves out.
 */
function cachedPath(url: URL, cache: string = join(cacheFolder(), 'weights')): string {
  const safe = (part: string): string => part.replace(/[^\w.%@+=,-]/g, '_').slice(-120);
  const names = url.pathname
    .split('/')
    .filter((part) => part !== '')
    .map(safe);
  const lost = (`/${names.join('/')}` === url.pathname ? '' : url.pathname) + url.search;
  if (lost !== '') names.unshift(createHash('sha256').update(lost).digest('hex').slice(0, 8));
  return join(cache, safe(url.host), ...names);
}

/**
 * Checks that the path still refers to a file of the downloaded size, and that the lock is still held: another program may
 * have replaced the file, or be writing to it.
 */
async function checkUnreplaced(url: URL, part: string, bytes: number, lock: Lock): Promise<void> {
  const found = await lstat(part).catch(() => null);
  if (found?.isFile() && found.size === bytes && (await lock.isHeld())) return;
  const message = `[weights] source: expected to download ${url.href}, but another program replaced ${part}. Run the command again.`;
  throw coded('ERR_HOROBALL_DOWNLOAD', message);
}

/**
 * Verifies a download against every known hash, and returns the source of the first.
 * @throws `ERR_HOROBALL_HASH` if one differs; the file is then deleted
 */
async function check(
  url: URL,
  part: string,
  sha256: string,
  announced: string | null,
  record: PullRecord | null,
): Promise<HashSource> {
  const inName = hashInName(url);
  const known: [HashSource, string | null | undefined, string][] = [
    ['host', announced, 'reported by the host'],
    ['name', inName, 'stated in its name'],
    ['earlier', record?.sha256, 'of an earlier download'],
  ];
  for (const [source, wanted, origin] of known) {
    if (wanted === null || wanted === undefined || sha256.startsWith(wanted)) continue;
    await rm(part, { force: true });
    const fix = source === 'earlier' ? 'Pass --force to accept the new file' : 'Download it again';
    const message = `[weights] source: expected SHA-256 ${wanted} (${origin}), got ${sha256} from ${url.href}. ${fix}.`;
    throw coded('ERR_HOROBALL_HASH', message);
  }
  return known.find(([, wanted]) => wanted)?.[0] ?? 'first';
}

/**
 * Returns the hash in a file name, by PyTorch's convention: `name-` and the first 8 or more digits of the SHA-256. Eight
 * digits that form a date are not a hash.
 */
function hashInName(url: URL): string | null {
  const found = /-([0-9a-f]{8,64})\.\w+$/.exec(url.pathname)?.[1];
  const isDate = /^(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])$/.test(found ?? '');
  return found === undefined || isDate ? null : found;
}

/**
 * Whether a regular file without holes exists with the recorded size; reading a pipe, a device or a sparse file may
 * never end.
 */
function isWhole(path: string, { bytes }: PullRecord): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile() && found.size === bytes && holesOf(found) === null,
    () => false,
  );
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash);
  return hash.digest('hex');
}

const recordPath = (path: string): string => `${path}.json`;

/**
 * Returns the record of a file that was downloaded from `url`; null if there is no valid record or it has another URL.
 */
async function readRecord(path: string, url: URL): Promise<PullRecord | null> {
  try {
    const record = recordSchema.parse(await readRecordFile(recordPath(path)));
    return record.url === url.href ? record : null;
  } catch {
    return null;
  }
}
