import { coded, type ErrorCode } from '../errors.ts';

/** The exports of native/wasm/core.cc. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  allocate(bytes: number): number;
  release(address: number): void;
  function_name(index: number): number;
  function_outputs(index: number): number;
  call(index: number, slots: number, count: number, cancellable: number): number;
  error_code(): number;
  error_message(): number;
  call_buffer_data(): number;
  call_buffer_count(): number;
  short_data(): number;
  row_call_name(index: number): number;
  calls(): number;
  row_cards(): number;
  head_cards(): number;
  metric_cards(): number;
  geometry_cards(): number;
  loss_cards(): number;
  logit_parameters(): number;
  level(): number;
}

/** The exports that return a string. */
type Text =
  | 'calls'
  | 'row_cards'
  | 'head_cards'
  | 'metric_cards'
  | 'geometry_cards'
  | 'loss_cards'
  | 'logit_parameters'
  | 'level';

/** A typed array that the core reads or writes. */
export type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array;

/** The constructors of these arrays, by name. */
export const constructors: Readonly<Record<string, new (values: number | Numbers) => Numbers>> = {
  Float32Array,
  Float64Array,
  Int32Array,
  Uint8Array,
};

/** A function of the core: its index, and the indices of the arguments that it writes. */
export interface WasmFunction {
  readonly index: number;
  readonly outputs: ReadonlySet<number>;
}

/** The kinds of arguments, as in native/wasm/arguments.h. */
const kinds = { number: 0, boolean: 1, null: 2, undefined: 3, array: 8, other: 9 } as const;
const arrayKinds: Readonly<Record<string, number>> = {
  Float32Array: 4,
  Float64Array: 5,
  Int32Array: 6,
  Uint8Array: 7,
};
const slotBytes = 16;

/** An instance with more memory than this is replaced after the call, because its memory never shrinks. */
const maxKeptBytes = 256 << 20;

const roundUp = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** A typed array of a call, at its address in the instance. */
interface CopiedArray {
  readonly array: Numbers;
  readonly offset: number;
  reads: boolean;
  writes: boolean;
}

/** One instance of the core, on one thread. */
export class Instance {
  readonly #module: WebAssembly.Module;
  readonly #canceled: () => number;
  #exports: Exports;
  readonly functions: ReadonlyMap<string, WasmFunction>;
  #callBuffer: Float64Array | undefined;

  /** @param canceled - returns 1 if the running call is canceled; called between its tiles (blocks of rows) */
  constructor(module: WebAssembly.Module, canceled: () => number) {
    this.#module = module;
    this.#canceled = canceled;
    this.#exports = this.#start();
    this.functions = this.#functions();
  }

  text(name: Text): string {
    return this.#string(this.#exports[name]());
  }

  /** The array that short calls read and write. Growing the memory detaches it; it is then created again. */
  get callBuffer(): Float64Array {
    if (this.#callBuffer === undefined || this.#callBuffer.length === 0) {
      const { memory } = this.#exports;
      const address = this.#exports.call_buffer_data();
      this.#callBuffer = new Float64Array(memory.buffer, address, this.#exports.call_buffer_count());
    }
    return this.#callBuffer;
  }

  get shortData(): number {
    return this.#exports.short_data();
  }

  /** The names of the numeric arguments of a row-wise call. */
  get rowCall(): readonly string[] {
    return this.#list((index) => this.#exports.row_call_name(index));
  }

  /**
   * Runs a function on this thread. Arrays are copied to the instance, and outputs are copied back.
   *
   * @throws Error with the codes of the native core
   */
  call({ index, outputs }: WasmFunction, args: readonly unknown[], cancellable: boolean): void {
    if (args.length === 0) {
      this.#run(index, 0, 0, false); // a short call, whose numbers are in the call buffer
      return;
    }
    const { copies, bytes } = layOut(args, outputs);
    const exports = this.#exports;
    // Addresses are unsigned 32-bit integers, but WebAssembly returns signed ones.
    const base = bytes < 2 ** 32 ? exports.allocate(bytes) >>> 0 : 0;
    if (base === 0) throw outOfMemory(bytes);
    try {
      this.#write(args, copies, base);
      this.#run(index, base, args.length, cancellable);
      this.#readBack(copies, base);
    } finally {
      if (this.#exports === exports) exports.release(base);
      if (this.#exports.memory.buffer.byteLength > maxKeptBytes) this.#renew();
    }
  }

  #write(args: readonly unknown[], copies: readonly (CopiedArray | undefined)[], base: number): void {
    const { buffer } = this.#exports.memory;
    const slots = new DataView(buffer, base, args.length * slotBytes);
    for (let i = 0; i < args.length; ++i) {
      const value = args[i];
      const copied = copies[i];
      const at = i * slotBytes;
      if (copied === undefined) {
        slots.setFloat64(at, typeof value === 'number' ? value : Number(value === true), true);
        slots.setInt32(at + 8, kindOf(value), true);
        continue;
      }
      const { array, offset } = copied;
      slots.setFloat64(at, array.length === 0 ? 0 : base + offset, true);
      slots.setInt32(at + 8, arrayKinds[array[Symbol.toStringTag]] as number, true);
      slots.setUint32(at + 12, array.length, true);
      // A detached array has length 0, which the core refuses.
      if (copied.reads && array.length > 0) new Uint8Array(buffer, base + offset).set(bytesOf(array));
      copied.reads = false; // an array that is given twice is copied once
    }
  }

  #run(index: number, slots: number, count: number, cancellable: boolean): void {
    let trap: unknown;
    try {
      if (this.#exports.call(index, slots, count, Number(cancellable)) !== 0) return;
    } catch (cause) {
      trap = cause;
    }
    const code = this.#string(this.#exports.error_code()) as ErrorCode | '';
    const message = this.#string(this.#exports.error_message());
    if (trap !== undefined) this.#renew();
    if (code === '') throw trap;
    throw code === 'ERR_HOROBALL_TYPE' ? coded(code, message, TypeError) : coded(code, message);
  }

  #readBack(copies: readonly (CopiedArray | undefined)[], base: number): void {
    const { buffer } = this.#exports.memory;
    for (const copied of copies) {
      if (!copied?.writes || copied.array.length === 0) continue;
      const { array, offset } = copied;
      bytesOf(array).set(new Uint8Array(buffer, base + offset, array.byteLength));
      copied.writes = false;
    }
  }

  /** Replaces the instance: a trap leaves it in an unknown state, and its memory never shrinks. */
  #renew(): void {
    this.#exports = this.#start();
    this.#callBuffer = undefined;
  }

  #start(): Exports {
    const imports = { horoball: { cancelled: this.#canceled } };
    const exports = new WebAssembly.Instance(this.#module, imports).exports as unknown as Exports;
    exports._initialize();
    return exports;
  }

  #functions(): ReadonlyMap<string, WasmFunction> {
    const names = this.#list((index) => this.#exports.function_name(index));
    return new Map(
      names.map((name, index) => [name, { index, outputs: bitsOf(this.#exports.function_outputs(index)) }]),
    );
  }

  #list(addressOf: (index: number) => number): string[] {
    const list: string[] = [];
    for (let address = addressOf(0); address !== 0; address = addressOf(list.length)) {
      list.push(this.#string(address));
    }
    return list;
  }

  #string(address: number): string {
    const bytes = new Uint8Array(this.#exports.memory.buffer, address);
    return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
  }
}

/** Returns the indices of the set bits of an integer of at most 53 bits. */
function bitsOf(bits: number): ReadonlySet<number> {
  const set = new Set<number>();
  for (let index = 0; bits >= 2 ** index; ++index)
    if (Math.floor(bits / 2 ** index) % 2 === 1) set.add(index);
  return set;
}

/** Assigns an address to each array of a call, after the argument slots; an array that is given twice gets one address. */
function layOut(
  args: readonly unknown[],
  outputs: ReadonlySet<number>,
): { copies: readonly (CopiedArray | undefined)[]; bytes: number } {
  let bytes = roundUp(args.length * slotBytes);
  const copies = new Array<CopiedArray | undefined>(args.length);
  for (let i = 0; i < args.length; ++i) {
    const array = args[i];
    if (!isNumbers(array)) continue;
    let copied = copies.find((other) => other !== undefined && isSame(other.array, array));
    if (copied === undefined) {
      copied = { array, offset: bytes, reads: false, writes: false };
      bytes += roundUp(array.byteLength);
    }
    copied[outputs.has(i) ? 'writes' : 'reads'] = true;
    copies[i] = copied;
  }
  return { copies, bytes };
}

/** Whether two arrays are views of the same type on the same memory. */
export function isSame(a: Numbers, b: Numbers): boolean {
  return (
    a === b ||
    (a.buffer === b.buffer &&
      a.byteOffset === b.byteOffset &&
      a.length === b.length &&
      a[Symbol.toStringTag] === b[Symbol.toStringTag])
  );
}

/** Whether a value is a typed array that the core accepts. */
export function isNumbers(value: unknown): value is Numbers {
  return ArrayBuffer.isView(value) && (value as Numbers)[Symbol.toStringTag] in arrayKinds;
}

function kindOf(value: unknown): number {
  if (typeof value === 'number') return kinds.number;
  if (typeof value === 'boolean') return kinds.boolean;
  if (value === null) return kinds.null;
  if (value === undefined) return kinds.undefined;
  return ArrayBuffer.isView(value) ? kinds.array : kinds.other;
}

const bytesOf = (array: Numbers): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Returns the error of a call whose arrays do not fit in memory. */
export function outOfMemory(bytes: number): Error {
  return coded('ERR_HOROBALL_MEMORY', `could not allocate ${bytes} bytes`);
}
