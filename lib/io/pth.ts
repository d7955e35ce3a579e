import { type FileHandle, open } from 'node:fs/promises';
import { type Coded, coded } from '../errors.ts';
import { type Dtype, elementCount, kinds, type TensorData, widened } from './elements.ts';
import {
  malformed,
  PickleDict,
  PickleGlobal,
  PickleNamespace,
  PickleObject,
  type PickleValue,
  refused,
  unpickle,
} from './pickle.ts';
import type { SafeTensor } from './safetensors.ts';
import { shellWord } from './shell.ts';
import { gatherStrided, rowMajorStrides } from './strided.ts';
import { atFile } from './trouble.ts';
import { StoredZip } from './zip.ts';

/** torch's storage classes. */
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
};

/** A run of bytes of the archive that tensors share. */
class PthStorage extends PickleObject {
  readonly key: string;
  readonly dtype: Dtype;
  /** Elements. */
  readonly length: number;

  constructor(key: string, dtype: Dtype, length: number) {
    super();
    this.key = key;
    this.dtype = dtype;
    this.length = length;
  }
}

/** A tensor in a `.pth` file: where its elements lie. {@link PthFile.read} reads them. */
export class PthTensor extends PickleObject {
  readonly storage: PthStorage;
  readonly shape: readonly number[];
  /** Elements between neighbours along each axis. */
  readonly strides: readonly number[];
  /** First element in the storage. */
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

/** Refuses tensors that repeat their storage more often than this (strides of 0, or the same bytes again and again). */
const maxRepeats = 16;
const maxRank = 64;
const maxPickleBytes = 64 * 2 ** 20;
/** What a non-zip file of torch before 1.6 begins with: the pickle of its magic number. */
const legacyMagic = Buffer.from('80028a0a6cfc9c46f9206aa85019', 'hex');
const zipMagic = Buffer.from('PK\x03\x04', 'latin1');

/**
 * A PyTorch file (`torch.save` of torch 1.6 or later), read without PyTorch: the structure at once, each tensor when it
 * is asked for.
 */
export class PthFile {
  /** What was saved: dictionaries as maps, lists and tuples as arrays, tensors as {@link PthTensor}. */
  readonly root: PickleValue;
  readonly #path: string;
  readonly #zip: StoredZip;
  readonly #folder: string;

  private constructor(path: string, root: PickleValue, zip: StoredZip, folder: string) {
    this.#path = path;
    this.root = root;
    this.#zip = zip;
    this.#folder = folder;
  }

  /**
   * Opens a `.pth` or `.pt` file. Nothing in it is executed: a pickle that names anything but tensors and plain
   * containers is refused.
   *
   * @throws ERR_HOROBALL_PICKLE_REFUSED, naming what was asked for; ERR_HOROBALL_FORMAT for a file that is damaged, in
   * the old format (the message has the line that converts it), or no PyTorch file at all
   */
  static async open(path: string): Promise<PthFile> {
    const handle = await open(path);
    try {
      await checkMagic(handle, path);
      const zip = await StoredZip.open(handle);
      const folder = findFolder(zip);
      await checkByteOrder(zip, folder);
      return new PthFile(path, await readStructure(zip, folder), zip, folder);
    } catch (error) {
      await handle.close();
      throw atPath('PthFile.open', error, path);
    }
  }

  /**
   * Reads a tensor's elements, row-major whatever its strides. F16 and BF16 are widened to float32.
   *
   * @param tensor - one that {@link root} holds
   * @throws ERR_HOROBALL_FORMAT where its bytes are damaged or missing
   */
  async read(tensor: PthTensor): Promise<SafeTensor> {
    const { dtype, shape } = tensor;
    try {
      return { dtype, shape, data: await widened(dtype, await this.#packed(tensor)) };
    } catch (error) {
      throw atPath('PthFile.read', error, this.#path);
    }
  }

  async close(): Promise<void> {
    await this.#zip.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #packed(tensor: PthTensor): Promise<TensorData> {
    const { storage, dtype, offset, length, shape, strides } = tensor;
    const { make, bytes } = kinds[dtype];
    if (length === 0) return make(0);
    const data = make(elementSpan(shape, strides));
    await this.#zip.read(`${this.#folder}/data/${storage.key}`, offset * bytes, data);
    if (isRowMajor(shape, strides)) return data;
    const packed = make(length);
    gatherStrided(data, shape, strides, packed);
    return packed;
  }
}

async function checkMagic(handle: FileHandle, path: string): Promise<void> {
  const head = Buffer.alloc(legacyMagic.length);
  await handle.read(head, 0, head.length, 0);
  if (head.equals(legacyMagic)) throw formatError(oldFormat(path));
  if (!head.subarray(0, zipMagic.length).equals(zipMagic)) throw formatError('it is not a PyTorch file');
}

function oldFormat(path: string): string {
  const [from, to] = [path, path.replace(/(\.\w+)?$/, '.zip$&')].map((name) => JSON.stringify(name));
  const line = `import torch; torch.save(torch.load(${from}, map_location="cpu", weights_only=True), ${to})`;
  return `it is in PyTorch's format from before 1.6; convert it once: python3 -c ${shellWord(line)}`;
}

/** The archive's one folder, which holds `data.pkl`. */
function findFolder(zip: StoredZip): string {
  const names = zip.names();
  const folders = names.flatMap((name) => /^([^/]+)\/data\.pkl$/.exec(name)?.[1] ?? []);
  const [folder] = folders;
  if (folder === undefined || folders.length > 1)
    throw formatError('it is a zip archive, but not one that torch.save wrote');
  if (names.includes(`${folder}/constants.pkl`))
    throw formatError('it is a TorchScript program; save the state_dict of the model instead');
  return folder;
}

async function checkByteOrder(zip: StoredZip, folder: string): Promise<void> {
  const name = `${folder}/byteorder`;
  const size = zip.size(name);
  if (size === undefined) return;
  const order = Buffer.alloc(Math.min(size, 16));
  await zip.read(name, 0, order);
  if (order.toString('latin1') !== 'little') throw formatError('it was written on a big-endian machine');
}

async function readStructure(zip: StoredZip, folder: string): Promise<PickleValue> {
  const name = `${folder}/data.pkl`;
  const size = zip.size(name) ?? 0;
  if (size > maxPickleBytes) throw refused(`a pickle of ${size} bytes`);
  const storages = new Map<string, PthStorage>();
  const budget = { bytes: 2 ** 20 };
  for (const entry of zip.names()) budget.bytes += maxRepeats * (zip.size(entry) ?? 0);
  const pickle = new Uint8Array(size);
  await zip.read(name, 0, pickle);
  return unpickle(pickle, {
    globals: torchGlobals(budget),
    persistent: (id) => loadStorage(id, storages, (key) => zip.size(`${folder}/data/${key}`)),
  });
}

/** `('storage', class, key, location, elements)`: the one kind of thing that torch keeps outside its pickle. */
function loadStorage(
  id: PickleValue,
  storages: Map<string, PthStorage>,
  sizeOf: (key: string) => number | undefined,
): PthStorage {
  if (!Array.isArray(id)) throw malformed('a storage is not described by a tuple');
  const [kind, type, key, , length] = id;
  if (kind !== 'storage' || typeof key !== 'string' || !isSize(length) || !(type instanceof PickleGlobal))
    throw malformed('a storage is not described as torch does');
  const dtype = storageClasses[type.name.replace('torch.', '')];
  if (dtype === undefined) throw refused(`a storage of class '${type.name}'`);
  if (length * kinds[dtype].bytes > (sizeOf(key) ?? -1))
    throw malformed(`storage '${key}' is missing or shorter than announced`);
  const known = storages.get(key);
  if (known?.dtype === dtype && known.length === length) return known;
  const storage = new PthStorage(key, dtype, length);
  storages.set(key, storage);
  return storage;
}

/** All that a pickle may name. */
function torchGlobals(budget: { bytes: number }): ReadonlyMap<string, PickleGlobal> {
  const rebuild = (args: PickleValue[]): PickleValue => rebuildTensor(args, budget);
  const parameter = ([tensor]: PickleValue[]): PickleValue => {
    if (!(tensor instanceof PthTensor)) throw malformed('a parameter without a tensor');
    return tensor;
  };
  const list: [string, (args: PickleValue[]) => PickleValue][] = [
    ['collections.OrderedDict', (args) => withoutArguments(args, new PickleDict())],
    ['argparse.Namespace', (args) => withoutArguments(args, new PickleNamespace())],
    ['torch._utils._rebuild_tensor_v2', rebuild],
    ['torch._utils._rebuild_parameter', parameter],
    ['torch._utils._rebuild_parameter_with_state', parameter],
    ['torch.Size', ([sides]) => sizes(sides, 'torch.Size')],
  ];
  for (const name of Object.keys(storageClasses)) list.push([`torch.${name}`, notCalled]);
  return new Map(list.map(([name, call]) => [name, new PickleGlobal(name, call)]));
}

function notCalled(): never {
  throw malformed('a storage class is called');
}

function withoutArguments(args: PickleValue[], made: PickleDict): PickleDict {
  if (args.length > 0) throw refused('a container made from arguments');
  return made;
}

/** `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)`, with every element inside the storage. */
function rebuildTensor(args: PickleValue[], budget: { bytes: number }): PthTensor {
  const [storage, offset, shapeValue, stridesValue] = args;
  if (!(storage instanceof PthStorage) || !isSize(offset)) throw malformed('a tensor without a storage');
  const shape = sizes(shapeValue, 'a shape');
  const strides = sizes(stridesValue, 'strides');
  if (shape.length !== strides.length) throw malformed('a shape and strides of different lengths');
  const tensor = new PthTensor(storage, offset, shape, strides);
  if (tensor.length === 0) return tensor;
  if (offset + elementSpan(shape, strides) > storage.length)
    throw malformed(`a tensor reaches beyond its storage '${storage.key}'`);
  budget.bytes -= tensor.length * kinds[tensor.dtype].bytes;
  if (budget.bytes < 0) throw refused(`tensors that unfold to over ${maxRepeats} times the file`);
  return tensor;
}

function isSize(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function sizes(value: PickleValue | undefined, what: string): number[] {
  const list = Array.isArray(value) ? value : [null];
  if (list.length <= maxRank && list.every(isSize)) return list;
  throw malformed(`${what} is not a short tuple of whole numbers`);
}

/** Elements from a tensor's first to its last, both counted. The tensor is not empty. */
function elementSpan(shape: readonly number[], strides: readonly number[]): number {
  return shape.reduce((last, side, axis) => last + (side - 1) * (strides[axis] as number), 1);
}

/** Whether the elements lie without gaps in the order of their indices. Strides of sides of 1 mean nothing. */
function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  const packed = rowMajorStrides(shape);
  return shape.every((side, axis) => side === 1 || strides[axis] === packed[axis]);
}

function formatError(what: string): Coded {
  return coded('ERR_HOROBALL_FORMAT', what);
}

/** Puts the path in front of our own errors. Errors of the file system name it already. */
function atPath(operation: string, error: unknown, path: string): unknown {
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_HOROBALL_'))
    error.message = `[${operation}] ${path}: ${error.message}`;
  return atFile(error, path);
}
