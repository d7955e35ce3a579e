import type { Host } from './core.ts';
import type { Answer, ToWorker, WorkerPort } from './jobs.ts';

/** Maximum number of workers: each has its own memory, and concurrent calls compete for the processor. */
const maxWorkers = 4;

/**
 * Returns the environment of the WebAssembly core in Node.
 *
 * @param file - the path of lib/wasm/worker.js
 */
export function nodeHost(file: string): Host {
  const { availableParallelism } = process.getBuiltinModule('node:os');
  const workers = Math.min(maxWorkers, availableParallelism());
  return { spawn: () => port(file), workers, level: process.env['HOROBALL_ISA'] };
}

function port(file: string): WorkerPort {
  const { Worker } = process.getBuiltinModule('node:worker_threads');
  // The options of this process, such as --input-type, may not apply to a file.
  const worker = new Worker(file, { execArgv: [] });
  worker.unref();
  return {
    post: (message: ToWorker, transfer) => worker.postMessage(message, transfer),
    listen: (onAnswer: (answer: Answer) => void, onError) => {
      worker.on('message', onAnswer);
      worker.on('error', onError);
    },
    busy: (isBusy) => {
      if (isBusy) worker.ref();
      else worker.unref();
    },
  };
}
