import { createRequire } from 'node:module';
import { isAbsolute, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type Coded, coded } from '../errors.ts';
import { inputName } from '../onnx/serving.ts';
import { type FromWorker, loading, type Planes, type ToWorker, type WorkerSetup } from './protocol.ts';
import { runtimeFile } from './runtime-files.ts';
import type { Runtime } from './types.ts';

export const runtimes: readonly Runtime[] = ['onnxruntime-node', 'onnxruntime-web'];

interface Pending {
  resolve(rows: readonly Float32Array[]): void;
  reject(error: Error): void;
}

/** Errors of runtimes that are installed but cannot be loaded, for example because they need another C library. */
const unusable = new WeakSet<Error>();

/** A network on a separate thread. */
export class Session {
  readonly runtime: Runtime;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<void>;
  #lastId = 0;
  #state: 'open' | 'closing' | 'ended' = 'open';

  private constructor(runtime: Runtime, worker: Worker) {
    this.runtime = runtime;
    this.#worker = worker;
    worker.on('message', (message: FromWorker) => this.#receive(message));
    this.#ended = new Promise((resolve) => {
      worker.on('error', (error) => this.#fail(failure('embed', runtime, error.message)));
      worker.on('exit', () => {
        this.#state = 'ended'; // also if it crashed: no later request would be answered
        this.#fail(closed());
        resolve();
      });
    });
  }

  /**
   * Loads a network with the first runtime that is installed and can be loaded.
   *
   * @throws Error `ERR_HOROBALL_NO_RUNTIME` if none is installed, `ERR_HOROBALL_RUNTIME` if no installed runtime can be
   * loaded, or if the loaded one rejects the network
   */
  static async open(
    model: string | Uint8Array,
    { runtime, threads }: { runtime?: Runtime | undefined; threads?: number | undefined },
  ): Promise<Session> {
    const wanted = runtime === undefined ? runtimes : [runtime];
    const installed = wanted.flatMap((name) => {
      const url = find(name);
      return url === undefined ? [] : [{ name, url }];
    });
    if (installed.length === 0) throw notInstalled(wanted);
    for (const [i, { name, url }] of installed.entries()) {
      try {
        return await Session.#start({ runtime: name, url, model, threads, input: inputName });
      } catch (error) {
        const next = installed[i + 1];
        if (next === undefined || !unusable.has(error as Error)) throw error;
        process.emitWarning(
          `${(error as Error).message}. Using ${next.name}, which is slower.`,
          'HoroballWarning',
        );
      }
    }
    throw notInstalled(wanted);
  }

  static async #start(setup: WorkerSetup): Promise<Session> {
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: setup, execArgv: [] });
    const session = new Session(setup.runtime, worker);
    try {
      await session.#wait(loading);
      return session;
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  }

  /**
   * Runs the network.
   *
   * @param data - transferred to the thread, so its buffer is detached
   * @param outputs - names of the outputs
   * @returns the values of the outputs, in that order
   */
  run(data: Planes, dims: readonly number[], outputs: readonly string[]): Promise<readonly Float32Array[]> {
    if (this.#state !== 'open') return Promise.reject(closed());
    const id = ++this.#lastId;
    const answer = this.#wait(id);
    this.#send({ type: 'run', id, data, dims, outputs }, [data.buffer]);
    return answer;
  }

  /** Throws `ERR_HOROBALL_CLOSED` if the network was closed or its thread has ended. */
  checkOpen(): void {
    if (this.#state !== 'open') throw closed();
  }

  /** Rejects all pending requests, and ends the thread once it has finished the batches that it has received. */
  async close(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'closing';
      this.#fail(closed());
      this.#worker.ref();
      this.#send({ type: 'close' });
    }
    await this.#ended;
  }

  /**
   * Waits for the response to a request. The thread keeps the process alive only while a request is pending.
   */
  #wait(id: number): Promise<readonly Float32Array[]> {
    this.#worker.ref();
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  #send(message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #receive(message: FromWorker): void {
    const id = message.type === 'ready' ? loading : message.id;
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0 && this.#state === 'open') this.#worker.unref();
    if (message.type === 'failed') {
      const error = failure(id === loading ? 'loadEmbedder' : 'embed', this.runtime, message.message);
      if (message.unusable) unusable.add(error);
      pending?.reject(error);
    } else pending?.resolve(message.type === 'rows' ? message.rows : []);
  }

  #fail(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

/** Returns the URL of a runtime, resolved from this package or the working directory; undefined if not installed. */
function find(runtime: Runtime): string | undefined {
  const ways = [
    () => runtimeFile(runtime),
    () => createRequire(pathToFileURL(join(process.cwd(), 'index.js'))).resolve(runtime),
  ];
  for (const resolve of ways) {
    try {
      const path = resolve();
      // Other values are ignored: a bundler may replace the path with the number or the name of a module.
      if (path !== undefined && isAbsolute(path)) return pathToFileURL(path).href;
    } catch {
      // the package is not installed there
    }
  }
  return undefined;
}

function notInstalled(wanted: readonly Runtime[]): Coded {
  const what = wanted.length > 1 ? 'no ONNX runtime is' : `${wanted[0]} is not`;
  const message = `[loadEmbedder] ${what} installed. Run: npm install ${wanted[0]}. In a bundle or container, check that its files were copied.`;
  return coded('ERR_HOROBALL_NO_RUNTIME', message);
}

function failure(operation: string, runtime: Runtime, message: string): Coded {
  return coded('ERR_HOROBALL_RUNTIME', `[${operation}] ${runtime} failed: ${message.split('\n', 1)[0]}`);
}

function closed(): Coded {
  return coded(
    'ERR_HOROBALL_CLOSED',
    '[embed] embedder: expected an open embedder, got a closed one. Load it again.',
  );
}
