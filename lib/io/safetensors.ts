import { boolean, checkOptions, isMap, itemsOf, readOptions } from '../check.ts';
import { type Coded, coded, quoted, rangeError, shapeError, typeError } from '../errors.ts';
import { checkKept } from '../matrix.ts';
import { readAll, writeAll, writeAtomically } from './atomic.ts';
import {
  checkHeader,
  checksumAdvice,
  checksumKeys,
  checksumMetadata,
  crcOf,
  withHeaderChecksum,
} from './checksums.ts';
import {
  allocate,
  type Dtype,
  dtypeOf,
  elementCount,
  isSizes,
  kinds,
  shapeText,
  sizesIn,
  type TensorData,
  widened,
} from './elements.ts';
import { atFile } from './file-errors.ts';
import { boundedJson, scan } from './json.ts';
import { openRegular } from './regular.ts';
import type { OpenFile } from './thread-file.ts';

/** A tensor read from a file; F16 and BF16 are widened to float32, BOOL becomes bytes of 0 and 1. */
export interface SafeTensor {
  /** Element type in the file. */
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: TensorData;
}

/** Result of {@link readSafetensors}. */
export interface Safetensors {
  readonly tensors: Map<string, SafeTensor>;
  readonly metadata: Record<string, string>;
}

/** A tensor to write; its array determines the element type. */
export interface TensorToWrite {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

interface Entry {
  readonly name: string;
  /** May be an unsupported type, which is an error only if the tensor is requested. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
  /** CRC-32 of its bytes; absent in a file without checksums. */
  readonly crc?: string | undefined;
}

/**
 * Maximum size of the header in bytes. The format allows 100 MB, but the entries that `maxValues` permits take less than
 * this, and reading more would take a second if it is text with wide characters.
 */
const maxHeader = 2 ** 24;
/**
 * Maximum number of values in a header, enough for about 60,000 tensors. A value of 2 bytes in the file can take 200 bytes of
 * memory.
 */
const maxValues = 2 ** 19;
const operation = 'readSafetensors';

/**
 * Reads a safetensors file. The header is checked before anything is allocated: lengths, element types, shapes, and
 * that the tensors fill the file without gap or overlap. Checksums are verified if the file has them.
 *
 * @param options.names - read only these tensors; the others may then have unsupported element
 * types (F8_E4M3, F4, C64, ...)
 * @throws Error `ERR_HOROBALL_FORMAT` if the file is not a valid safetensors file, or a requested tensor has an
 * unsupported type; file system errors
 * @example
 * const path = join(tmpdir(), 'horoball-example.safetensors');
 * await writeSafetensors(path, { points: { shape: [1, 2], data: new Float32Array([3, 4]) } });
 * const { tensors, metadata } = await readSafetensors(path);
 * tensors.get('points')?.data; // => new Float32Array([3, 4])
 */
export async function readSafetensors(
  path: string,
  options: { names?: Iterable<string> | undefined } = {},
): Promise<Safetensors> {
  const { names } = readOptions('readSafetensors', options, ['names']);
  const wanted = names === undefined ? undefined : setOf(names);
  await using file = await SafetensorsFile.open(path);
  const tensors = new Map<string, SafeTensor>();
  for (const name of file.entries.keys())
    if (wanted?.has(name) ?? true) tensors.set(name, await file.read(name));
  return { tensors, metadata: file.metadata };
}

/** Returns the names as a set. Throws for more than `maxValues` names, because an iterable may be endless. */
function setOf(names: Iterable<string>): ReadonlySet<string> {
  const found = new Set<string>();
  let count = 0;
  for (const name of itemsOf(operation, 'names', 'a list of names', names)) {
    if (++count > maxValues)
      throw rangeError(operation, 'names', `at most ${maxValues} names`, 'more (is the iterable endless?)');
    if (typeof name !== 'string') throw typeError(operation, 'names', 'a list of names', quoted(name));
    found.add(name);
  }
  return found;
}

/** An open safetensors file. Its header has been read and checked; each tensor is read on request. */
export class SafetensorsFile {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly metadata: Record<string, string>;
  readonly #path: string;
  readonly #file: OpenFile;
  readonly #start: number;

  private constructor(path: string, file: OpenFile, start: number, header: Header) {
    this.#path = path;
    this.#file = file;
    this.#start = start;
    this.entries = new Map(header.entries.map((entry) => [entry.name, entry]));
    this.metadata = header.metadata;
  }

  static async open(path: string): Promise<SafetensorsFile> {
    const file = await openRegular(path, operation);
    try {
      const { size } = await file.stat();
      const { bytes, start } = await readHeader(path, file, size);
      return new SafetensorsFile(path, file, start, parseHeader(path, bytes, size - start));
    } catch (error) {
      await file.close();
      throw atFile(error, path);
    }
  }

  /** Reads the tensor `name`, one of {@link entries}, and verifies its checksum if the file has checksums. */
  async read(name: string): Promise<SafeTensor> {
    const { dtype, shape, begin, end, crc } = this.entries.get(name)!;
    if (!isDtype(dtype)) {
      const why = `the element type ${quote(dtype)} of ${quote(name)} is not supported`;
      throw coded(
        'ERR_HOROBALL_FORMAT',
        `[${operation}] ${this.#path}: cannot be read, because ${why}. Name the other tensors in options.names to read them.`,
      );
    }
    const raw = allocate(dtype, elementCount(shape));
    try {
      if ((await readAll(this.#file, raw, this.#start + begin)) < end - begin) {
        throw invalidFile(this.#path, `${quote(name)} is truncated`);
      }
    } catch (error) {
      throw atFile(error, this.#path);
    }
    if (crc !== undefined && (await crcOf(raw)) !== crc)
      throw invalidFile(this.#path, `the checksum of ${quote(name)} is wrong. ${checksumAdvice}`);
    return { dtype, shape, data: await widened(dtype, raw) };
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function readHeader(
  path: string,
  file: OpenFile,
  size: number,
): Promise<{ bytes: Buffer; start: number }> {
  const prefix = Buffer.alloc(8);
  if ((await readAll(file, prefix, 0)) < 8) throw invalidFile(path, 'it is shorter than 8 bytes');
  const length = prefix.readBigUInt64LE();
  if (length > BigInt(size - 8))
    throw invalidFile(
      path,
      `it declares a header of ${length} bytes, which exceeds the file size of ${size} bytes. It may be another kind of file or an incomplete download.`,
    );
  if (length > maxHeader)
    throw invalidFile(
      path,
      `it declares a header of ${length} bytes, which exceeds the limit of ${maxHeader}`,
    );
  const header = Buffer.alloc(Number(length));
  if ((await readAll(file, header, 8)) < header.length) throw invalidFile(path, 'its header is truncated');
  return { bytes: header, start: 8 + header.length };
}

interface Header {
  readonly entries: Entry[];
  readonly metadata: Record<string, string>;
}

function parseHeader(path: string, bytes: Buffer, dataSize: number): Header {
  const header = boundedJson(bytes, maxValues, (why) => invalidFile(path, `its header ${why}`));
  if (!isRecord(header)) throw invalidFile(path, 'its header is not a JSON object');
  const { __metadata__, ...rest } = header;
  const metadata = __metadata__ ?? {}; // some programs write null
  if (!areTexts(metadata)) {
    throw invalidFile(path, '__metadata__ is not an object of strings');
  }
  const entries = Object.entries(rest).map(([name, value]) => parseEntry(path, name, value));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(path, entries, dataSize);
  const checked = checkHeader(bytes, metadata, entries.length);
  if (checked === null) throw invalidFile(path, `the checksum of its header is wrong. ${checksumAdvice}`);
  const { sums } = checked;
  return {
    entries: entries.map((entry, i) => ({ ...entry, crc: sums?.[i] })),
    metadata: checked.metadata,
  };
}

function parseEntry(path: string, name: string, value: unknown): Entry {
  if (!isRecord(value)) throw invalidFile(path, `the entry of ${quote(name)} is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') throw invalidFile(path, `${quote(name)} has no element type`);
  if (!isSizes(shape))
    throw invalidFile(path, `the shape of ${quote(name)} is not a list of nonnegative integers`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw invalidFile(path, `the offsets of ${quote(name)} are not two nonnegative integers`);
  }
  const [begin, end] = offsets as [number, number];
  if (end < begin || (isDtype(dtype) && end - begin !== elementCount(shape) * kinds[dtype].bytes)) {
    const type = dtype.slice(0, 20);
    throw invalidFile(
      path,
      `${quote(name)} has ${end - begin} bytes for shape ${shapeText(shape)} of ${type}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function isDtype(dtype: string): dtype is Dtype {
  return Object.hasOwn(kinds, dtype);
}

function checkCoverage(path: string, entries: readonly Entry[], dataSize: number): void {
  let at = 0;
  for (const { name, begin, end } of entries) {
    if (begin < at) throw invalidFile(path, `${quote(name)} overlaps another tensor`);
    if (begin > at) throw invalidFile(path, `there is a gap before ${quote(name)}`);
    at = end;
  }
  if (at !== dataSize)
    throw invalidFile(path, `it has ${dataSize} bytes of data, but its header declares ${at}`);
}

/**
 * Writes a safetensors file atomically. Tensors with wider elements come first, so that every tensor is aligned.
 *
 * @param tensors - arrays with their shapes, by name
 * @param options.metadata - strings for the header's `__metadata__`
 * @param options.checksums - add CRC-32 checksums of the header and every tensor to the metadata; default false.
 * {@link readSafetensors} verifies them and omits them from the metadata that it returns
 * @throws TypeError or RangeError with a code if a tensor cannot be written; file system errors
 * @example
 * const path = join(tmpdir(), 'horoball-points.safetensors');
 * await writeSafetensors(path, { points: { shape: [2, 2], data: new Float32Array(4) } });
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorToWrite> | Readonly<Record<string, TensorToWrite>>,
  options: {
    metadata?: Readonly<Record<string, string>> | undefined;
    checksums?: boolean | undefined;
  } = {},
): Promise<void> {
  const { metadata: given, ...rest } = readOptions('writeSafetensors', options, ['metadata', 'checksums']);
  const checksums = boolean('writeSafetensors', 'checksums', rest.checksums, false);
  const list = entriesOf(tensors).map(([name, tensor]) => checkTensor(name, tensor));
  list.sort((a, b) => kinds[b.dtype].bytes - kinds[a.dtype].bytes || (a.name < b.name ? -1 : 1));
  const header: [string, unknown][] = [];
  const metadata = given === undefined ? undefined : checkMetadata(given, checksums);
  const sums: string[] = [];
  if (checksums) for (const tensor of list) sums.push(await checksumOf(tensor));
  if (metadata !== undefined || checksums)
    header.push(['__metadata__', { ...metadata, ...(checksums && checksumMetadata(sums)) }]);
  let at = 0;
  for (const { name, dtype, shape, data } of list) {
    header.push([name, { dtype, shape, data_offsets: [at, at + data.byteLength] }]);
    at += data.byteLength;
  }
  const json = JSON.stringify(Object.fromEntries(header));
  const text = json + ' '.repeat(-Buffer.byteLength(json) & 7);
  const bytes = Buffer.from(checksums ? withHeaderChecksum(text) : text);
  if (bytes.length > maxHeader) throw tooLarge(`has ${bytes.length} bytes`);
  scan(bytes, maxValues, tooLarge);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  await writeAtomically(
    path,
    async (file) => {
      await writeAll(file, length);
      await writeAll(file, bytes);
      for (const [i, tensor] of list.entries()) {
        const { name, data, length } = tensor;
        checkKept('writeSafetensors', name, data, length);
        await writeAll(file, data);
        checkKept('writeSafetensors', name, data, length);
        if (checksums && (await checksumOf(tensor)) !== sums[i]) throw changed(name);
      }
    },
    at,
  );
}

type CheckedTensor = ReturnType<typeof checkTensor>;

/** Returns the checksum of an array. Throws if the caller transfers the array in the meantime. */
async function checksumOf({ name, data, length }: CheckedTensor): Promise<string> {
  const check = (): void => checkKept('writeSafetensors', name, data, length);
  check();
  return await crcOf(data, check);
}

/** Returns the error for an array that the caller changed during the call: the file would have a wrong checksum. */
function changed(name: string): Coded {
  return rangeError(
    'writeSafetensors',
    name,
    'values that stay the same until the call ends',
    'values that changed',
  );
}

function entriesOf(
  tensors: ReadonlyMap<string, TensorToWrite> | Readonly<Record<string, TensorToWrite>>,
): (readonly [string, TensorToWrite])[] {
  const given = checkOptions('writeSafetensors', tensors, 'tensors');
  if (isMap(given)) return [...(given as ReadonlyMap<string, TensorToWrite>)];
  if (given instanceof Map) throw typeError('writeSafetensors', 'tensors', 'a Map', given);
  return Object.entries(given);
}

/** Returns the error for a header that {@link readSafetensors} would reject. */
function tooLarge(why: string): Coded {
  return rangeError(
    'writeSafetensors',
    'tensors',
    'a header of at most 16 MiB and about 60,000 tensors',
    `one that ${why}`,
  );
}

/**
 * Returns a copy of the metadata, because the caller may change them while checksums are computed.
 *
 * @param hasChecksums - whether checksums will replace metadata of the same names. If not, these names are rejected, because
 * readers would take the metadata for checksums
 */
function checkMetadata(metadata: unknown, hasChecksums: boolean): Readonly<Record<string, string>> {
  const copy = isRecord(metadata) ? { ...metadata } : undefined;
  const reserved = hasChecksums ? undefined : checksumKeys.find((key) => copy?.[key] !== undefined);
  if (reserved !== undefined)
    throw typeError(
      'writeSafetensors',
      'metadata',
      `names other than ${checksumKeys.join(' and ')}`,
      reserved,
    );
  if (copy !== undefined && Object.values(copy).every((text) => typeof text === 'string'))
    return copy as Readonly<Record<string, string>>;
  throw typeError('writeSafetensors', 'metadata', 'an object of strings', metadata);
}

/** Checks a tensor. Each property is read once, so the value that was checked is the one that is written. */
function checkTensor(
  name: unknown,
  tensor: TensorToWrite,
): { name: string; shape: readonly number[]; data: TensorData; dtype: Dtype; length: number } {
  if (typeof name !== 'string')
    throw typeError('writeSafetensors', 'tensors', 'names that are strings', quoted(name));
  if (!isRecord(tensor)) throw typeError('writeSafetensors', name, 'a tensor to write', tensor);
  const { shape, data } = tensor;
  const dtype = dtypeOf(data);
  if (name === '__metadata__')
    throw typeError('writeSafetensors', 'tensors', 'names other than __metadata__', `'${name}'`);
  if (dtype === undefined) throw typeError('writeSafetensors', name, 'a typed array of numbers', data);
  const sides = sizesIn(shape);
  if (sides === null) throw typeError('writeSafetensors', name, 'a shape of integers', shape);
  if (elementCount(sides) !== data.length) {
    throw shapeError(
      'writeSafetensors',
      name,
      `${elementCount(sides)} elements for shape [${sides}]`,
      String(data.length),
    );
  }
  return { name, shape: sides, data, dtype, length: data.length };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a parsed value is an object of strings. Does not list the values, which takes long if there are many. */
function areTexts(value: unknown): value is Record<string, string> {
  if (!isRecord(value)) return false;
  for (const key in value) if (typeof value[key] !== 'string') return false;
  return true;
}

/** Returns a name from an untrusted header, shortened to one line. */
function quote(name: string): string {
  return JSON.stringify(name.slice(0, 80));
}

function invalidFile(path: string, reason: string): Coded {
  return coded('ERR_HOROBALL_FORMAT', `[${operation}] ${path}: not a valid safetensors file: ${reason}`);
}
