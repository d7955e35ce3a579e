import { type Core, type CoreInfo, infoOf } from './binding.ts';
import { addonCache } from './cache-folder.ts';
import { coded } from './errors.ts';
import { wasmCore } from './wasm/core.ts';
import { nodeHost } from './wasm/node.ts';

export type { Core, CoreInfo, Outcome } from './binding.ts';

let loaded: Core | undefined;
let native: Core | undefined;

/**
 * The core, loaded on first use: the native binary, or WebAssembly if none fits or `HOROBALL_WASM=1` asks for it. Throws
 * `ERR_HOROBALL_NO_BINARY` if neither loads.
 */
export function core(): Core {
  loaded ??= load();
  return loaded;
}

/** The native core, for what needs it: training, setup. Throws `ERR_HOROBALL_NO_BINARY` if it is not found. */
export function nativeCore(): Core {
  native ??= usable(open());
  return native;
}

/**
 * Describes the core and this machine.
 *
 * @throws Error `ERR_HOROBALL_NO_BINARY` if it is not built, `ERR_HOROBALL_ISA` if `HOROBALL_ISA` names a level
 * that the machine does not support
 * @example
 * const { level, levels, threads } = coreInfo(); // 'avx2', ['baseline', 'avx2'], 8
 * levels.includes(level); // => true
 */
export function coreInfo(): CoreInfo {
  return infoOf(core());
}

/**
 * Resolves once the core is loaded. Browsers compile it asynchronously: await this before the first call there. In other
 * programs it is not needed, because the first call loads the core.
 *
 * @throws Error `ERR_HOROBALL_NO_BINARY` if it does not load
 * @example
 * await ready();
 */
export async function ready(): Promise<void> {
  core();
}

function load(): Core {
  const choice = process.env['HOROBALL_WASM'];
  if (choice === '1') return usable(openWasm());
  try {
    return nativeCore();
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code !== 'ERR_HOROBALL_NO_BINARY' || choice === '0' || process.env['HOROBALL_CORE']) throw error;
    return usable(openWasm(error as Error));
  }
}

function usable(found: Core): Core {
  if (found.cpu.level === null) {
    const levels = found.cpu.levels.join(', ');
    const message = `HOROBALL_ISA=${process.env['HOROBALL_ISA']}: this machine supports ${levels}. Unset it or set it to one of these.`;
    throw coded('ERR_HOROBALL_ISA', message);
  }
  return found;
}

/** Importing Node's modules statically would cost 0.3 to 2 ms each, `fs` the most. */
const builtin = process.getBuiltinModule;

declare const __filename: string;

/**
 * Loads the core named by `HOROBALL_CORE`, the package's own build or prebuilt binary, or the one that `horoball setup` built
 * if the package is read-only.
 */
function open(): Core {
  const { here, require } = ownPlace();
  const named = process.env['HOROBALL_CORE'];
  const ways = named
    ? [() => builtin('node:path').resolve(named)]
    : [() => usual(packageFolder(require, here)), () => chosen(require, here), () => cached(require)];
  let first: unknown;
  for (const way of ways) {
    try {
      return require(way()) as Core;
    } catch (cause) {
      first ??= cause;
    }
  }
  throw Object.assign(coded('ERR_HOROBALL_NO_BINARY', whyNot(first, named)), { cause: first });
}

/** This file's URL, and `require` from there. A CommonJS bundle has a file name, but no URL. */
function ownPlace(): { here: string; require: NodeJS.Require } {
  const here = import.meta.url ?? builtin('node:url').pathToFileURL(__filename).href;
  return { here, require: builtin('node:module').createRequire(here) };
}

/** Loads the WebAssembly core, and says so once if that is because the native one did not load. */
function openWasm(instead?: Error): Core {
  const { join } = builtin('node:path');
  let found: Core;
  try {
    const { here, require } = ownPlace();
    const folder = join(packageFolder(require, here), 'dist/lib');
    const bytes = builtin('node:fs').readFileSync(join(folder, 'horoball.wasm'));
    found = wasmCore(new WebAssembly.Module(bytes), nodeHost(join(folder, 'wasm/worker.js')));
  } catch (cause) {
    if (instead !== undefined) throw instead;
    const message = `horoball's WebAssembly core failed to load (${firstLine(cause)}). Unset HOROBALL_WASM to use the native core; in a checkout, run \`npm run build:wasm\`.`;
    throw Object.assign(coded('ERR_HOROBALL_NO_BINARY', message), { cause });
  }
  if (instead !== undefined && builtin('node:worker_threads').isMainThread) {
    const message = `horoball uses its WebAssembly core, which is slower, because its native core failed to load (${firstLine(instead.cause)}). \`npx horoball setup\` builds the native core; HOROBALL_WASM=1 selects WebAssembly without this warning.`;
    process.emitWarning(message, { type: 'HoroballWarning', code: 'HOROBALL_WASM' });
  }
  return found;
}

function firstLine(error: unknown): string {
  const { message = String(error) } = error as { message?: string };
  return message.split('\n', 1)[0]!;
}

/**
 * Tries the usual names of a build in this checkout and of the published binary for this machine first, because
 * node-gyp-build and the lookup of the package took 4 of the 5 ms until the core was loaded.
 */
function usual(folder: string): string {
  const { join } = builtin('node:path');
  const system = `${process.platform}-${process.arch}`;
  const name = process.platform === 'linux' ? 'horoball.glibc.node' : 'horoball.node';
  const candidates = ['build/Release/core.node', 'build/Debug/core.node', join('prebuilds', system, name)];
  const found = candidates.map((file) => join(folder, file)).find(builtin('node:fs').existsSync);
  if (found === undefined) throw new Error(`no binary for ${system} in ${folder}`);
  return found;
}

/** node-gyp-build handles tags in the file names: another libc, a CPU version. */
function chosen(require: NodeJS.Require, here: string): string {
  const { path } = require('node-gyp-build') as { path(folder: string): string };
  return path(packageFolder(require, here));
}

/** Two folders up; only a bundle has to look up the package by name. */
function packageFolder(require: NodeJS.Require, here: string): string {
  const { dirname, join } = builtin('node:path');
  const above = builtin('node:url').fileURLToPath(new URL('../../', here));
  try {
    const text = builtin('node:fs').readFileSync(join(above, 'package.json'), 'utf8');
    if ((JSON.parse(text) as { name?: unknown }).name === 'horoball') return above;
  } catch {
    // No package there, or a different one.
  }
  return dirname(require.resolve('horoball/package.json'));
}

function cached(require: NodeJS.Require): string {
  const { version } = require('horoball/package.json') as { version: string };
  return builtin('node:path').join(addonCache(version), 'core.node');
}

function whyNot(cause: unknown, named: string | undefined): string {
  const { code } = cause as { code?: string };
  const advice = named
    ? 'Set HOROBALL_CORE to a file such as prebuilds/linux-x64/horoball.glibc.node.'
    : code === 'MODULE_NOT_FOUND'
      ? 'Install the package horoball next to the bundle, or set HOROBALL_CORE to the path of its .node file.'
      : 'Run `npx horoball setup` to build it (requires cmake and a C++20 compiler).';
  return `horoball's native core failed to load (${firstLine(cause)}). ${advice}`;
}
