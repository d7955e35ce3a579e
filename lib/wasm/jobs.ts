import { coded, type ErrorCode } from '../errors.ts';
import { constructors, isNumbers, isSame, type Numbers, outOfMemory, type WasmFunction } from './instance.ts';

/** A worker of either Node or a browser. */
export interface WorkerPort {
  post(message: ToWorker, transfer: readonly ArrayBuffer[]): void;
  /** Registers callbacks for the answer to each call, and for a failure of the worker. */
  listen(onAnswer: (answer: Answer) => void, onError: (error: Error) => void): void;
  /** Marks the worker as busy or idle: a busy worker keeps the process alive, an idle one does not. */
  busy(isBusy: boolean): void;
}

/** The type and length of an array that is only written: the worker creates it, so it need not be sent. */
export interface ArraySpec {
  readonly type: string;
  readonly length: number;
}

/** A message to a worker: the module at the start, then calls. */
export type ToWorker =
  | { readonly module: WebAssembly.Module; readonly flag: Int32Array | undefined }
  | { readonly name: string; readonly args: readonly unknown[]; readonly outputs: readonly number[] };

/** A message from a worker after a call: the arrays that were written, or an error. */
export type Answer =
  | { readonly written: readonly Numbers[] }
  | { readonly code: ErrorCode | undefined; readonly message: string; readonly isType: boolean };

interface Job {
  readonly number: number;
  /** Whether its promise has already been rejected. */
  isCanceled?: boolean;
  readonly message: ToWorker;
  readonly transfer: readonly ArrayBuffer[];
  readonly finish: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

interface WorkerSlot {
  readonly port: WorkerPort;
  /** Set to 1 to cancel the running call; undefined if memory cannot be shared. */
  readonly flag: Int32Array | undefined;
  job: Job | undefined;
}

/** Runs calls in workers, each with its own instance of the core. */
export class Jobs {
  readonly #module: WebAssembly.Module;
  readonly #spawn: () => WorkerPort;
  readonly #maxWorkers: number;
  readonly #slots: WorkerSlot[] = [];
  readonly #waiting: Job[] = [];

  /** @param maxWorkers - maximum number of workers, which are started when they are needed */
  constructor(module: WebAssembly.Module, spawn: () => WorkerPort, maxWorkers: number) {
    this.#module = module;
    this.#spawn = spawn;
    this.#maxWorkers = maxWorkers;
  }

  /** Runs a call in a worker. The arrays that it writes are filled before the promise resolves. */
  run(name: string, { outputs }: WasmFunction, args: readonly unknown[], number: number): Promise<undefined> {
    const arrays = args.filter(isNumbers);
    for (const { buffer } of arrays) requireFixed(buffer);
    const lengths = arrays.map(({ length }) => length);
    const { message, transfer, targets } = copied(name, args, outputs);
    return new Promise((resolve, reject) => {
      const finish = (answer: Answer): void => {
        if ('code' in answer) {
          reject(errorOf(answer));
        } else if (arrays.some(({ length }, i) => length !== lengths[i])) {
          reject(moved());
        } else {
          answer.written.forEach((numbers, i) => {
            (targets[i] as Float64Array).set(numbers as Float64Array);
          });
          resolve(undefined);
        }
      };
      this.#waiting.push({ number, message, transfer, finish, reject });
      this.#next();
    });
  }

  /**
   * Rejects a call immediately. The worker, which has its own copies, stops at the next block of rows if memory can be
   * shared.
   */
  cancel(number: number): void {
    const at = this.#waiting.findIndex((job) => job.number === number);
    const slot = this.#slots.find(({ job }) => job?.number === number);
    const job = at >= 0 ? this.#waiting.splice(at, 1)[0] : slot?.job;
    if (job === undefined) return;
    job.isCanceled = true;
    job.reject(coded('ERR_HOROBALL_CANCELLED', ''));
    if (slot?.flag !== undefined) Atomics.store(slot.flag, 0, 1);
  }

  #next(): void {
    const job = this.#waiting[0];
    if (job === undefined) return;
    const slot = this.#slots.find((each) => each.job === undefined) ?? this.#opened();
    if (slot === undefined) return;
    this.#waiting.shift();
    slot.job = job;
    if (slot.flag !== undefined) Atomics.store(slot.flag, 0, 0);
    slot.port.busy(true);
    slot.port.post(job.message, job.transfer);
  }

  /**
   * Like {@link #open}, but if a worker cannot be started, leaves waiting calls to the running workers, and rejects them if
   * there are none. A browser refuses, for example, to start a worker from another origin.
   */
  #opened(): WorkerSlot | undefined {
    try {
      return this.#open();
    } catch (error) {
      if (this.#slots.length === 0)
        for (const { reject } of this.#waiting.splice(0)) reject(workerFailed(error as Error));
      return undefined;
    }
  }

  #open(): WorkerSlot | undefined {
    if (this.#slots.length >= this.#maxWorkers) return undefined;
    const port = this.#spawn();
    const flag = sharedFlag();
    const slot: WorkerSlot = { port, flag, job: undefined };
    const ended = (): Job | undefined => {
      const { job } = slot;
      slot.job = undefined;
      port.busy(false);
      return job;
    };
    port.listen(
      (answer) => {
        const job = ended();
        if (job?.isCanceled !== true) job?.finish(answer);
        this.#next();
      },
      (error) => {
        this.#slots.splice(this.#slots.indexOf(slot), 1);
        ended()?.reject(workerFailed(error));
        this.#next();
      },
    );
    port.post({ module: this.#module, flag }, []);
    this.#slots.push(slot);
    return slot;
  }
}

function workerFailed(cause: Error): Error {
  const message = `the worker of the WebAssembly core failed: ${cause.message}`;
  return Object.assign(coded('ERR_HOROBALL_UNSUPPORTED', message), { cause });
}

function sharedFlag(): Int32Array | undefined {
  return typeof SharedArrayBuffer === 'undefined' ? undefined : new Int32Array(new SharedArrayBuffer(4));
}

/** Returns the message for a call, with copies of its arrays: transferring the caller's arrays would detach them. */
function copied(
  name: string,
  args: readonly unknown[],
  outputs: ReadonlySet<number>,
): { message: ToWorker; transfer: ArrayBuffer[]; targets: Numbers[] } {
  const copies: { array: Numbers; copy: Numbers | ArraySpec }[] = [];
  const written: number[] = [];
  const targets: Numbers[] = [];
  const isRead = (array: Numbers): boolean =>
    args.some((other, i) => !outputs.has(i) && isNumbers(other) && isSame(other, array));
  const toSend = args.map((array, i) => {
    if (!isNumbers(array)) return array;
    if (outputs.has(i)) {
      written.push(i);
      targets.push(array);
    }
    let same = copies.find((each) => isSame(each.array, array));
    if (same === undefined) {
      const copy = isRead(array) ? copyOf(array) : { type: array[Symbol.toStringTag], length: array.length };
      same = { array, copy };
      copies.push(same);
    }
    return same.copy;
  });
  const transfer = copies.flatMap(({ copy }) => ('type' in copy ? [] : [copy.buffer as ArrayBuffer]));
  return { message: { name, args: toSend, outputs: written }, transfer, targets };
}

function copyOf(array: Numbers): Numbers {
  try {
    // A Buffer's slice() would share memory, and its constructor is deprecated.
    return new constructors[array[Symbol.toStringTag]]!(array);
  } catch {
    throw outOfMemory(array.byteLength);
  }
}

/** Reads `resizable` with the prototype's getter, because a buffer's own property may hide it. */
const isResizable = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'resizable')?.get;

function requireFixed(buffer: ArrayBufferLike): void {
  if (!(buffer instanceof ArrayBuffer) || isResizable?.call(buffer) !== true) return;
  throw coded('ERR_HOROBALL_TYPE', 'expected buffers of fixed length, got a resizable one', TypeError);
}

function moved(): Error {
  const message = 'a buffer was transferred or resized while a call was using it';
  return coded('ERR_HOROBALL_DETACHED', message, TypeError);
}

function errorOf({ code, message, isType }: Extract<Answer, { message: string }>): Error {
  if (code === undefined) return new Error(message);
  return isType ? coded(code, message, TypeError) : coded(code, message);
}
