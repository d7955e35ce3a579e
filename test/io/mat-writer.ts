// Writes valid and invalid MATLAB level 5 files for tests. Supports only the features that the tests need.
import { deflateSync } from 'node:zlib';

export type Plain = number | string | Plain[] | Record<string, Plain>[];

const [int8, int32, uint32, double, matrix, compressed, utf16] = [1, 5, 6, 9, 14, 15, 17];

export class MatWriter {
  readonly #little: boolean;

  constructor(little = true) {
    this.#little = little;
  }

  /** Encodes a file with the given variables. */
  file(variables: Record<string, Plain>, { compress = false }: { compress?: boolean } = {}): Buffer {
    const parts = Object.entries(variables).map(([name, value]) => this.value(value, name));
    return this.around(parts.map((part) => (compress ? this.compressed(part) : part)));
  }

  /** Encodes a file that consists of a header and the given elements. */
  around(elements: Buffer[]): Buffer {
    const header = Buffer.alloc(128, ' ');
    header.write('MATLAB 5.0 MAT-file, made by a test', 'latin1');
    header.fill(0, 116, 124);
    header.write(this.#little ? '\x00\x01IM' : '\x01\x00MI', 124, 'latin1');
    return Buffer.concat([header, ...elements]);
  }

  compressed(element: Buffer): Buffer {
    const bytes = deflateSync(element);
    return Buffer.concat([this.words(compressed, bytes.length), bytes]);
  }

  /** Encodes a value: a number as 1 x 1, text as 1 x n, an array as 1 x n cells, an array of records as 1 x n structs. */
  value(value: Plain, name = ''): Buffer {
    if (typeof value === 'number')
      return this.matrix(6, [1, 1], name, this.element(double, this.#double(value)));
    if (typeof value === 'string') {
      const text = Buffer.from(value, 'utf16le');
      return this.matrix(
        4,
        [1, value.length],
        name,
        this.element(utf16, this.#little ? text : text.swap16()),
      );
    }
    if (isRecords(value)) return this.#struct(value, name);
    return this.matrix(1, [1, value.length], name, ...value.map((each) => this.value(each)));
  }

  /** Encodes an array of the MATLAB class with the number `kind`; `content` is the elements after the name. */
  matrix(kind: number, shape: number[], name: string, ...content: Buffer[]): Buffer {
    const flags = this.element(uint32, this.words(kind, 0));
    const dimensions = this.element(int32, this.words(...shape));
    return this.element(
      matrix,
      Buffer.concat([flags, dimensions, this.element(int8, Buffer.from(name)), ...content]),
    );
  }

  /** Wraps `inner` in `depth` nested 1x1 cell arrays. */
  nested(inner: Buffer, depth: number): Buffer {
    let value = inner;
    for (let i = 0; i < depth; i++) value = this.matrix(1, [1, 1], '', value);
    return value;
  }

  #struct(rows: Record<string, Plain>[], name: string): Buffer {
    const fields = Object.keys(rows[0]!);
    const names = Buffer.concat(
      fields.map((field) => Buffer.concat([Buffer.from(field), Buffer.alloc(32 - field.length)])),
    );
    const values = rows.flatMap((row) => fields.map((field) => this.value(row[field]!)));
    // A short element: type and length in one word, the number in the next.
    const width = this.words((4 << 16) | int32, 32);
    return this.matrix(2, [1, rows.length], name, width, this.element(int8, names), ...values);
  }

  /** Encodes an element: a tag, the bytes, and padding to a multiple of 8 bytes. */
  element(type: number, bytes: Buffer): Buffer {
    return Buffer.concat([this.words(type, bytes.length), bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);
  }

  words(...values: number[]): Buffer {
    const out = Buffer.alloc(4 * values.length);
    values.forEach((value, i) => {
      if (this.#little) out.writeInt32LE(value | 0, 4 * i);
      else out.writeInt32BE(value | 0, 4 * i);
    });
    return out;
  }

  #double(value: number): Buffer {
    const out = Buffer.alloc(8);
    if (this.#little) out.writeDoubleLE(value);
    else out.writeDoubleBE(value);
    return out;
  }
}

function isRecords(value: Plain[] | Record<string, Plain>[]): value is Record<string, Plain>[] {
  const first = value[0];
  return typeof first === 'object' && !Array.isArray(first);
}
