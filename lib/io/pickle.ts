import { type Coded, coded } from '../errors.ts';
import { ByteReader } from './bytes.ts';

/** What a dictionary of a restricted pickle is keyed by. */
export type PickleKey = null | boolean | number | bigint | string;

/**
 * What a restricted pickle holds: scalars, lists and tuples (arrays), dictionaries (maps), bytes, and the objects
 * that the caller's own {@link PickleGlobals} made.
 */
export type PickleValue = PickleKey | Uint8Array | PickleValue[] | PickleDict | PickleObject;

/** Python's dict and OrderedDict. A Map, so that a key called `__proto__` is a key like any other. */
export class PickleDict extends Map<PickleKey, PickleValue> {}

/** Base of all that is neither scalar nor container. */
export abstract class PickleObject {}

/** An object that is all attributes: what the pickle sets on it is kept as its entries. */
export class PickleNamespace extends PickleDict {}

/** A class or function that a pickle may name. `call` runs our code, never the file's. */
export class PickleGlobal extends PickleObject {
  readonly name: string;
  readonly call: (args: PickleValue[]) => PickleValue;

  constructor(name: string, call: (args: PickleValue[]) => PickleValue) {
    super();
    this.name = name;
    this.call = call;
  }
}

export interface PickleGlobals {
  /** The only names, `module.name`, that the pickle may mention. */
  readonly globals: ReadonlyMap<string, PickleGlobal>;
  /** Resolves what the pickle keeps outside itself. */
  persistent(id: PickleValue): PickleValue;
}

/** Steps that a pickle may take: far beyond any checkpoint, and done in well under a second. */
const maxSteps = 2 ** 20;
/** Values that may wait on the stack: a dictionary's come in batches of 1000 pairs. */
const maxStack = 2 ** 16;
const maxDepth = 100;
/** Values that the result may have when each shared part is counted wherever it appears. */
const maxUnfolded = 2 ** 24;
const maxIntegerBytes = 1024;

/** The bytes are not a pickle: `ERR_HOROBALL_FORMAT`. */
export function malformed(what: string): Coded {
  return coded('ERR_HOROBALL_FORMAT', `the pickle is damaged: ${what}`);
}

/** The bytes are a pickle that asks for more than data: `ERR_HOROBALL_PICKLE_REFUSED`. */
export function refused(what: string): Coded {
  return coded(
    'ERR_HOROBALL_PICKLE_REFUSED',
    `${what} is refused: only tensors and plain containers are rebuilt, and nothing in the file is executed`,
  );
}

/**
 * Rebuilds the value that a pickle (protocols 2 to 5) describes, with an explicit list of what it may name.
 *
 * A pickle is a program for a stack machine. This machine has no operation that imports or runs anything: a name
 * outside `allowed.globals` ends the reading. Its work is bounded, and so is the depth of the result.
 *
 * @throws ERR_HOROBALL_PICKLE_REFUSED, naming what was asked for; ERR_HOROBALL_FORMAT for damaged bytes
 */
export function unpickle(bytes: Uint8Array, allowed: PickleGlobals): PickleValue {
  const machine = new Machine(new ByteReader(bytes, malformed), allowed);
  const value = machine.run();
  checkTree(value);
  return value;
}

class Machine {
  readonly input: ByteReader;
  readonly allowed: PickleGlobals;
  readonly memo: Map<number, PickleValue> = new Map();
  /** Where each open mark is in the stack. */
  readonly #marks: number[] = [];
  readonly #stack: PickleValue[] = [];

  constructor(input: ByteReader, allowed: PickleGlobals) {
    this.input = input;
    this.allowed = allowed;
  }

  run(): PickleValue {
    for (let step = 0; step < maxSteps; step++) {
      const code = this.input.u8();
      if (code === stop) return this.pop();
      const operation = operations.get(code);
      if (operation === undefined) throw refused(`pickle operation 0x${code.toString(16).padStart(2, '0')}`);
      operation(this);
    }
    throw refused(`a pickle of more than ${maxSteps} steps`);
  }

  push(value: PickleValue): void {
    if (this.#stack.length >= maxStack) throw refused(`a pickle that needs a stack of over ${maxStack}`);
    this.#stack.push(value);
  }

  pop(): PickleValue {
    const value = this.peek();
    this.#stack.pop();
    return value;
  }

  /** The top of the stack, which must lie above the last mark. */
  peek(): PickleValue {
    const floor = this.#marks.at(-1) ?? 0;
    if (this.#stack.length <= floor) throw malformed('the stack is empty');
    return this.#stack[this.#stack.length - 1] as PickleValue;
  }

  mark(): void {
    if (this.#marks.length >= maxStack) throw refused(`a pickle of over ${maxStack} open marks`);
    this.#marks.push(this.#stack.length);
  }

  /** Takes all values above the last mark, and the mark. */
  popMark(): PickleValue[] {
    const floor = this.#marks.pop();
    if (floor === undefined) throw malformed('a mark is missing');
    return this.#stack.splice(floor);
  }

  /** Takes the last `count` values, first to last. */
  popTuple(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  recall(key: number): void {
    const value = this.memo.get(key);
    if (value === undefined) throw malformed(`memo ${key} was never written`);
    this.push(value);
  }
}

function find(machine: Machine, module: PickleValue, name: PickleValue): void {
  const full = `${String(module)}.${String(name)}`.slice(0, 200);
  const found = machine.allowed.globals.get(full);
  if (found === undefined) throw refused(`'${full}'`);
  machine.push(found);
}

function call(machine: Machine): void {
  const args = machine.pop();
  const callee = machine.pop();
  if (!(callee instanceof PickleGlobal)) throw malformed('a call of something that is not a class');
  if (!Array.isArray(args)) throw malformed(`the arguments of ${callee.name} are not a tuple`);
  machine.push(callee.call(args));
}

/** Attributes: kept for a namespace, dropped for a dictionary (torch hangs `_metadata` on its state dicts). */
function build(machine: Machine): void {
  const state = machine.pop();
  const target = machine.peek();
  if (!(target instanceof PickleDict)) throw refused('setting attributes of an object');
  if (!(state instanceof PickleDict)) throw refused('a state that is not a dictionary');
  if (target instanceof PickleNamespace) for (const [key, value] of state) target.set(key, value);
}

function appendAll(list: PickleValue, values: PickleValue[]): void {
  if (!Array.isArray(list)) throw malformed('appending to something that is not a list');
  for (const value of values) list.push(value);
}

function setAll(dict: PickleValue, pairs: PickleValue[]): void {
  if (!(dict instanceof PickleDict)) throw malformed('setting an item of something that is not a dictionary');
  if (pairs.length % 2 !== 0) throw malformed('a key without a value');
  for (let i = 0; i < pairs.length; i += 2) {
    const key = pairs[i] as PickleValue;
    if (key !== null && typeof key === 'object')
      throw refused('a dictionary key that is neither text nor number');
    dict.set(key, pairs[i + 1] as PickleValue);
  }
}

/** A signed little-endian integer of any length; a number where that is exact. */
function integer(bytes: Uint8Array): number | bigint {
  if (bytes.length > maxIntegerBytes) throw refused(`an integer of ${bytes.length} bytes`);
  if (bytes.length === 0) return 0;
  const hex = Buffer.from(bytes).reverse().toString('hex');
  const value = BigInt.asIntN(8 * bytes.length, BigInt(`0x${hex}`));
  const short = Number(value);
  return Number.isSafeInteger(short) ? short : value;
}

const stop = 0x2e;

/** Every operation that this machine knows, by its code; the names are those of Python's pickletools. */
const operations: ReadonlyMap<number, (m: Machine) => void> = new Map<number, (m: Machine) => void>([
  [0x80, (m) => checkProtocol(m.input.u8())], // PROTO
  [0x95, (m) => void m.input.take(8)], // FRAME: its length only helps streams
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => void m.pop()], // POP
  [0x31, (m) => void m.popMark()], // POP_MARK
  [0x32, (m) => m.push(m.peek())], // DUP
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.input.i32())], // BININT
  [0x4b, (m) => m.push(m.input.u8())], // BININT1
  [0x4d, (m) => m.push(m.input.u16())], // BININT2
  [0x8a, (m) => m.push(integer(m.input.take(m.input.u8())))], // LONG1
  [0x8b, (m) => m.push(integer(m.input.take(m.input.u32())))], // LONG4
  [0x47, (m) => m.push(m.input.f64BigEndian())], // BINFLOAT
  [0x58, (m) => m.push(m.input.text(m.input.u32()))], // BINUNICODE
  [0x8c, (m) => m.push(m.input.text(m.input.u8()))], // SHORT_BINUNICODE
  [0x8d, (m) => m.push(m.input.text(m.input.u64()))], // BINUNICODE8
  [0x42, (m) => m.push(m.input.take(m.input.u32()))], // BINBYTES
  [0x43, (m) => m.push(m.input.take(m.input.u8()))], // SHORT_BINBYTES
  [0x29, (m) => m.push([])], // EMPTY_TUPLE
  [0x85, (m) => m.push(m.popTuple(1))], // TUPLE1
  [0x86, (m) => m.push(m.popTuple(2))], // TUPLE2
  [0x87, (m) => m.push(m.popTuple(3))], // TUPLE3
  [0x74, (m) => m.push(m.popMark())], // TUPLE
  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x61, (m) => appendOne(m)], // APPEND
  [0x65, (m) => appendMarked(m)], // APPENDS
  [0x7d, (m) => m.push(new PickleDict())], // EMPTY_DICT
  [0x73, (m) => setOne(m)], // SETITEM
  [0x75, (m) => setMarked(m)], // SETITEMS
  [0x63, (m) => find(m, m.input.line(), m.input.line())], // GLOBAL
  [0x93, (m) => find(m, ...(m.popTuple(2) as [PickleValue, PickleValue]))], // STACK_GLOBAL
  [0x52, (m) => call(m)], // REDUCE
  [0x81, (m) => call(m)], // NEWOBJ
  [0x62, (m) => build(m)], // BUILD
  [0x71, (m) => void m.memo.set(m.input.u8(), m.peek())], // BINPUT
  [0x72, (m) => void m.memo.set(m.input.u32(), m.peek())], // LONG_BINPUT
  [0x94, (m) => void m.memo.set(m.memo.size, m.peek())], // MEMOIZE
  [0x68, (m) => m.recall(m.input.u8())], // BINGET
  [0x6a, (m) => m.recall(m.input.u32())], // LONG_BINGET
  [0x51, (m) => m.push(m.allowed.persistent(m.pop()))], // BINPERSID
]);

function checkProtocol(version: number): void {
  if (version < 2 || version > 5) throw refused(`pickle protocol ${version}`);
}

function appendOne(m: Machine): void {
  const value = m.pop();
  appendAll(m.peek(), [value]);
}

function appendMarked(m: Machine): void {
  const values = m.popMark();
  appendAll(m.peek(), values);
}

function setOne(m: Machine): void {
  const pair = m.popTuple(2);
  setAll(m.peek(), pair);
}

function setMarked(m: Machine): void {
  const pairs = m.popMark();
  setAll(m.peek(), pairs);
}

/** Refuses what would hang or overflow whoever walks the result: cycles, great depth, parts shared exponentially. */
function checkTree(root: PickleValue): void {
  const sizes = new Map<PickleValue, number>();
  const open = new Set<PickleValue>();
  const path: { node: PickleValue; rest: Iterator<PickleValue>; size: number }[] = [];
  const enter = (node: PickleValue): number => {
    if (!Array.isArray(node) && !(node instanceof PickleDict)) return 1;
    const known = sizes.get(node);
    if (known !== undefined) return known;
    if (open.has(node)) throw refused('a container that holds itself');
    if (path.length >= maxDepth) throw refused(`nesting deeper than ${maxDepth}`);
    open.add(node);
    path.push({ node, rest: node.values(), size: 1 });
    return 0;
  };
  enter(root);
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const next = top.rest.next();
    if (!next.done) {
      top.size += enter(next.value);
    } else {
      path.pop();
      open.delete(top.node);
      sizes.set(top.node, top.size);
      const parent = path.at(-1);
      if (parent !== undefined) parent.size += top.size;
    }
    if (top.size > maxUnfolded) throw refused(`a pickle that unfolds to more than ${maxUnfolded} values`);
  }
}
