import { createHash } from 'node:crypto';
import { constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { access, copyFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, freemem } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { addonCache } from '../cache-folder.ts';
import { coded } from '../errors.ts';
import { ensureFolder } from '../io/folder.ts';
import type { Lock } from '../io/lock.ts';
import { type CommandOptions, lastWords, run, versionOf } from './command.ts';
import { inspect } from './inspect.ts';
import { cachedAddons, cacheFolder, checkoutAddon, packageRoot, packageVersion } from './paths.ts';
import {
  type AddonRecord,
  addonName,
  type BuiltAddon,
  jpegName,
  type LibTorch,
  mklName,
  recordName,
} from './record.ts';
import type { Ui } from './ui.ts';

/** Memory in bytes that one compiler process with libtorch's headers needs; limits the number of parallel jobs. */
const bytesPerJob = 1.5e9;
/** Folder of the headers of Node-API and node-addon-api, to which lib/tasks/vendor.ts copies them. */
const headers = join(packageRoot, 'dist/lib/headers');

/** Folders with the declarations of Gloo that libtorch's headers include. */
const gloo = ['', 'common', 'rendezvous', 'transport'].map((name) => join('native/torch/abi/gloo', name));

/**
 * Returns a hash of the sources and the libtorch from which the training addon is built; `setup` rebuilds the addon if the
 * hash changes.
 */
export function fingerprint(libtorch: LibTorch): string {
  const hash = createHash('sha256');
  const { lib, include, version } = libtorch;
  hash.update(JSON.stringify([packageVersion, lib, include, version]));
  const own = ['native/torch', 'native/cmake', ...gloo].map((name) => join(packageRoot, name));
  const folders = [...own, headers];
  const inFolders = folders.flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(folder, entry.name)),
  );
  const node = ['bind.h', 'backing_store.h', 'errors.h'].map((name) => join('native/node', name));
  const bind = ['counts.h', 'code.h', 'fields.h'].map((name) => join('native/bind', name));
  const single = ['CMakeLists.txt', 'native/core.h', ...node, ...bind];
  const files = [...inFolders, ...single.map((name) => join(packageRoot, name))].sort();
  for (const file of files) hash.update(basename(file)).update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

/** Whether an addon was built from the present sources, and from the libtorch that its folder contains now. */
export function isCurrent({ libtorch, fingerprint: of }: AddonRecord): boolean {
  const found = inspect(libtorch.origin, libtorch.lib, libtorch.include); // it may have been upgraded
  return 'libtorch' in found && of === fingerprint(found.libtorch);
}

/**
 * Builds the training addon for a libtorch and stores it with its record, in the checkout or else in the cache, which
 * `npm ci` does not remove. The folder in the cache is named after the libtorch version and the fingerprint.
 *
 * @param lock - remains held while the compiler runs, even if this process is killed
 * @throws Error `ERR_HOROBALL_BUILD` if a tool is missing or the build fails
 */
export async function buildTrainAddon(libtorch: LibTorch, ui: Ui, lock?: Lock): Promise<BuiltAddon> {
  // Computed before the build: a source that changes during the build must not count as built.
  const record: AddonRecord = { libtorch, fingerprint: fingerprint(libtorch) };
  const cached = join(cachedAddons(), `torch-${libtorch.version}-${record.fingerprint}`);
  const folder = await outputFolder(checkoutAddon === undefined ? [cached] : [checkoutAddon, cached]);
  const work = join(dirname(folder), 'work');
  const options = ['-DHOROBALL_CORE=OFF', '-DHOROBALL_TRAIN=ON', ...libtorchOptions(libtorch)];
  await cmake(work, options, 'train', 'training addon', ui, lock);
  const built = await publish(join(work, 'out', addonName), folder, record);
  if (folder === cached) await rm(work, { recursive: true, force: true });
  return built;
}

/** Builds the core, which does not need libtorch, in a folder that lib/locate.ts searches. */
export async function buildCore(ui: Ui, lock?: Lock): Promise<void> {
  const release = join(packageRoot, 'build', 'Release');
  const folder = await outputFolder([release, addonCache(packageVersion)]);
  const work = join(dirname(folder), folder === release ? 'setup' : 'work-core');
  await cmake(work, [`-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${folder}`], 'core', 'core', ui, lock);
}

/** Returns the first writable folder; creates it if it is missing. */
async function outputFolder(folders: readonly string[]): Promise<string> {
  for (const folder of folders) {
    try {
      await ensureFolder(folder);
      await access(folder, constants.W_OK);
      return folder;
    } catch {
      // Tries the next folder.
    }
  }
  throw coded(
    'ERR_HOROBALL_BUILD',
    `[setup] build: expected a writable folder, got ${packageRoot} and ${cacheFolder()}, which are not writable. Set XDG_CACHE_HOME to a writable folder.`,
  );
}

/** Writes the addon and then its record, each atomically; without a record the addon counts as not built. */
async function publish(from: string, folder: string, record: AddonRecord): Promise<BuiltAddon> {
  const [file, recordFile] = [join(folder, addonName), join(folder, recordName)];
  await ensureFolder(folder);
  await copyFile(from, `${file}.partial`); // first, so that the earlier addon stays valid if the disk is full
  await rm(recordFile, { force: true });
  for (const name of [mklName, jpegName]) {
    const [built, library] = [join(dirname(from), name), join(folder, name)];
    await rm(library, { force: true });
    if (!existsSync(built)) continue;
    await copyFile(built, `${library}.partial`);
    await rename(`${library}.partial`, library);
  }
  await rename(`${file}.partial`, file);
  await writeFile(`${recordFile}.partial`, `${JSON.stringify(record, null, 2)}\n`);
  await rename(`${recordFile}.partial`, recordFile);
  return { file, record };
}

/**
 * Returns the option that tells CMake the folder of a libtorch with lib/ and include/. CMake finds a system libtorch without
 * an option.
 */
function libtorchOptions({ lib, include }: LibTorch): string[] {
  const root = dirname(lib);
  return basename(lib) === 'lib' && include === join(root, 'include') ? [`-DLibTorch_ROOT=${root}`] : [];
}

async function cmake(
  work: string,
  options: readonly string[],
  target: string,
  what: string,
  ui: Ui,
  lock?: Lock,
): Promise<void> {
  await requireTools(what);
  // CMake's cache from an earlier configuration would keep the paths of another libtorch.
  await rm(join(work, 'CMakeCache.txt'), { force: true });
  const fixed = ['-DCMAKE_BUILD_TYPE=Release', `-DCMAKE_JS_INC=${headers}`];
  const env = { ...process.env, LIBTORCH: '' };
  const descriptor = lock?.descriptor;
  await step(['-S', packageRoot, '-B', work, ...fixed, ...options], `configuring the ${what}`, ui, {
    env,
    descriptor,
  });
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / bytesPerJob)));
  const build = ['--build', work, '--target', target, '--parallel', String(jobs)];
  await step(build, `building the ${what}`, ui, { env, descriptor, jobs });
}

interface StepOptions extends Pick<CommandOptions, 'descriptor'> {
  env: NodeJS.ProcessEnv;
  /** Number of commands that the build runs in parallel. */
  jobs?: number;
}

async function step(
  args: string[],
  what: string,
  ui: Ui,
  { env, descriptor, jobs = 1 }: StepOptions,
): Promise<void> {
  const errors: string[] = [];
  const progressOf = buildProgress(jobs);
  const onLine = (line: string): void => {
    const made = progressOf(line);
    if (made !== undefined) ui.steps(...made, what);
    if (/\berror\b/i.test(line)) errors.push(line.trim());
  };
  ui.steps(0, 1, what);
  const result = await run('cmake', args, { env, descriptor, onLine });
  if (result.code === 0) return;
  const words = errors[0] ?? lastWords(result);
  throw coded(
    'ERR_HOROBALL_BUILD',
    `[setup] ${what} failed: ${words} (the command: cmake ${args.join(' ')})`,
  );
}

/**
 * Returns a function that reads the completed steps of a build from the output lines of Make (`[ 50%] ...`) or Ninja
 * (`[3/25] ...`); undefined for other lines. Make prints a line when a command starts, Ninja when it ends, so that with Make
 * up to `jobs` of the printed commands are still running.
 */
export function buildProgress(jobs: number): (line: string) => [done: number, total: number] | undefined {
  let command: number | undefined; // percentage that one command adds
  return (line) => {
    const [, percent, done, all] = /^\[ *(?:(\d+)%|(\d+)\/(\d+))\]/.exec(line) ?? [];
    if (done !== undefined) return [Number(done), Number(all)];
    if (percent === undefined) return undefined;
    const started = Number(percent);
    command ??= started;
    const running = line.includes('] Built target') ? 0 : jobs * command;
    return [Math.max(0, started - running), 100];
  };
}

/** Returns the C++ compiler that CMake would select. */
export function compilerName(): string {
  return process.env['CXX'] || 'c++';
}

/** Returns how to install CMake or a C++ compiler on this platform. */
export function installAdvice(tool: 'cmake' | 'compiler'): string {
  const isCmake = tool === 'cmake';
  if (process.platform === 'darwin') return isCmake ? '`brew install cmake`' : '`xcode-select --install`';
  if (process.platform === 'win32')
    return isCmake ? '`winget install Kitware.CMake`' : 'the Visual Studio Build Tools with C++';
  return `on Debian or Ubuntu with \`apt-get install ${isCmake ? 'cmake' : 'g++'}\``;
}

/**
 * Checks that CMake and a C++ compiler are installed.
 * @param what - the component to build, for the error
 * @throws Error `ERR_HOROBALL_BUILD` that names the missing tools and how to install them
 */
export async function requireTools(what: string): Promise<void> {
  const missing: string[] = [];
  if ((await versionOf('cmake')) === undefined) missing.push(`CMake (${installAdvice('cmake')})`);
  if ((await versionOf(compilerName())) === undefined)
    missing.push(`a C++ compiler (${installAdvice('compiler')})`);
  if (missing.length === 0) return;
  const message = `[setup] building the ${what} requires ${missing.join(' and ')}. Install ${missing.length === 1 ? 'it' : 'both'}, then run \`npx horoball setup\`.`;
  throw coded('ERR_HOROBALL_BUILD', message);
}
