import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { coded } from '../errors.ts';
import { ensureFolder } from '../io/folder.ts';
import { unpackLibTorch } from './archive.ts';
import { lastWords, run } from './command.ts';
import { systemFolders } from './find.ts';
import { type Inspection, inspect, inspectRoot } from './inspect.ts';
import { cacheFolder } from './paths.ts';
import { loads } from './probe.ts';
import type { LibTorch } from './record.ts';
import type { Ui } from './ui.ts';

/** The version that is installed where there is none. */
const wantedVersion = '2.13.0';

/** A way to come by libtorch; `install` throws when it does not work here. */
interface Way {
  name: string;
  install: (ui: Ui) => Promise<LibTorch>;
}

/**
 * Installs libtorch by the first way that works: pip's wheel, the official archive, Debian's package.
 * @throws Error `ERR_HOROBALL_NO_TORCH` telling what was tried and what a person can do.
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
    `libtorch could not be installed. Get it in one of these ways and run \`npx horoball setup\` again:
  apt-get install libtorch-dev libopenblas0 (Debian, Ubuntu), python3 -m pip install torch==${wantedVersion},
  or an archive from pytorch.org with \`npx horoball setup --libtorch FILE\`. What was tried:\n${tried}`,
  );
}

function ways(): Way[] {
  const list: Way[] = [{ name: `pip download torch==${wantedVersion}`, install: fromPip }];
  const url = archiveUrl();
  if (url !== undefined) list.push({ name: url, install: (ui) => fromUrl(url, ui) });
  if (process.platform === 'linux' && process.getuid?.() === 0) {
    list.push({ name: 'apt-get install libtorch-dev libopenblas0 (668 MB)', install: fromApt });
  }
  return list;
}

/**
 * Takes libtorch from where the user says: a folder, or an archive or wheel that is unpacked into the cache.
 * @throws Error `ERR_HOROBALL_NO_TORCH` or `ERR_HOROBALL_ARCHIVE` when it cannot be used.
 */
export async function takeLibTorch(path: string, ui: Ui): Promise<LibTorch> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) throw coded('ERR_HOROBALL_NO_TORCH', `--libtorch ${path}: there is no such file`);
  if (!info.isDirectory()) return fromArchive(path, ui);
  return usable(inspectRoot('--libtorch', path), `--libtorch ${path}`);
}

async function usable(inspection: Inspection, what = 'it'): Promise<LibTorch> {
  const found = 'libtorch' in inspection ? await loads(inspection.libtorch) : inspection.reason;
  if ('libtorch' in inspection && found === true) return inspection.libtorch;
  throw coded('ERR_HOROBALL_NO_TORCH', `${what} does not load: ${found}`);
}

// ---- pip -------------------------------------------------------------------------------------------------

/** As pip is set up here, with short patience: no retries. A wheel holds lib/ and include/. */
async function fromPip(ui: Ui): Promise<LibTorch> {
  return inTemporaryFolder(async (folder) => {
    const patience = ['--retries', '0', '--timeout', '5', '--disable-pip-version-check'];
    const what = ['--no-deps', '--only-binary', ':all:', '--dest', folder, `torch==${wantedVersion}`];
    const result = await run('python3', ['-m', 'pip', 'download', ...patience, ...what], {
      onLine: (line) => ui.progress(0, 1, line.trim()),
    });
    if (result.code === null) throw new Error('there is no python3');
    const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
    if (result.code !== 0 || wheel === undefined) throw new Error(lastWords(result));
    return fromArchive(join(folder, wheel), ui);
  });
}

// ---- The official archive -----------------------------------------------------------------------------------

function archiveUrl(): string | undefined {
  const base = 'https://download.pytorch.org/libtorch/cpu/libtorch';
  const platform = `${process.platform}-${process.arch}`;
  if (platform === 'linux-x64') return `${base}-shared-with-deps-${wantedVersion}%2Bcpu.zip`;
  if (platform === 'darwin-arm64') return `${base}-macos-arm64-${wantedVersion}.zip`;
  return undefined;
}

const connectMs = 10_000;

async function fromUrl(url: string, ui: Ui): Promise<LibTorch> {
  return inTemporaryFolder(async (folder) => {
    const file = join(folder, 'libtorch.zip');
    await download(url, file, ui);
    return fromArchive(file, ui);
  });
}

async function download(url: string, file: string, ui: Ui): Promise<void> {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(new Error('no answer')), connectMs);
  const response = await fetch(url, { signal: patience.signal })
    .catch((error: Error) => {
      throw new Error(error.cause instanceof Error ? error.cause.message : error.message);
    })
    .finally(() => clearTimeout(timer));
  if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status}`);
  const total = Number(response.headers.get('content-length') ?? 0);
  let done = 0;
  const progress = inMegabytes(ui, 'MB downloaded');
  const count = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      done += chunk.length;
      progress(done, Math.max(done, total));
      yield chunk;
    }
  };
  await pipeline(Readable.fromWeb(response.body), count, createWriteStream(file));
}

// ---- An archive that is here ---------------------------------------------------------------------------------

async function fromArchive(file: string, ui: Ui): Promise<LibTorch> {
  const home = join(cacheFolder(), 'libtorch');
  await ensureFolder(home);
  const root = join(home, 'current');
  const accept = (folder: string): Promise<LibTorch> => usable(inspectRoot('', folder));
  await unpackLibTorch(file, root, accept, inMegabytes(ui, 'MB unpacked'));
  return usable(inspectRoot('installed by setup', root));
}

/** Reports bytes as whole megabytes, each once. */
function inMegabytes(ui: Ui, text: string): (done: number, total: number) => void {
  const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
  let shown = -1;
  return (done, total) => {
    if (megabytes(done) === shown) return;
    shown = megabytes(done);
    ui.progress(shown, megabytes(total), text);
  };
}

async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  await ensureFolder(cacheFolder());
  const folder = await mkdtemp(join(cacheFolder(), 'download-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

// ---- Debian and Ubuntu ----------------------------------------------------------------------------------------

/** OpenBLAS beside it: the reference BLAS that would come alone is many times slower. */
async function fromApt(ui: Ui): Promise<LibTorch> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const onLine = (line: string): void => ui.progress(0, 1, line.trim());
  await run('apt-get', ['update'], { env, onLine });
  const packages = ['libtorch-dev', 'libopenblas0'];
  const result = await run('apt-get', ['install', '-y', '--no-install-recommends', ...packages], {
    env,
    onLine,
  });
  if (result.code === null) throw new Error('there is no apt-get');
  if (result.code !== 0) throw new Error(lastWords(result));
  const { include, libs } = systemFolders();
  for (const lib of libs) {
    const inspection = inspect('system', lib, include);
    if ('libtorch' in inspection) return usable(inspection);
  }
  throw new Error('the packages are installed, but hold no libtorch that can be used');
}
