// Replaces lib/native.ts in the bundle for browsers, dist/lib/wasm/bundle.js.
import { type Core, type CoreInfo, infoOf } from '../call/binding.ts';
import { coded } from '../errors.ts';
import { wasmCore } from './core.ts';
import type { Answer, WorkerPort } from './jobs.ts';

/** The members of a browser's Worker that are used; this package includes no browser types. */
interface BrowserWorker {
  postMessage(message: unknown, transfer: readonly ArrayBuffer[]): void;
  onmessage: ((event: { data: Answer }) => void) | null;
  onerror: ((event: { message?: string }) => void) | null;
}
declare const Worker: new (url: URL, options: { type: 'module' }) => BrowserWorker;

const maxWorkers = 4;

let loaded: Core | undefined;
let loading: Promise<void> | undefined;

export function ready(): Promise<void> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined; // the next call tries again
    throw error;
  });
  return loading;
}

export function core(): Core {
  if (loaded !== undefined) return loaded;
  throw coded('ERR_HOROBALL_NO_BINARY', 'horoball is not loaded. Await ready() before the first call.');
}

export function coreInfo(): CoreInfo {
  return infoOf(core());
}

async function load(): Promise<void> {
  const url = new URL('../horoball.wasm.gz', import.meta.url);
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    const module = await WebAssembly.compile(await unpacked(await response.arrayBuffer()));
    const { hardwareConcurrency = 1 } =
      (globalThis as { navigator?: { hardwareConcurrency?: number } }).navigator ?? {};
    const workers = Math.min(maxWorkers, hardwareConcurrency);
    loaded = wasmCore(module, { spawn: port, workers, level: undefined });
  } catch (cause) {
    const message = `horoball's WebAssembly core failed to load from ${url} (${(cause as Error).message})`;
    throw Object.assign(coded('ERR_HOROBALL_NO_BINARY', message), { cause });
  }
}

/** Unpacks the core, unless the browser has already done so because of `Content-Encoding: gzip`. */
async function unpacked(bytes: ArrayBuffer): Promise<ArrayBuffer> {
  if (new Uint8Array(bytes)[0] !== 0x1f) return bytes;
  return await new Response(
    new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')),
  ).arrayBuffer();
}

function port(): WorkerPort {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    listen: (onAnswer, onError) => {
      worker.onmessage = ({ data }) => onAnswer(data);
      worker.onerror = ({ message }) => onError(new Error(message ?? 'it did not load'));
    },
    busy: () => {},
  };
}
