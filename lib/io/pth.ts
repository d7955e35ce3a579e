import { type Coded, coded } from '../errors.ts';
import { allocate, kinds, type TensorData, widened } from './elements.ts';
import { atFile } from './file-errors.ts';
import { unpickle } from './pickle.ts';
import { PickleOpaque, type PickleValue, refused, unsupported } from './pickle-values.ts';
import {
  elementSpan,
  isRowMajor,
  maxRepeats,
  type PthTensor,
  torchGlobals,
  torchStorages,
} from './pth-values.ts';
import { openRegular } from './regular.ts';
import type { SafeTensor } from './safetensors.ts';
import { shellWord } from './shell.ts';
import { gatherStrided } from './strided.ts';
import type { OpenFile } from './thread-file.ts';
import { StoredZip } from './zip.ts';

export { PthTensor } from './pth-values.ts';

const maxPickleBytes = 64 * 2 ** 20;
/** Files in torch's legacy format (before 1.6) are not zip archives; they begin with this pickled number. */
const legacyMagic = Buffer.from('8a0a6cfc9c46f9206aa85019', 'hex');
const legacyHead = 32;
const zipMagic = Buffer.from('PK\x03\x04', 'latin1');

/**
 * A PyTorch file (`torch.save` of torch 1.6 or later), read without PyTorch. Opening the file reads its structure;
 * {@link read} reads the elements of one tensor.
 */
export class PthFile {
  /**
   * The saved value, with dictionaries as maps, lists and tuples as arrays, and tensors as {@link PthTensor}.
   */
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
   * Opens a `.pth` or `.pt` file. Nothing in it is executed: globals other than tensors and plain containers become
   * opaque values, and globals that could execute something in Python are rejected.
   *
   * @throws ERR_HOROBALL_PICKLE_REFUSED, with the rejected name; ERR_HOROBALL_FORMAT for a file that is damaged, in the old
   * format (the message contains the command that converts it), or not a PyTorch file
   */
  static async open(path: string): Promise<PthFile> {
    const handle = await openRegular(path, 'PthFile.open');
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
   * Reads a tensor's elements in row-major order, regardless of its strides. F16 and BF16 are widened to float32.
   *
   * @param tensor - a tensor in {@link root}
   * @throws ERR_HOROBALL_FORMAT if its bytes are damaged or missing
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
    const { bytes } = kinds[dtype];
    if (length === 0) return allocate(dtype, 0);
    const data = allocate(dtype, elementSpan(shape, strides));
    await this.#zip.read(`${this.#folder}/data/${storage.key}`, offset * bytes, data);
    if (isRowMajor(shape, strides)) return data;
    const packed = allocate(dtype, length);
    gatherStrided(data, shape, strides, packed);
    return packed;
  }
}

async function checkMagic(handle: OpenFile, path: string): Promise<void> {
  const head = Buffer.alloc(legacyHead);
  await handle.read(head, 0, head.length, 0);
  if (head[0] === 0x80 && head.includes(legacyMagic)) throw formatError(oldFormat(path));
  if (!head.subarray(0, zipMagic.length).equals(zipMagic)) throw formatError('it is not a PyTorch file');
}

function oldFormat(path: string): string {
  const [from, to] = [path, path.replace(/(\.\w+)?$/, '.zip$&')].map((name) => JSON.stringify(name));
  const line = `import torch; torch.save(torch.load(${from}, map_location="cpu", weights_only=True), ${to})`;
  return `it is in the format of PyTorch before 1.6. Convert it with: python3 -c ${shellWord(line)}`;
}

/**
 * Returns the name of the only folder that contains `data.pkl`; torch names it after the file. Its length is limited,
 * because each reference to a storage hashes it.
 */
function findFolder(zip: StoredZip): string {
  const names = zip.names();
  const folders = names.flatMap((name) => /^([^/]{1,255})\/data\.pkl$/.exec(name)?.[1] ?? []);
  const [folder] = folders;
  if (folder === undefined || folders.length > 1)
    throw formatError('it is a zip archive, but not one that torch.save wrote');
  if (names.includes(`${folder}/constants.pkl`))
    throw formatError('it is a TorchScript program. Save the state_dict of the model instead.');
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
  if (size > maxPickleBytes)
    throw unsupported(`a pickle of ${size} bytes is not supported (the limit is ${maxPickleBytes})`);
  const budget = { bytes: 2 ** 20 };
  for (const entry of zip.names()) budget.bytes += maxRepeats * (zip.size(entry) ?? 0);
  const pickle = new Uint8Array(size);
  await zip.read(name, 0, pickle);
  const root = unpickle(pickle, {
    globals: torchGlobals(budget),
    persistent: torchStorages((key) => zip.size(`${folder}/data/${key}`)),
  });
  if (root instanceof PickleOpaque) throw refused(`'${root.name}'`);
  return root;
}

function formatError(what: string): Coded {
  return coded('ERR_HOROBALL_FORMAT', what);
}

/** Prefixes horoball's own errors with the operation and the path, and makes file system errors name the path. */
function atPath(operation: string, error: unknown, path: string): unknown {
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_HOROBALL_'))
    error.message = `[${operation}] ${path}: ${error.message}`;
  return atFile(error, path);
}
