// MAT files that once took seconds or gigabytes, or would without a limit.
import { randomBytes } from 'node:crypto';
import { MatWriter } from './mat-writer.ts';

/** By description: the reader, a function that makes the file, and the expected error, with the code `read` for none. */
export type HostileCases = Record<
  string,
  [reader: string, bytes: () => Uint8Array, code: string, message: RegExp]
>;

const mat = new MatWriter();
const format = 'ERR_HOROBALL_FORMAT';

const stored = (
  kind: number,
  shape: number[],
  type: number,
  length: number,
  bytes = Buffer.alloc(length, 0x61),
): Buffer => mat.matrix(kind, shape, 'x', mat.element(type, bytes));
/** Writes a struct array whose elements have a single, empty field and take 8 bytes each. */
const structs = (count: number): Buffer =>
  mat.matrix(
    2,
    [1, count],
    'x',
    mat.element(5, Buffer.from([8, 0, 0, 0])),
    mat.element(1, Buffer.from('a\0\0\0\0\0\0\0')),
    Buffer.concat(new Array<Buffer>(count).fill(mat.element(14, Buffer.alloc(0)))),
  );

export const matCases: HostileCases = {
  'a cell array of 6 million empty arrays in 70 kB': [
    'mat',
    () => {
      const empty = Buffer.alloc(8);
      empty.writeUInt32LE(14);
      return mat.around([
        mat.compressed(mat.matrix(1, [6_000_000, 1], 'x', Buffer.alloc(48_000_000, empty))),
      ]);
    },
    format,
    /maxBytes \(67108864\)/,
  ],
  'text of 2^31 - 1 rows and no columns': [
    'mat',
    () => mat.around([mat.matrix(4, [2 ** 31 - 1, 0], 'x', mat.element(1, Buffer.alloc(0)))]),
    format,
    /allow/,
  ],
  'text that inflates to 64 MiB, in rows of one character': [
    'mat',
    () => mat.around([mat.compressed(stored(4, [2 ** 26 - 4096, 1], 1, 2 ** 26 - 4096))]),
    format,
    /maxBytes \(67108864\)/,
  ],
  'text that inflates to 64 MiB, in two rows': [
    'mat',
    () => mat.around([mat.compressed(stored(4, [2, 2 ** 25 - 4096], 1, 2 ** 26 - 8192))]),
    format,
    /maxBytes \(67108864\)/,
  ],
  'text that inflates to 64 MiB, with one wide character': [
    'mat',
    () => {
      const bytes = Buffer.alloc(2 ** 26 - 4096, 0x61);
      bytes.write('€', 'utf8');
      const matrix = mat.matrix(4, [1, bytes.length - 2], 'x', mat.element(16, bytes));
      return mat.around([mat.compressed(matrix)]);
    },
    format,
    /maxBytes \(67108864\)/,
  ],
  'bytes that inflate to 64 MiB and are doubles': [
    'mat',
    () => mat.around([mat.compressed(stored(6, [1, 2 ** 26 - 4096], 2, 2 ** 26 - 4096))]),
    format,
    /maxBytes \(67108864\)/,
  ],
  'a struct of millions of empty elements': [
    'mat',
    () => mat.around([mat.compressed(structs(4_000_000))]),
    format,
    /maxBytes \(67108864\)/,
  ],
  'an array that inflates to 128 MiB': [
    'mat',
    () => mat.around([mat.compressed(mat.element(14, Buffer.alloc(2 ** 27)))]),
    format,
    /inflate to more than maxBytes \(67108864\)/,
  ],
  'an empty element that inflates to 60 MB': [
    'mat',
    () => mat.around([mat.compressed(Buffer.concat([mat.words(14, 0), Buffer.alloc(6e7)]))]),
    format,
    /longer than the 8 bytes that its tag states/,
  ],
  'an element of 64 kB that states 60 MB': [
    'mat',
    () => mat.around([mat.compressed(Buffer.concat([mat.words(14, 6e7), randomBytes(2 ** 16 - 100)]))]),
    format,
    /an element is longer than the element that contains it/,
  ],
  '300,000 cells of one number': [
    'mat',
    () => {
      const number = mat.matrix(6, [1, 1], '', mat.element(9, Buffer.alloc(8)));
      return mat.around([mat.matrix(1, [1, 3e5], 'x', Buffer.alloc(number.length * 3e5, number))]);
    },
    'read',
    /^$/,
  ],
  '8192 compressed variables of 4100 bytes': [
    'mat',
    () => {
      const variable = mat.compressed(stored(9, [1, 4100], 2, 4100, randomBytes(4100)));
      return mat.around(new Array<Buffer>(8192).fill(variable));
    },
    'read',
    /^$/,
  ],
  '8192 empty compressed variables': [
    'mat',
    () => mat.around(new Array<Buffer>(8192).fill(mat.compressed(mat.element(14, Buffer.alloc(0))))),
    'read',
    /^$/,
  ],
  'a hundred thousand empty compressed variables': [
    'mat',
    () => {
      const nothing = mat.compressed(mat.element(14, Buffer.alloc(0)));
      return mat.around(new Array<Buffer>(100_000).fill(nothing));
    },
    format,
    /more than 8192 variables/,
  ],
  'a shape of 4 million axes': [
    'mat',
    () =>
      mat.around(
        [mat.matrix(6, [1, 1], 'x', mat.element(9, Buffer.alloc(8)), Buffer.alloc(0))].map((bytes) => {
          const axes = mat.element(5, Buffer.alloc(2 ** 24));
          return mat.element(14, Buffer.concat([bytes.subarray(8, 24), axes]));
        }),
      ),
    format,
    /at most 64 integers/,
  ],
  'a shape of zero elements whose product is not a number': [
    'mat',
    () => mat.around([mat.matrix(4, [0, ...new Array<number>(63).fill(2 ** 31 - 1)], 'x')]),
    'read',
    /^$/,
  ],
};
