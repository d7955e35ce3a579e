import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { coded } from '../errors.ts';
import { ensureFolder } from '../io/folder.ts';
import { checkSha256, recoverFolder, unpackLibTorch } from './archive.ts';
import { lastWords, run } from './command.ts';
import { systemFolders } from './find.ts';
import { type Inspection, inspect, inspectRoot } from './inspect.ts';
import { cacheFolder } from './paths.ts';
import { loads } from './probe.ts';
import type { LibTorch } from './record.ts';
import type { Ui } from './ui.ts';

/** The version of libtorch to install if none is found. */
const wantedVersion = '2.13.0';

/** A way to obtain libtorch. `install` throws if it does not work on this machine. */
interface Way {
  name: string;
  install: (ui: Ui) => Promise<LibTorch>;
}

/**
 * Installs libtorch in the first way that works: pip's wheel, the official archive, Debian's package.
 *
 * @throws Error `ERR_HOROBALL_NO_TORCH` that lists the attempts and what you can do
 */
export async function installLibTorch(ui: Ui): Promise<LibTorch> {
  const failures: string[] = [];
  for (const { name, install } of ways()) {
    ui.say(`Trying ${name}`);
    try {
      return await install(ui);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      failures.push(`${name}: ${why}`);
      ui.say(`  ${why}`);
    }
  }
  const tried = failures.map((line) => `  - ${line}`).join('\n');
  throw coded(
    'ERR_HOROBALL_NO_TORCH',
    `[setup] libtorch could not be installed. Get it in one of these ways and run \`npx horoball setup\` again:
  apt-get install libtorch-dev libopenblas0 (Debian, Ubuntu), python3 -m pip install torch==${wantedVersion},
  or an archive from pytorch.org with \`npx horoball setup --libtorch FILE\`. Attempts:\n${tried}`,
  );
}

function ways(): Way[] {
  const list: Way[] = [{ name: `pip download torch==${wantedVersion}`, install: fromPip }];
  const archive = officialArchive();
  if (archive !== undefined) list.push({ name: archive.url, install: (ui) => fromUrl(archive, ui) });
  if (process.platform === 'linux' && process.getuid?.() === 0) {
    list.push({ name: 'apt-get install libtorch-dev libopenblas0 (668 MB)', install: fromApt });
  }
  return list;
}

/**
 * Uses the given libtorch: a folder, or an archive or wheel that is unpacked into the cache.
 *
 * @param sha256 - expected hash of the file; without it, the file is trusted
 * @throws Error `ERR_HOROBALL_NO_TORCH` or `ERR_HOROBALL_ARCHIVE` if it cannot be used
 */
export async function takeLibTorch(path: string, ui: Ui, sha256?: string): Promise<LibTorch> {
  const folder = await takeFolder(path);
  if (folder !== undefined) return folder;
  if (sha256 !== undefined) await checkSha256(path, sha256);
  return fromArchive(path, ui, `[setup] --libtorch ${path}`);
}

/**
 * Returns the libtorch in a folder that the user named; undefined for an archive or wheel. Writes nothing.
 *
 * @throws Error `ERR_HOROBALL_NO_TORCH` if the path does not exist, or the folder contains no usable libtorch
 */
export async function takeFolder(path: string): Promise<LibTorch | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined)
    throw coded(
      'ERR_HOROBALL_NO_TORCH',
      `[setup] --libtorch: expected a folder, archive or wheel, got ${path} (no such file or folder)`,
    );
  return info.isDirectory()
    ? usable(inspectRoot('--libtorch', path), `[setup] --libtorch ${path}`)
    : undefined;
}

async function usable(inspection: Inspection, what = 'it'): Promise<LibTorch> {
  const found = 'libtorch' in inspection ? await loads(inspection.libtorch) : inspection.reason;
  if ('libtorch' in inspection && found === true) return inspection.libtorch;
  throw coded('ERR_HOROBALL_NO_TORCH', `${what} cannot be loaded: ${found}`);
}

// ---- pip -------------------------------------------------------------------------------------------------

/**
 * Downloads the wheel from the configured pip index, without retries, and unpacks its lib/ and include/. pip verifies the
 * wheel against the hash that the index lists.
 */
async function fromPip(ui: Ui): Promise<LibTorch> {
  return inTemporaryFolder(async (folder) => {
    const networkOptions = ['--retries', '0', '--timeout', '5', '--disable-pip-version-check'];
    const what = ['--no-deps', '--only-binary', ':all:', '--dest', folder, `torch==${wantedVersion}`];
    const result = await run('python3', ['-m', 'pip', 'download', ...networkOptions, ...what], {
      onLine: (line) => ui.status(line.trim()),
    });
    if (result.code === null) throw new Error('python3 was not found');
    const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
    if (result.code !== 0 || wheel === undefined) throw new Error(lastWords(result));
    return fromArchive(join(folder, wheel), ui);
  });
}

// ---- The official archive -----------------------------------------------------------------------------------

interface Archive {
  url: string;
  sha256: string;
}

/**
 * Returns the archive of PyTorch for this platform, if any. PyTorch does not publish hashes of its archives; two
 * independent projects pin these for 2.13.0. Update them together with the version.
 */
function officialArchive(): Archive | undefined {
  const base = 'https://download.pytorch.org/libtorch/cpu/libtorch';
  const archives: Readonly<Record<string, Archive>> = {
    'linux-x64': {
      url: `${base}-shared-with-deps-${wantedVersion}%2Bcpu.zip`,
      sha256: 'edbf4cbed78433d803e90a65f1752e57783d164bce66c95c0872b2ab8f5c159e',
    },
    'darwin-arm64': {
      url: `${base}-macos-arm64-${wantedVersion}.zip`,
      sha256: '1e10c6c4dc2764150c9fb2ad28e1889191302734e7f939108e5d2f22f21a06f8',
    },
  };
  return archives[`${process.platform}-${process.arch}`];
}

const connectMs = 10_000;

async function fromUrl({ url, sha256 }: Archive, ui: Ui): Promise<LibTorch> {
  return inTemporaryFolder(async (folder) => {
    const file = join(folder, 'libtorch.zip');
    await download(url, file, ui);
    await checkSha256(file, sha256);
    return fromArchive(file, ui);
  });
}

async function download(url: string, file: string, ui: Ui): Promise<void> {
  const connection = new AbortController();
  const timer = setTimeout(() => connection.abort(new Error('no response')), connectMs);
  const response = await fetch(url, { signal: connection.signal })
    .catch((error: Error) => {
      throw new Error(error.cause instanceof Error ? error.cause.message : error.message);
    })
    .finally(() => clearTimeout(timer));
  if (!response.ok || response.body === null) throw new Error(`the server responded with ${response.status}`);
  const total = Number(response.headers.get('content-length') ?? 0);
  let done = 0;
  const progress = inMegabytes(ui, 'downloading libtorch');
  const count = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      done += chunk.length;
      progress(done, Math.max(done, total));
      yield chunk;
    }
  };
  await pipeline(Readable.fromWeb(response.body), count, createWriteStream(file));
}

// ---- A local archive --------------------------------------------------------------------------------------

/** The folder into which setup unpacks libtorch. */
const installedFolder = (): string => join(cacheFolder(), 'libtorch', 'current');

/** Restores the installed libtorch if a setup was killed while replacing it, and removes the downloads of killed setups. */
export async function recoverLibTorch(): Promise<void> {
  await recoverFolder(installedFolder());
  for (const name of await readdir(cacheFolder()))
    if (/^download-\w{6}$/.test(name)) await rm(join(cacheFolder(), name), { recursive: true, force: true });
}

/** Unpacks and checks libtorch. `what`: the subject of errors; by default, a name precedes them. */
async function fromArchive(file: string, ui: Ui, what = 'it'): Promise<LibTorch> {
  const root = installedFolder();
  await ensureFolder(dirname(root));
  const accept = (folder: string): Promise<LibTorch> => usable(inspectRoot('', folder), what);
  await unpackLibTorch(file, root, accept, inMegabytes(ui, 'unpacking libtorch'));
  return usable(inspectRoot('installed by setup', root), what);
}

/** Reports progress in whole megabytes, each value once. */
function inMegabytes(ui: Ui, label: string): (done: number, total: number) => void {
  const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
  let shown = -1;
  return (done, total) => {
    if (megabytes(done) === shown) return;
    shown = megabytes(done);
    ui.progress(shown, megabytes(total), label, 'MB');
  };
}

async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(cacheFolder(), 'download-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

// ---- Debian and Ubuntu ----------------------------------------------------------------------------------------

/** Installs libtorch with apt-get, and OpenBLAS: the reference BLAS that apt-get would select is many times slower. */
async function fromApt(ui: Ui): Promise<LibTorch> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const onLine = (line: string): void => ui.status(line.trim());
  await run('apt-get', ['update'], { env, onLine });
  const packages = ['libtorch-dev', 'libopenblas0'];
  const result = await run('apt-get', ['install', '-y', '--no-install-recommends', ...packages], {
    env,
    onLine,
  });
  if (result.code === null) throw new Error('apt-get was not found');
  if (result.code !== 0) throw new Error(lastWords(result));
  const { include, libs } = systemFolders();
  for (const lib of libs) {
    const inspection = inspect('system', lib, include);
    if ('libtorch' in inspection) return usable(inspection);
  }
  throw new Error('the packages are installed but contain no usable libtorch');
}
