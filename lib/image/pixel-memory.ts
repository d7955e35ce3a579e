import { allocateArray } from '../matrix.ts';

/** Larger arrays are not kept. */
const mostKept = 2 ** 25;

/**
 * Reusable memory for decoded pixels. The system clears fresh memory when it is first touched, which can take longer
 * than decoding.
 */
export class PixelMemory {
  readonly #free: ArrayBuffer[] = [];
  readonly #taken = new WeakSet<ArrayBufferLike>();

  /** Returns memory of this length in bytes, with any content. */
  take(length: number): Uint8Array {
    const fits = this.#free.findIndex(({ byteLength }) => byteLength >= length);
    // If none is large enough, one of the smaller ones is replaced.
    const [found] = this.#free.splice(Math.max(0, fits), 1);
    const buffer = fits >= 0 ? found! : allocateArray('ImageLoader', ArrayBuffer, rounded(length));
    this.#taken.add(buffer);
    return new Uint8Array(buffer, 0, length);
  }

  /** Accepts memory that is no longer used; ignores memory that is not from {@link take}. */
  give({ buffer }: Uint8Array): void {
    if (!this.#taken.delete(buffer) || buffer.byteLength > mostKept) return;
    this.#free.push(buffer as ArrayBuffer);
  }
}

/** Rounds a length up to a power of two if memory of that length is kept, so that images of similar sizes share memory. */
function rounded(length: number): number {
  return length > mostKept ? length : 2 ** Math.ceil(Math.log2(Math.max(1, length)));
}
