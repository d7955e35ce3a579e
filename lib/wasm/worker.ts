// The entry point of a worker, in Node or a browser. Each worker runs calls on its own instance of the core.
import type { ErrorCode } from '../errors.ts';
import { constructors, Instance, isNumbers, type Numbers } from './instance.ts';
import type { Answer, ArraySpec, ToWorker } from './jobs.ts';

/** The members that the port of a worker in Node and the global scope of a worker in a browser share. */
interface Port {
  postMessage(message: Answer, transfer: readonly ArrayBuffer[]): void;
}
interface Scope extends Port {
  onmessage: ((event: { data: ToWorker }) => void) | null;
}

let instance: Instance | undefined;

function receive(message: ToWorker, port: Port): void {
  if ('module' in message) {
    const { flag } = message;
    instance = new Instance(message.module, () => (flag === undefined ? 0 : Atomics.load(flag, 0)));
    return;
  }
  try {
    const args = withCreated(message.args);
    instance!.call(instance!.functions.get(message.name)!, args, true);
    const written = message.outputs.map((index) => args[index] as Numbers);
    const transfer = new Set(written.map(({ buffer }) => buffer as ArrayBuffer));
    port.postMessage({ written }, [...transfer]);
  } catch (error) {
    port.postMessage(answerOf(error), []);
  }
}

/** Returns the arguments, with a new array in place of each `ArraySpec`. */
function withCreated(args: readonly unknown[]): unknown[] {
  const made = new Map<unknown, Numbers>();
  return args.map((each) => {
    if (each === null || typeof each !== 'object' || isNumbers(each) || !('type' in each)) return each;
    const { type, length } = each as ArraySpec;
    const array = made.get(each) ?? new constructors[type]!(length);
    made.set(each, array);
    return array;
  });
}

function answerOf(error: unknown): Answer {
  const { code, message } = error as { code?: ErrorCode; message: string };
  const isMemory = error instanceof RangeError && code === undefined;
  return {
    code: isMemory ? 'ERR_HOROBALL_MEMORY' : code,
    message: isMemory ? `could not allocate the arrays of the call (${message})` : message,
    isType: error instanceof TypeError,
  };
}

const scope = globalThis as unknown as Scope & { process?: typeof process };
const parent = scope.process?.getBuiltinModule?.('node:worker_threads').parentPort;
if (parent) parent.on('message', (message: ToWorker) => receive(message, parent as unknown as Port));
else scope.onmessage = ({ data }) => receive(data, scope);
