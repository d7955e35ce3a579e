import { type Core, type CoreInfo, infoOf } from './call/binding.ts';
import { coded } from './errors.ts';
import { Locator } from './locate.ts';
import { packagesFor } from './platforms.ts';
import { wasmCore } from './wasm/core.ts';
import { nodeHost } from './wasm/node.ts';

export type { Core, CoreInfo, Outcome } from './call/binding.ts';

let loaded: Core | undefined;
let native: Core | undefined;

/**
 * Returns the core, loaded on first use: WebAssembly if `HOROBALL_WASM=1`, otherwise the native binary. If none loads, falls
 * back to WebAssembly unless `HOROBALL_WASM=0` or `HOROBALL_CORE` is set. Throws `ERR_HOROBALL_NO_BINARY` if no core loads,
 * `ERR_HOROBALL_ISA` if `HOROBALL_ISA` names an unsupported level.
 */
export function core(): Core {
  loaded ??= load();
  return loaded;
}

/** Returns the native core, which training and setup require. Throws `ERR_HOROBALL_NO_BINARY` if it does not load. */
export function nativeCore(): Core {
  native ??= usable(open());
  return native;
}

/**
 * Describes the core and this machine.
 *
 * @throws Error `ERR_HOROBALL_NO_BINARY` if no core loads, `ERR_HOROBALL_ISA` if `HOROBALL_ISA` names a level
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

/** Loads Node's modules on demand: importing them statically takes 0.3 to 2 ms each, `fs` the most. */
const builtin = process.getBuiltinModule;

/** Loads the core that `HOROBALL_CORE` names or, if it is not set, the first of the locator's files that loads. */
function open(): Core {
  const locator = new Locator();
  const named = process.env['HOROBALL_CORE'];
  let first: unknown;
  try {
    for (const file of named ? [builtin('node:path').resolve(named)] : locator.native()) {
      try {
        return locator.require(file) as Core;
      } catch (cause) {
        first ??= cause;
      }
    }
  } catch (cause) {
    first ??= cause;
  }
  throw Object.assign(coded('ERR_HOROBALL_NO_BINARY', whyNot(first, named)), { cause: first });
}

/**
 * Loads the WebAssembly core. Warns, once per process, if it replaces the native core, which failed with the error `instead`.
 */
function openWasm(instead?: Error): Core {
  let found: Core;
  try {
    const { wasm, worker } = new Locator().files();
    const bytes = builtin('node:zlib').gunzipSync(builtin('node:fs').readFileSync(wasm));
    found = wasmCore(new WebAssembly.Module(bytes), nodeHost(worker));
  } catch (cause) {
    if (instead !== undefined) throw instead;
    const message = `horoball's WebAssembly core failed to load (${firstLine(cause)}). Unset HOROBALL_WASM to use the native core; in a checkout, run \`npm run build:wasm\`.`;
    throw Object.assign(coded('ERR_HOROBALL_NO_BINARY', message), { cause });
  }
  if (instead !== undefined && builtin('node:worker_threads').isMainThread && isFirst()) {
    const message = `horoball uses its WebAssembly core, which is slower. ${instead.message} HOROBALL_WASM=1 selects WebAssembly without this warning.`;
    process.emitWarning(message, { type: 'HoroballWarning', code: 'HOROBALL_WASM' });
  }
  return found;
}

/**
 * Whether this is the first call in the process. Stores that in `process`, because `horoball` and `horoball/embed` each
 * have an instance of this module.
 */
function isFirst(): boolean {
  const warned = Symbol.for('horoball.warned');
  const state = process as unknown as Record<symbol, boolean>;
  if (state[warned] === true) return false;
  state[warned] = true;
  return true;
}

function firstLine(error: unknown): string {
  const { message = String(error) } = error as { message?: string };
  return message.split('\n', 1)[0]!;
}

function whyNot(cause: unknown, named: string | undefined): string {
  const { code } = (cause ?? {}) as { code?: string };
  const lost = code === 'MODULE_NOT_FOUND';
  const reason = cause === undefined ? `no binary for ${process.platform}-${process.arch}` : firstLine(cause);
  return `horoball's native core failed to load (${reason}). ${named ? adviceOfNamed : lost ? adviceOfBundle : advice()}`;
}

const adviceOfNamed = 'Set HOROBALL_CORE to a file such as core.node in @horoball/core-linux-x64.';
const adviceOfBundle =
  "Keep horoball out of the bundle (in Next.js: serverExternalPackages: ['horoball']) and install it next to the bundle, or set HOROBALL_CORE to the path of its .node file.";

/**
 * Returns advice on how to install the native core. Its package is missing after `npm install --omit=optional`, for
 * example, or if node_modules comes from another platform.
 */
function advice(): string {
  const build = '`npx horoball setup` builds it (requires cmake and a C++20 compiler)';
  const [usual, ...others] = packagesFor(process.platform, process.arch);
  if (usual === undefined) return `No prebuilt core is published for this platform. ${build}.`;
  const also = others.map((name) => ` (with musl: ${name})`).join('');
  return `Run \`npm install ${usual}\`${also}, or ${build.replace('builds', 'to build')}.`;
}
