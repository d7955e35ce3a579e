import { type Coded, coded } from '../errors.ts';
import type { TensorData } from './elements.ts';

/** Creates the error for an invalid MAT file: `ERR_HOROBALL_FORMAT`. */
export function damaged(what: string): Coded {
  return coded('ERR_HOROBALL_FORMAT', `the MAT file is damaged: ${what}`);
}

/** The array types of the storage types of level 5 files, by their number in a tag. */
const storage = {
  1: Int8Array,
  2: Uint8Array,
  3: Int16Array,
  4: Uint16Array,
  5: Int32Array,
  6: Uint32Array,
  7: Float32Array,
  9: Float64Array,
  12: BigInt64Array,
  13: BigUint64Array,
} as const;

/** Memory through which short arrays are copied, and a view of it per storage type. */
const scratchMemory = new ArrayBuffer(64);
const scratch = Buffer.from(scratchMemory);
const scratchViews = new Map<number, TensorData>(
  Object.entries(storage).map(([type, Kind]) => [Number(type), new Kind(scratchMemory)]),
);

/** Maximum number of 32-bit integers in an element (dimensions, array flags, field-name length); NumPy allows 64 dimensions. */
const maxWords = 64;
const int32 = 5;
const uint32 = 6;
export const matrixType = 14;
export const compressedType = 15;
const encodings: Readonly<Record<number, { readonly name: BufferEncoding; readonly bytes: number }>> = {
  1: { name: 'latin1', bytes: 1 },
  2: { name: 'latin1', bytes: 1 },
  4: { name: 'utf16le', bytes: 2 },
  16: { name: 'utf8', bytes: 1 },
  17: { name: 'utf16le', bytes: 2 },
};

const nothing = Buffer.alloc(0);

/** The bytes of one element, with the type in its tag. */
export interface Element {
  readonly type: number;
  readonly bytes: Buffer;
}

/**
 * A cursor over the elements of a level 5 file, or of one of its matrices, which never reads past their end.
 */
export class ElementReader {
  readonly #bytes: Buffer;
  readonly #little: boolean;
  #at = 0;

  constructor(bytes: Buffer, little: boolean) {
    this.#bytes = bytes;
    this.#little = little;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** Returns a reader of the elements inside a matrix. */
  inside(element: Element): ElementReader {
    return new ElementReader(element.bytes, this.#little);
  }

  /** Reads the next element and skips its padding to a multiple of 8 bytes; compressed elements have none. */
  next(): Element {
    if (this.remaining < 8) throw damaged('an element has no tag');
    const word = this.#u32(this.#at);
    const short = word >>> 16;
    if (short > 4) throw damaged(`a short element declares ${short} bytes`);
    const type = short > 0 ? word & 0xffff : word;
    const length = short > 0 ? short : this.#u32(this.#at + 4);
    const begin = this.#at + (short > 0 ? 4 : 8);
    if (length > this.#bytes.length - begin)
      throw damaged('an element is longer than the element that contains it');
    const end = begin + length;
    const padded = type === compressedType ? end : begin + (short > 0 ? 4 : Math.ceil(length / 8) * 8);
    this.#at = Math.min(padded, this.#bytes.length);
    return { type, bytes: length === 0 ? nothing : this.#bytes.subarray(begin, end) };
  }

  /** Returns the numbers of an element, copied. */
  numbers({ type, bytes }: Element): TensorData {
    const view = scratchViews.get(type);
    if (view === undefined) throw damaged(`numbers are stored as type ${type}`);
    const width = view.BYTES_PER_ELEMENT;
    if (bytes.length % width !== 0) throw damaged('a number is truncated');
    const out = new storage[type as keyof typeof storage](bytes.length / width);
    // V8 keeps a short array on its heap until `buffer` is read, which is several times as slow.
    const short = bytes.length <= scratch.length;
    const memory = short ? scratch : Buffer.from(out.buffer);
    memory.set(bytes);
    if (!this.#little) swap(memory.subarray(0, bytes.length), width);
    const numbers: Record<number, number | bigint> = out;
    if (short) for (let i = 0; i < out.length; i++) numbers[i] = view[i]!;
    return out;
  }

  /** Returns the 32-bit integers of an element, at most 64. */
  words({ type, bytes }: Element): number[] {
    if (bytes.length > 4 * maxWords)
      throw damaged(`expected at most ${maxWords} integers, got ${bytes.length / 4}`);
    if ((type !== int32 && type !== uint32) || bytes.length % 4 !== 0)
      throw damaged('an integer is truncated');
    const out: number[] = [];
    for (let at = 0; at < bytes.length; at += 4) {
      out.push(this.#little ? bytes.readInt32LE(at) : bytes.readInt32BE(at));
    }
    return out;
  }

  /** Returns the characters of an element. */
  text({ type, bytes }: Element): string {
    const encoding = encodings[type];
    if (encoding === undefined) throw damaged(`text is stored as type ${type}`);
    if (bytes.length % encoding.bytes !== 0) throw damaged('a character is truncated');
    if (this.#little || encoding.bytes === 1) return bytes.toString(encoding.name);
    const copy = Buffer.from(bytes);
    swap(copy, encoding.bytes);
    return copy.toString(encoding.name);
  }

  #u32(at: number): number {
    return this.#little ? this.#bytes.readUInt32LE(at) : this.#bytes.readUInt32BE(at);
  }
}

function swap(bytes: Buffer, width: number): void {
  if (width === 2) bytes.swap16();
  if (width === 4) bytes.swap32();
  if (width === 8) bytes.swap64();
}
