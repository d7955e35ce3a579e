// The thread that runs the network: the runtimes compute synchronously, which would block the event loop.
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type FromWorker, loading, type ToWorker, type WorkerSetup } from './protocol.ts';

interface OrtTensor {
  readonly data: Float32Array;
}

interface OrtSession {
  run(feeds: Record<string, OrtTensor>, fetches: readonly string[]): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

/** The part of onnxruntime-common that onnxruntime-node and onnxruntime-web export. */
interface Ort {
  readonly env: { readonly wasm: { numThreads?: number } };
  readonly InferenceSession: {
    create(model: string | Uint8Array, options: Record<string, unknown>): Promise<OrtSession>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OrtTensor;
}

const { runtime, url, model, threads, input } = workerData as WorkerSetup;
const port = parentPort as MessagePort;

async function load(): Promise<Ort> {
  const loaded = (await import(url)) as Ort & { default?: Ort };
  return loaded.default ?? loaded;
}

function create(ort: Ort): Promise<OrtSession> {
  const web = runtime === 'onnxruntime-web';
  if (web && threads !== undefined) ort.env.wasm.numThreads = threads;
  return ort.InferenceSession.create(model, {
    executionProviders: [web ? 'wasm' : 'cpu'],
    logSeverityLevel: 3, // errors only
    ...(threads !== undefined && !web && { intraOpNumThreads: threads }),
  });
}

function reply(message: FromWorker, transfer: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

async function answer(ort: Ort, session: OrtSession, message: ToWorker): Promise<void> {
  if (message.type === 'close') {
    await session.release();
    process.exit(); // ends this thread only; Deno cannot close the port
  }
  const { id, data, dims, outputs } = message;
  try {
    const results = await session.run({ [input]: new ort.Tensor('float32', data, dims) }, outputs);
    // Copied, because the runtime owns the memory of its results.
    const rows = outputs.map((name) => new Float32Array(results[name]!.data));
    reply(
      { type: 'rows', id, rows },
      rows.map(({ buffer }) => buffer),
    );
  } catch (error) {
    reply({ type: 'failed', id, message: (error as Error).message });
  }
}

let ort: Ort | undefined;
try {
  const loaded = await load();
  ort = loaded;
  const session = await create(loaded);
  let last = Promise.resolve();
  port.on('message', (message: ToWorker) => {
    last = last.then(() => answer(loaded, session, message));
  });
  reply({ type: 'ready' });
} catch (error) {
  reply({ type: 'failed', id: loading, message: (error as Error).message, unusable: ort === undefined });
}
