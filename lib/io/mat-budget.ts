import { promisify } from 'node:util';
import { constants, inflate, inflateSync } from 'node:zlib';
import { type Coded, coded } from '../errors.ts';
import { damaged } from './mat-elements.ts';

const inflateAsync = promisify(inflate);
/** Maximum compressed size in bytes of data that is inflated on this thread; the result has at most about 4 MB. */
const maxInline = 2 ** 12;
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
      const maxOutputLength = Math.min(Math.max(1, this.#inflated), maxFile);
      const chunkSize = Math.min(chunkSizeFor(bytes, little), maxOutputLength + minChunk);
      const options = { maxOutputLength, chunkSize };
      // For a few bytes, another thread takes longer, and a file can have thousands of such elements.
      const whole =
        bytes.length <= maxInline ? inflateSync(bytes, options) : await inflateAsync(bytes, options);
      this.#inflated -= whole.length;
      return whole;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ERR_BUFFER_TOO_LARGE') throw this.#exceeded('inflate to');
      throw Object.assign(damaged('invalid compressed data'), { cause });
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

/**
 * Returns the size of the output chunks. zlib's output is neither copied nor held twice if it fits into one chunk, so the
 * size is the length that the element's tag states, unless so few compressed bytes cannot inflate to it.
 */
function chunkSizeFor(bytes: Buffer, little: boolean): number {
  const estimate = Math.min(2 ** 20, Math.max(minChunk, 4 * bytes.length));
  if (bytes.length <= maxInline) return estimate;
  const start = inflateSync(bytes.subarray(0, prefixLength), { finishFlush: constants.Z_SYNC_FLUSH });
  if (start.length < 8) return estimate;
  const length = 8 + (little ? start.readUInt32LE(4) : start.readUInt32BE(4));
  return length > maxRatio * bytes.length ? estimate : Math.max(estimate, length + 1); // zlib replaces a full chunk
}
