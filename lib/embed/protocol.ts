import type { Runtime } from './types.ts';

/** The parameters with which the worker thread (worker.ts) starts. */
export interface WorkerSetup {
  readonly runtime: Runtime;
  /** URL of the runtime's module. */
  readonly url: string;
  /** Path or bytes of the ONNX file. */
  readonly model: string | Uint8Array;
  readonly threads: number | undefined;
  /** Name of the network's input. */
  readonly input: string;
}

/** An array whose memory can be transferred; not `Float32Array<ArrayBuffer>`, which requires TypeScript 5.7. */
export type Planes = Float32Array & { readonly buffer: ArrayBuffer };

/** A request to the thread. */
export type ToWorker =
  | {
      readonly type: 'run';
      readonly id: number;
      readonly data: Float32Array;
      readonly dims: readonly number[];
      readonly outputs: readonly string[];
    }
  | { readonly type: 'close' };

/** The request ID under which the thread reports that it has loaded the network, or that it failed to. */
export const loading = 0;

/**
 * A response of the thread. `unusable`: the runtime itself could not be loaded, so another runtime may work.
 */
export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'rows'; readonly id: number; readonly rows: readonly Planes[] }
  | { readonly type: 'failed'; readonly id: number; readonly message: string; readonly unusable?: boolean };
