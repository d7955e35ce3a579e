import { ByteReader } from './bytes.ts';
import { checkTree } from './pickle-tree.ts';
import {
  executes,
  malformed,
  PickleDict,
  PickleGlobal,
  type PickleGlobals,
  type PickleKey,
  PickleNamespace,
  PickleObject,
  PickleOpaque,
  type PickleValue,
  refused,
  unsupported,
} from './pickle-values.ts';

export {
  PickleDict,
  PickleGlobal,
  type PickleGlobals,
  type PickleKey,
  PickleNamespace,
  PickleObject,
  PickleOpaque,
  type PickleValue,
} from './pickle-values.ts';

/** Maximum number of steps of a pickle. `torch.save` writes 30 to 40 per tensor, so this is enough for 13,000 tensors. */
const maxSteps = 2 ** 19;
/**
 * Maximum number of values on the stack: far more than writers need, because they add dictionary entries in batches of
 * 1000 pairs.
 */
const maxStack = 2 ** 16;
const maxIntegerBytes = 1024;
/** Maximum length of the names of modules and classes. */
const maxName = 1000;
/**
 * Maximum number of keys that are numbers other than small integers. V8 hashes numbers without a seed, so a file could
 * choose many large numbers with equal hashes, all of which each lookup would have to compare.
 */
const maxLargeKeys = 2 ** 11;
const smallKey = 2 ** 20;

/**
 * Reconstructs the value that a pickle (protocols 2 to 5) describes, with an explicit list of permitted
 * names.
 *
 * A pickle is a program for a stack machine. This machine has no instruction that imports or runs code: a
 * name outside `allowed.globals` becomes a {@link PickleOpaque}, which is never called, or is refused if it
 * could execute something in Python. The amount of work and the depth of the result are bounded.
 *
 * @throws ERR_HOROBALL_PICKLE_REFUSED, with the requested name; ERR_HOROBALL_FORMAT for damaged bytes
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
  readonly #memo: PickleValue[] = [];
  #memoized = 0;
  #steps = 0;
  #largeKeys = 0;
  /** The height of the stack at each open mark. */
  readonly #marks: number[] = [];
  readonly #stack: PickleValue[] = [];

  constructor(input: ByteReader, allowed: PickleGlobals) {
    this.input = input;
    this.allowed = allowed;
  }

  run(): PickleValue {
    for (;;) {
      const code = this.input.u8();
      if (code === stop) return this.pop();
      this.charge(1);
      const operation = operations[code];
      if (operation === undefined)
        throw unsupported(`pickle operation 0x${code.toString(16).padStart(2, '0')} is not supported`);
      operation(this);
    }
  }

  /** Counts steps, and the work of instructions whose cost grows with their operands. */
  readonly charge = (work: number): void => {
    this.#steps += work;
    if (this.#steps > maxSteps) throw unsupported(`a pickle of more than ${maxSteps} steps is not supported`);
  };

  push(value: PickleValue): void {
    if (this.#stack.length >= maxStack)
      throw unsupported(`a pickle that needs a stack of over ${maxStack} values is not supported`);
    this.#stack.push(value);
  }

  pop(): PickleValue {
    const value = this.peek();
    this.#stack.pop();
    return value;
  }

  /** Returns the top of the stack, which must be above the last mark. */
  peek(): PickleValue {
    const floor = this.#marks.at(-1) ?? 0;
    if (this.#stack.length <= floor) throw malformed('the stack is empty');
    return this.#stack[this.#stack.length - 1] as PickleValue;
  }

  mark(): void {
    if (this.#marks.length >= maxStack)
      throw unsupported(`a pickle of over ${maxStack} open marks is not supported`);
    this.#marks.push(this.#stack.length);
  }

  /** Removes and returns all values above the last mark, and removes the mark. */
  popMark(): PickleValue[] {
    const floor = this.#marks.pop();
    if (floor === undefined) throw malformed('a mark is missing');
    return this.#stack.splice(floor);
  }

  /** Removes and returns the last `count` values, in order. */
  popTuple(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  /**
   * Stores the top of the stack in the memo. Writers number memo entries consecutively, so in a pickle of at most
   * `maxSteps` steps each index is below `maxSteps`.
   */
  memoize(key = this.#memoized): void {
    if (key >= maxSteps)
      throw unsupported(`a memo index of ${key} is not supported (the limit is ${maxSteps - 1})`);
    if (this.#memo[key] === undefined) this.#memoized++;
    this.#memo[key] = this.peek();
  }

  recall(key: number): void {
    const value = this.#memo[key];
    if (value === undefined) throw malformed(`memo ${key} was never written`);
    this.push(value);
  }

  /**
   * Converts a value to a dictionary key: objects other than strings and numbers are compared by identity.
   */
  key(value: PickleValue): PickleKey {
    if (value instanceof PickleObject) return value;
    if (value !== null && typeof value === 'object') return new PickleOpaque('a key that is not text');
    const small = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < smallKey;
    if (
      (typeof value === 'number' || typeof value === 'bigint') &&
      !small &&
      ++this.#largeKeys > maxLargeKeys
    )
      throw unsupported(`a pickle of over ${maxLargeKeys} large numbers as keys is not supported`);
    return value;
  }
}

function find(machine: Machine, module: PickleValue, name: PickleValue): void {
  if (typeof module !== 'string' || typeof name !== 'string')
    throw malformed('a class whose name is not text');
  if (module.length > maxName || name.length > maxName) throw malformed('a class with an overlong name');
  const full = `${module}.${name}`;
  machine.charge(full.length >> 4); // charged because it is hashed
  const found = machine.allowed.globals.get(full);
  if (found === undefined && executes(module, name)) throw refused(`'${full}'`);
  machine.push(found ?? new PickleOpaque(full));
}

function call(machine: Machine): void {
  const args = machine.pop();
  const callee = machine.pop();
  machine.push(resultOf(machine, callee, args));
}

/** Returns the result of calling one of horoball's own functions, or an opaque value if the callee is unknown. */
function resultOf(machine: Machine, callee: PickleValue, args: PickleValue): PickleValue {
  if (callee instanceof PickleOpaque) return new PickleOpaque(callee.name);
  if (!(callee instanceof PickleGlobal)) throw malformed('a call of something that is not a class');
  if (!Array.isArray(args)) throw malformed(`the arguments of ${callee.name} are not a tuple`);
  return callee.call(args, machine.charge);
}

/** NEWOBJ_EX: calls a class with positional arguments. Keyword arguments are rejected, unless the class is unknown. */
function callWithKeywords(machine: Machine): void {
  const keywords = machine.pop();
  const args = machine.pop();
  const callee = machine.pop();
  const isEmpty = keywords instanceof PickleDict && keywords.size === 0;
  if (!isEmpty && callee instanceof PickleGlobal) throw refused('an object created with keyword arguments');
  machine.push(resultOf(machine, callee, args));
}

/**
 * Sets attributes. Those of a namespace are kept, others are dropped (torch attaches `_metadata` to its state dicts).
 */
function build(machine: Machine): void {
  const state = machine.pop();
  const target = machine.peek();
  if (target instanceof PickleOpaque) return;
  if (!(target instanceof PickleDict)) throw refused('setting attributes of an object');
  if (!(target instanceof PickleNamespace)) return;
  if (!(state instanceof PickleDict)) throw refused('a state that is not a dictionary');
  machine.charge(state.size);
  for (const [key, value] of state) target.set(key, value);
}

function appendAll(list: PickleValue, values: PickleValue[]): void {
  if (list instanceof PickleOpaque) return;
  if (!Array.isArray(list)) throw malformed('appending to something that is not a list');
  for (const value of values) list.push(value);
}

function setAll(machine: Machine, pairs: PickleValue[]): void {
  const dict = machine.peek();
  if (dict instanceof PickleOpaque) return;
  if (!(dict instanceof PickleDict)) throw malformed('setting an item of something that is not a dictionary');
  if (pairs.length % 2 !== 0) throw malformed('a key without a value');
  for (let i = 0; i < pairs.length; i += 2)
    dict.set(machine.key(pairs[i] as PickleValue), pairs[i + 1] as PickleValue);
}

/** Pushes an opaque value, for sets: weight files do not need their contents. */
function makeOpaque(machine: Machine, name: string): void {
  machine.push(new PickleOpaque(name));
}

/** Decodes a signed little-endian integer of any length. Returns a number if it is exact, otherwise a bigint. */
function integer(bytes: Uint8Array): number | bigint {
  if (bytes.length > maxIntegerBytes)
    throw unsupported(
      `an integer of ${bytes.length} bytes is not supported (the limit is ${maxIntegerBytes})`,
    );
  if (bytes.length === 0) return 0;
  const hex = Buffer.from(bytes).reverse().toString('hex');
  const value = BigInt.asIntN(8 * bytes.length, BigInt(`0x${hex}`));
  const short = Number(value);
  return Number.isSafeInteger(short) ? short : value;
}

const stop = 0x2e;

/** Every instruction that this machine supports except STOP, by opcode; the names are those of Python's pickletools. */
const operations: Readonly<Record<number, (m: Machine) => void>> = {
  128: (m) => checkProtocol(m.input.u8()), // PROTO
  149: (m) => void m.input.take(8), // FRAME: its length only matters for streams
  40: (m) => m.mark(), // MARK
  48: (m) => void m.pop(), // POP
  49: (m) => void m.popMark(), // POP_MARK
  50: (m) => m.push(m.peek()), // DUP
  78: (m) => m.push(null), // NONE
  136: (m) => m.push(true), // NEWTRUE
  137: (m) => m.push(false), // NEWFALSE
  74: (m) => m.push(m.input.i32()), // BININT
  75: (m) => m.push(m.input.u8()), // BININT1
  77: (m) => m.push(m.input.u16()), // BININT2
  138: (m) => pushInteger(m, m.input.take(m.input.u8())), // LONG1
  139: (m) => pushInteger(m, m.input.take(m.input.u32())), // LONG4
  71: (m) => m.push(m.input.f64BigEndian()), // BINFLOAT
  88: (m) => m.push(m.input.text(m.input.u32())), // BINUNICODE
  140: (m) => m.push(m.input.text(m.input.u8())), // SHORT_BINUNICODE
  141: (m) => m.push(m.input.text(m.input.u64())), // BINUNICODE8
  84: (m) => m.push(m.input.text(m.input.u32())), // BINSTRING, Python 2's str
  85: (m) => m.push(m.input.text(m.input.u8())), // SHORT_BINSTRING
  66: (m) => m.push(m.input.take(m.input.u32())), // BINBYTES
  67: (m) => m.push(m.input.take(m.input.u8())), // SHORT_BINBYTES
  142: (m) => m.push(m.input.take(m.input.u64())), // BINBYTES8
  150: (m) => m.push(m.input.take(m.input.u64())), // BYTEARRAY8
  41: (m) => pushContainer(m, []), // EMPTY_TUPLE
  133: (m) => m.push(m.popTuple(1)), // TUPLE1
  134: (m) => m.push(m.popTuple(2)), // TUPLE2
  135: (m) => m.push(m.popTuple(3)), // TUPLE3
  116: (m) => m.push(m.popMark()), // TUPLE
  93: (m) => pushContainer(m, []), // EMPTY_LIST
  97: (m) => appendOne(m), // APPEND
  101: (m) => appendMarked(m), // APPENDS
  125: (m) => pushContainer(m, new PickleDict()), // EMPTY_DICT
  115: (m) => setAll(m, m.popTuple(2)), // SETITEM
  117: (m) => setAll(m, m.popMark()), // SETITEMS
  143: (m) => makeOpaque(m, 'a set'), // EMPTY_SET
  144: (m) => appendMarked(m), // ADDITEMS
  145: (m) => frozenSet(m), // FROZENSET
  99: (m) => find(m, m.input.line(), m.input.line()), // GLOBAL
  147: (m) => find(m, ...(m.popTuple(2) as [PickleValue, PickleValue])), // STACK_GLOBAL
  82: (m) => call(m), // REDUCE
  129: (m) => call(m), // NEWOBJ
  146: (m) => callWithKeywords(m), // NEWOBJ_EX
  98: (m) => build(m), // BUILD
  113: (m) => m.memoize(m.input.u8()), // BINPUT
  114: (m) => m.memoize(m.input.u32()), // LONG_BINPUT
  148: (m) => m.memoize(), // MEMOIZE
  104: (m) => m.recall(m.input.u8()), // BINGET
  106: (m) => m.recall(m.input.u32()), // LONG_BINGET
  81: (m) => m.push(m.allowed.persistent(m.pop())), // BINPERSID
};

function checkProtocol(version: number): void {
  if (version < 2 || version > 5)
    throw unsupported(`pickle protocol ${version} is not supported (2 to 5 are)`);
}

function appendOne(m: Machine): void {
  const value = m.pop();
  appendAll(m.peek(), [value]);
}

function appendMarked(m: Machine): void {
  const values = m.popMark();
  appendAll(m.peek(), values);
}

function frozenSet(m: Machine): void {
  m.popMark();
  makeOpaque(m, 'a set');
}

function pushInteger(m: Machine, bytes: Uint8Array): void {
  m.charge(bytes.length >> 4);
  m.push(integer(bytes));
}

/**
 * Pushes a container and charges one more step: an empty container takes one byte in the file, but far more memory than
 * a number.
 */
function pushContainer(m: Machine, value: PickleValue): void {
  m.charge(1);
  m.push(value);
}
