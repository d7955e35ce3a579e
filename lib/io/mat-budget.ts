import { promisify } from 'node:util';
import { constants, inflate, inflateSync } from 'node:zlib';
import { type Coded, coded } from '../errors.ts';
import { damaged } from './mat-elements.ts';

const inflateAsync = promisify(inflate);
/**
 * Maximum compressed size in bytes of data that is inflated on this thread: for a few bytes, another thread takes longer, and
 * a file can have thousands of such elements. The first limit bounds the result to about 4 MB, whatever the tag states.
 */
const maxInline = 2 ** 12;
const maxInlineStated = 2 ** 16;
/** Maximum size in bytes of a result that is inflated on this thread because its tag states the size. */
const maxInlineResult = 2 ** 20;
/** Minimum size of an output chunk in bytes. */
const minChunk = 2 ** 12;
/** Maximum factor by which deflated data grow. */
const maxRatio = 1032;
/** Number of compressed bytes that suffice to inflate the tag: the tables of a deflate block take at most about 300. */
const prefixLength = 2 ** 10;
/** Maximum file size: MATLAB limits each variable of this format to 2 GiB. */
export const maxFile: number = 2 ** 31 - 1;
/**
 * Memory that values may take per byte of the file, in addition to `maxBytes`: a file can store a double in one byte.
 */
const memoryFactor = 16;

/** Limits the resources that a file may use: inflated bytes, and memory for the values. */
export class MatBudget {
  readonly #maxBytes: number;
  #inflated: number;
  #memory: number;

  constructor(maxBytes: number, fileBytes: number) {
    this.#maxBytes = maxBytes;
    this.#inflated = maxBytes;
    this.#memory = maxBytes + memoryFactor * fileBytes;
  }

  /** Inflates a compressed element whose numbers have the given byte order. */
  async inflate(bytes: Buffer, little: boolean): Promise<Buffer> {
    try {
      const stated = bytes.length > maxInline ? statedLength(bytes, little) : null;
      if (stated !== null && stated > Math.min(this.#inflated, maxFile)) throw this.#exceeded('inflate to');
      const whole = stated === null ? this.#inflateShort(bytes) : await inflateTo(stated, bytes);
      this.#inflated -= whole.length;
      return whole;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ERR_HOROBALL_FORMAT') throw cause;
      throw Object.assign(damaged('invalid compressed data'), { cause });
    }
  }

  #inflateShort(bytes: Buffer): Buffer {
    const maxOutputLength = Math.max(1, this.#inflated);
    const chunkSize = Math.min(2 ** 20, Math.max(minChunk, 4 * bytes.length), maxOutputLength + minChunk);
    try {
      return inflateSync(bytes, { maxOutputLength, chunkSize });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
        throw this.#exceeded('inflate to');
      throw cause;
    }
  }

  /** Deducts memory before it is allocated; throws if too little remains. */
  readonly take = (bytes: number): void => {
    this.#memory -= bytes;
    if (!(this.#memory >= 0)) throw this.#exceeded('take');
  };

  #exceeded(verb: string): Coded {
    return coded(
      'ERR_HOROBALL_FORMAT',
      `the variables ${verb} more than maxBytes (${this.#maxBytes}) allows. Pass a larger maxBytes if you trust the file.`,
    );
  }
}

/** Inflates to the length that a tag states, in one chunk: zlib's output is then neither copied nor held twice. */
async function inflateTo(length: number, bytes: Buffer): Promise<Buffer> {
  // Writers may pad an element. A chunk that is full is replaced by a new one, so it is longer than its contents.
  const options = { maxOutputLength: length + minChunk, chunkSize: length + 2 * minChunk };
  try {
    return bytes.length <= maxInlineStated && length <= maxInlineResult
      ? inflateSync(bytes, options)
      : await inflateAsync(bytes, options);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') throw cause;
    throw damaged(`a compressed element is longer than the ${length} bytes that its tag states`);
  }
}

/** Returns the length in bytes, with its tag, of the element that `bytes` inflate to. */
function statedLength(bytes: Buffer, little: boolean): number {
  const start = inflateSync(bytes.subarray(0, prefixLength), { finishFlush: constants.Z_SYNC_FLUSH });
  if (start.length < 8) throw damaged('a compressed element has no tag');
  const length = 8 + (little ? start.readUInt32LE(4) : start.readUInt32BE(4));
  if (length > maxRatio * bytes.length)
    throw damaged(`a compressed element of ${bytes.length} bytes cannot inflate to ${length} bytes`);
  return length;
}
