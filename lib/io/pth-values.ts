import { type Dtype, elementCount, kinds } from './elements.ts';
import {
  type Charge,
  malformed,
  PickleDict,
  PickleGlobal,
  type PickleKey,
  PickleNamespace,
  PickleObject,
  PickleOpaque,
  type PickleValue,
  refused,
  unsupported,
} from './pickle-values.ts';
import { rowMajorStrides } from './strided.ts';

/** The element type of each storage class of torch. */
const storageClasses: Readonly<Record<string, Dtype>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
  UntypedStorage: 'U8',
};
/** Element types for which torch writes an untyped storage and, separately, the type. */
const untypedDtypes: Readonly<Record<string, Dtype>> = {
  'torch.uint16': 'U16',
  'torch.uint32': 'U32',
  'torch.uint64': 'U64',
};

/** A range of bytes in the archive, which tensors may share. */
class PthStorage extends PickleObject {
  readonly key: string;
  readonly dtype: Dtype;
  /** Number of elements. */
  readonly length: number;

  constructor(key: string, dtype: Dtype, length: number) {
    super();
    this.key = key;
    this.dtype = dtype;
    this.length = length;
  }
}

/** A tensor in a `.pth` file: the location of its elements, which `PthFile.read` reads. */
export class PthTensor extends PickleObject {
  readonly storage: PthStorage;
  readonly shape: readonly number[];
  /** Distance between adjacent elements along each axis, in elements. */
  readonly strides: readonly number[];
  /** Offset of the first element in the storage. */
  readonly offset: number;

  constructor(storage: PthStorage, offset: number, shape: readonly number[], strides: readonly number[]) {
    super();
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }

  get dtype(): Dtype {
    return this.storage.dtype;
  }

  get length(): number {
    return this.shape.includes(0) ? 0 : elementCount(this.shape);
  }
}

/** Maximum total size of the tensors, relative to the archive: strides of 0 and shared storages repeat elements. */
export const maxRepeats = 16;
const maxRank = 64;
/** Maximum length of the key of a storage, because each reference to a storage hashes its key. torch's keys are numbers. */
const maxKey = 100;

/** Returns a function that resolves `('storage', class, key, location, elements)`, torch's only form of persistent ID. */
export function torchStorages(sizeOf: (key: string) => number | undefined): (id: PickleValue) => PickleValue {
  const storages = new Map<string, PthStorage>();
  return (id) => {
    if (!Array.isArray(id)) throw malformed('a storage descriptor is not a tuple');
    const [kind, type, key, , length] = id;
    const named = type instanceof PickleGlobal || type instanceof PickleOpaque;
    const isKey = typeof key === 'string' && key.length <= maxKey;
    if (kind !== 'storage' || !isKey || !isSize(length) || !named)
      throw malformed('a storage descriptor does not have the layout that torch writes');
    const className = /^torch\.(?:cuda\.|storage\.)?(\w+Storage)$/.exec(type.name)?.[1];
    if (className === undefined) throw refused(`a storage of class '${type.name}'`);
    const dtype = Object.hasOwn(storageClasses, className) ? storageClasses[className] : undefined;
    if (dtype === undefined) return new PickleOpaque(type.name);
    if (length * kinds[dtype].bytes > (sizeOf(key) ?? -1))
      throw malformed(`storage '${shorten(key)}' is missing or too short`);
    const known = storages.get(key);
    if (known?.dtype === dtype && known.length === length) return known;
    const storage = new PthStorage(key, dtype, length);
    storages.set(key, storage);
    return storage;
  };
}

type Rebuild = PickleGlobal['call'];

/** Returns the globals to reconstruct, by name. Their functions check their arguments and do a bounded amount of work. */
export function torchGlobals(budget: { bytes: number }): ReadonlyMap<string, PickleGlobal> {
  const rebuild: Rebuild = (args, charge) => rebuildTensor(args, budget, charge);
  const rebuildUntyped: Rebuild = (args, charge) => rebuildUntypedTensor(args, budget, charge);
  const plainRebuilds: [string, Rebuild][] = [
    ['torch._utils._rebuild_tensor', rebuild],
    ['torch._utils._rebuild_tensor_v2', rebuild],
    ['torch._utils._rebuild_tensor_v3', rebuildUntyped],
    ['torch._utils._rebuild_parameter', parameter],
    ['torch._utils._rebuild_parameter_with_state', parameter],
    ['torch.nn.parameter.Parameter', parameter],
  ];
  const list: [string, Rebuild][] = [
    ...plainRebuilds,
    ['collections.OrderedDict', (args, charge) => filled(new PickleDict(), args[0], charge)],
    ['collections.Counter', (args, charge) => filled(new PickleDict(), args[0], charge)],
    ['collections.defaultdict', (args, charge) => filled(new PickleDict(), args[1], charge)],
    ['argparse.Namespace', (args) => withoutArguments(args, new PickleNamespace())],
    ['torch.Size', ([sides], charge) => sizes(sides, 'torch.Size', charge)],
    ['torch._tensor._rebuild_from_type_v2', fromType],
  ];
  for (const name of Object.keys(storageClasses)) list.push([`torch.${name}`, notCalled]);
  const globals = new Map(list.map(([name, call]) => [name, new PickleGlobal(name, call)]));
  const inner = new Set(plainRebuilds.map(([name]) => globals.get(name)));
  /** Rebuilds a tensor with attributes or of a subclass, given `(rebuild function, class, arguments, attributes)`. */
  function fromType([make, , args]: PickleValue[], charge: Charge): PickleValue {
    if (make instanceof PickleOpaque) return new PickleOpaque(make.name);
    if (!(make instanceof PickleGlobal) || !inner.has(make) || !Array.isArray(args))
      throw malformed('a tensor is not rebuilt by a function of torch');
    return make.call(args, charge);
  }
  return globals;
}

function notCalled(): never {
  throw malformed('a storage class is called as a function');
}

function parameter([tensor]: PickleValue[]): PickleValue {
  if (tensor instanceof PthTensor || tensor instanceof PickleOpaque) return tensor;
  throw malformed('a parameter without a tensor');
}

function withoutArguments(args: PickleValue[], made: PickleDict): PickleDict {
  if (args.length > 0) throw refused('a container made from arguments');
  return made;
}

/** Copies the entries of a dictionary or a list of pairs, if given, to `made`, and returns it. */
function filled(made: PickleDict, from: PickleValue | undefined, charge: Charge): PickleDict {
  if (from === undefined || from === null) return made;
  if (from instanceof PickleDict) {
    charge(from.size);
    for (const [key, value] of from) made.set(key, value);
    return made;
  }
  if (!Array.isArray(from)) throw refused('a container made from arguments');
  charge(from.length);
  for (const pair of from) {
    if (!Array.isArray(pair) || pair.length !== 2) throw malformed('a dictionary does not consist of pairs');
    made.set(textKey(pair[0]), pair[1] as PickleValue);
  }
  return made;
}

function textKey(key: PickleValue | undefined): PickleKey {
  return typeof key === 'string' ? key : new PickleOpaque('a key that is not text');
}

/**
 * Rebuilds a tensor like torch's `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks, metadata)`.
 * Every element must be inside the storage. A negated view (the imaginary part of a conjugate) is not reconstructed,
 * because torch stores its values without the negation.
 */
function rebuildTensor(args: PickleValue[], budget: { bytes: number }, charge: Charge): PickleValue {
  const [storage, offset, shapeValue, stridesValue, , , metadata] = args;
  if (storage instanceof PickleOpaque) return new PickleOpaque(`a tensor of ${storage.name}`);
  if (metadata instanceof PickleDict && metadata.get('neg') === true)
    return new PickleOpaque('a negated view (save tensor.resolve_neg() instead)');
  if (!(storage instanceof PthStorage) || !isSize(offset)) throw malformed('a tensor without a storage');
  const shape = sizes(shapeValue, 'a shape', charge);
  const strides = sizes(stridesValue, 'strides', charge);
  if (shape.length !== strides.length) throw malformed('a shape and strides of different lengths');
  const tensor = new PthTensor(storage, offset, shape, strides);
  if (tensor.length === 0) return tensor;
  const span = elementSpan(shape, strides);
  if (offset + span > storage.length)
    throw malformed(`a tensor reaches beyond its storage '${shorten(storage.key)}'`);
  // Reading two distant elements also reads everything between them.
  budget.bytes -= Math.max(tensor.length, span) * kinds[tensor.dtype].bytes;
  if (budget.bytes < 0)
    throw unsupported(`tensors that expand to over ${maxRepeats} times the file size are not supported`);
  return tensor;
}

/**
 * Rebuilds a tensor like torch's `_rebuild_tensor_v3`, whose storage consists of bytes. The last argument before the
 * metadata is the element type.
 */
function rebuildUntypedTensor(args: PickleValue[], budget: { bytes: number }, charge: Charge): PickleValue {
  const [storage, offset, shape, strides, , , type] = args;
  if (!(type instanceof PickleOpaque)) throw malformed('a tensor without an element type');
  const dtype = Object.hasOwn(untypedDtypes, type.name) ? untypedDtypes[type.name] : undefined;
  if (dtype === undefined || storage instanceof PickleOpaque)
    return new PickleOpaque(`a tensor of ${type.name}`);
  if (!(storage instanceof PthStorage)) throw malformed('a tensor without a storage');
  const { key, length } = storage;
  const typed = new PthStorage(key, dtype, Math.floor(length / kinds[dtype].bytes));
  return rebuildTensor([typed, offset ?? null, shape ?? null, strides ?? null], budget, charge);
}

function isSize(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Returns a copy of a checked tuple of sizes, because the pickle could still append to a list after the check. */
function sizes(value: PickleValue | undefined, what: string, charge: Charge): number[] {
  if (!Array.isArray(value) || value.length > maxRank || !value.every(isSize))
    throw malformed(`${what} is not a short tuple of integers`);
  charge(value.length >> 2); // charged, because a file can store one long tuple for many tensors
  return value.slice() as number[];
}

/**
 * Returns the number of elements of the storage from the first to the last element of a tensor, inclusive. The tensor
 * must not be empty.
 */
export function elementSpan(shape: readonly number[], strides: readonly number[]): number {
  return shape.reduce((last, side, axis) => last + (side - 1) * (strides[axis] as number), 1);
}

/**
 * Whether the elements are contiguous in the order of their indices. Strides of dimensions of size 1 are
 * ignored.
 */
export function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  const packed = rowMajorStrides(shape);
  return shape.every((side, axis) => side === 1 || strides[axis] === packed[axis]);
}

function shorten(key: string): string {
  return key.slice(0, 60);
}
