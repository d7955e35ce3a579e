import type { Coded } from '../errors.ts';

/**
 * Returns a view of the bytes of an array from `begin` to `end`, or to its last byte. Code that handles arrays of any size
 * takes such parts, because in Node.js 20 a Uint8Array has at most 2^32 elements, but other arrays may have more bytes.
 */
export function bytesIn(data: ArrayBufferView, begin: number, end: number): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset + begin, Math.min(end, data.byteLength) - begin);
}

/** A cursor over little-endian bytes that never reads past their end. */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #fail: (what: string) => Coded;
  #at = 0;

  /** @param fail - creates the error that is thrown if the bytes end too soon */
  constructor(bytes: Uint8Array, fail: (what: string) => Coded) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fail = fail;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#advance(2));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4));
  }

  i32(): number {
    return this.#bytes.readInt32LE(this.#advance(4));
  }

  /** Reads an unsigned 64-bit integer, rounded if above 2^53, which is beyond the end of any file. */
  u64(): number {
    return Number(this.#bytes.readBigUInt64LE(this.#advance(8)));
  }

  f64BigEndian(): number {
    return this.#bytes.readDoubleBE(this.#advance(8));
  }

  /** Returns the next `length` bytes, as a view. */
  take(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Returns the next `length` bytes as UTF-8. */
  text(length: number): string {
    const start = this.#advance(length);
    return this.#bytes.toString('utf8', start, start + length);
  }

  /** Returns the text up to the next line feed, which is skipped. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#fail('a line is not terminated');
    const text = this.text(end - this.#at);
    this.#at = end + 1;
    return text;
  }

  #advance(count: number): number {
    const start = this.#at;
    if (count > this.#bytes.length - start)
      throw this.#fail(`it is truncated: ${count} more bytes are declared`);
    this.#at = start + count;
    return start;
  }
}
