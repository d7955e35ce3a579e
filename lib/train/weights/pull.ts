import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { coded } from '../../errors.ts';
import { writeAtomically } from '../../io/atomic.ts';
import { ensureFolder } from '../../io/folder.ts';
import { dropLock, takeLock } from '../../io/lock.ts';
import { cacheFolder } from '../../setup/paths.ts';
import { type DownloadOptions, download } from './download.ts';
import { findPublished, publishedWeights } from './registry.ts';

export interface PullOptions extends DownloadOptions {
  /** Folder of the cache; `weights` in horoball's cache folder by default. */
  cache?: string | undefined;
  /** Download again, and take what comes for the right file. */
  force?: boolean | undefined;
}

/**
 * What a file was compared with: the host's header, the hash in its name, the hash of an earlier download, or, at the
 * `first` download of a host that gives none, nothing.
 */
export type HashSource = 'host' | 'name' | 'earlier' | 'first';

/** Weights in the cache. */
export interface Pulled {
  path: string;
  url: string;
  bytes: number;
  /** Of the file as it is, in lower-case hexadecimal. */
  sha256: string;
  /** What the hash was compared with when the file was downloaded. */
  checked: HashSource;
}

/** The note beside a file in the cache. */
type PullRecord = Omit<Pulled, 'path'>;

/**
 * Downloads published weights, or a file at an http(s) URL, into the cache. A file that is there already is checked
 * against the hash that was noted for it, and downloaded again only if it was changed.
 *
 * @param source - a name of {@link publishedWeights}, a model's name, or a URL
 * @returns where the file is, and `fresh`: whether it was downloaded now
 * @throws ERR_HOROBALL_OPTION for an unknown name, ERR_HOROBALL_DOWNLOAD, or ERR_HOROBALL_HASH where the file is not
 * the one it should be; then nothing is kept
 */
export async function pullWeights(
  source: string,
  options: PullOptions = {},
): Promise<Pulled & { fresh: boolean }> {
  const url = urlOf(source);
  const path = cachedPath(url, options.cache);
  const record = options.force ? null : await readRecord(path);
  if (record !== null && existsSync(path) && (await sha256Of(path)) === record.sha256)
    return { path, ...record, fresh: false };
  await ensureFolder(dirname(path));
  const part = `${path}.part`;
  const lock = `${part}.lock`;
  const holder = await takeLock(lock);
  if (holder !== null)
    throw coded('ERR_HOROBALL_DOWNLOAD', `process ${holder} is downloading this file already (${lock})`);
  try {
    const { bytes, sha256: announced } = await download(url, part, options);
    const sha256 = await sha256Of(part);
    const checked = await check(url, part, sha256, announced, record);
    await rename(part, path);
    const pulled: PullRecord = { url: url.href, bytes, sha256, checked };
    await writeAtomically(recordPath(path), (file) => file.writeFile(`${JSON.stringify(pulled, null, 2)}\n`));
    return { path, ...pulled, fresh: true };
  } finally {
    await dropLock(lock);
  }
}

/** The file of a name or URL in the cache; `null` where it was not pulled. */
export async function findPulled(source: string, cache?: string): Promise<Pulled | null> {
  const path = cachedPath(urlOf(source), cache);
  const record = await readRecord(path);
  return record !== null && existsSync(path) ? { path, ...record } : null;
}

function urlOf(source: string): URL {
  const published = findPublished(source);
  if (published !== undefined) return new URL(published.url);
  if (/^https?:\/\//i.test(source) && URL.canParse(source)) return new URL(source);
  const names = publishedWeights.map(({ name }) => name).join(', ');
  const message = `no weights are known as '${source}': it is no file, no http(s) URL and none of ${names}`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}

/** Host and path of the URL, so that files of one name from different places lie apart. */
function cachedPath(url: URL, cache: string = join(cacheFolder(), 'weights')): string {
  const parts = url.pathname.split('/').filter((part) => part !== '');
  if (url.search !== '') parts.unshift(createHash('sha256').update(url.search).digest('hex').slice(0, 8));
  const safe = [url.host, ...parts].map((part) => part.replace(/[^\w.%@+=,-]/g, '_').slice(-120));
  return join(cache, ...safe);
}

/** Compares a download with every hash that is known for it. */
async function check(
  url: URL,
  part: string,
  sha256: string,
  announced: string | null,
  record: PullRecord | null,
): Promise<HashSource> {
  const inName = hashInName(url);
  const known: [HashSource, string | null | undefined, string][] = [
    ['host', announced, 'the host announced'],
    ['name', inName, 'its name says'],
    ['earlier', record?.sha256, 'an earlier download had'],
  ];
  for (const [source, wanted, says] of known) {
    if (wanted === null || wanted === undefined || sha256.startsWith(wanted)) continue;
    await rm(part, { force: true });
    const advice = source === 'earlier' ? '; --force takes the new file' : '';
    throw coded('ERR_HOROBALL_HASH', `${url.href} has SHA-256 ${sha256}, but ${says} ${wanted}${advice}`);
  }
  return known.find(([, wanted]) => wanted)?.[0] ?? 'first';
}

/** PyTorch's custom: `name-` and the first 8 or more digits of the SHA-256. Eight digits that are a date are none. */
function hashInName(url: URL): string | null {
  const found = /-([0-9a-f]{8,64})\.\w+$/.exec(url.pathname)?.[1];
  const isDate = /^(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])$/.test(found ?? '');
  return found === undefined || isDate ? null : found;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash);
  return hash.digest('hex');
}

const recordPath = (path: string): string => `${path}.json`;

async function readRecord(path: string): Promise<PullRecord | null> {
  try {
    const { url, bytes, sha256, checked } = JSON.parse(
      await readFile(recordPath(path), 'utf8'),
    ) as PullRecord;
    return { url, bytes, sha256, checked };
  } catch {
    return null;
  }
}
