import { coded, rangeError, shapeError } from '../errors.ts';
import type { TensorData } from '../io/elements.ts';
import { type Device, type Handle, native, waitFor } from './native.ts';

export type { Device } from './native.ts';

/** A named parameter or state entry: row-major float32 values and their shape. */
export interface NamedTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What can be loaded in place of a {@link NamedTensor}: float64 is rounded, integers are refused. */
export interface AnyTensor {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Options of every call that waits. */
export interface WaitOptions {
  /** Rejects the promise with the signal's reason; work that the lane has not begun is dropped. */
  signal?: AbortSignal;
}

/** Number of elements of a shape. */
export const elements = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** What this thread's live handles hold. */
export interface TorchMemory {
  /** Handles not yet disposed of. */
  handles: number;
  /** Bytes of the tensors that they hold directly; a graph's intermediate results are not counted. */
  bytes: number;
}

/** Live handles and bytes. Both are flat from step to step when a loop disposes of what it makes. */
export function memory(): TorchMemory {
  return native().memory();
}

/**
 * The owner of one native resource. Disposing is queued behind the work that still uses the resource, so it
 * is always safe once the last call has been made; a second `dispose()` does nothing.
 */
export abstract class Resource implements Disposable {
  #handle: Handle | undefined;
  readonly #kind: string;

  protected constructor(kind: string, handle: Handle) {
    this.#kind = kind;
    this.#handle = handle;
  }

  /** @internal The native handle; throws once disposed of. */
  get handle(): Handle {
    if (this.#handle !== undefined) return this.#handle;
    throw coded('ERR_HOROBALL_DISPOSED', `[${this.#kind}] expected a live handle, got one disposed of`);
  }

  get disposed(): boolean {
    return this.#handle === undefined;
  }

  dispose(): void {
    if (this.#handle !== undefined) native().dispose(this.#handle);
    this.#handle = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** A float32 tensor that the lane computes; reading it is what waits. */
export class Tensor extends Resource {
  readonly shape: readonly number[];

  /** @internal */
  constructor(handle: Handle, shape: readonly number[]) {
    super('tensor', handle);
    this.shape = shape;
  }

  /** The values, row-major. Rejects with the error of the first queued operation that failed. */
  async data(options: WaitOptions = {}): Promise<Float32Array> {
    const out = new Float32Array(elements(this.shape));
    await waitFor(options.signal, (cancel) => native().readTensor(this.handle, out, cancel));
    return out;
  }

  /**
   * Runs the graph of this tensor backwards from `cotangent` (its shape, row-major) and adds to the
   * parameters' gradients. The array is read later, on the lane: leave it as it is until the next await.
   */
  backward(cotangent: Float32Array): void {
    if (cotangent.length !== elements(this.shape)) {
      const wanted = `${elements(this.shape)} values`;
      throw shapeError('tensor.backward', 'cotangent', wanted, cotangent.length);
    }
    native().backwardTensor(this.handle, cotangent);
  }
}

/** Per-channel mean or standard deviation of pictures in [0, 1]: red, green, blue. */
export type Channels = readonly [number, number, number];

/** A batch of square RGB pictures, normalised on the lane to (x / 255 - mean) / std. */
export class Batch extends Resource {
  readonly count: number;
  readonly size: number;

  private constructor(handle: Handle, count: number, size: number) {
    super('batch', handle);
    this.count = count;
    this.size = size;
  }

  /**
   * @param images count x size x size x 3 bytes (RGB, channels last). Read later, on the lane, and not copied
   *   before: leave it as it is until the next await.
   * @throws RangeError `ERR_HOROBALL_SHAPE` when the bytes are not count x size x size x 3.
   */
  static from(
    images: Uint8Array,
    { count, size }: { count: number; size: number },
    mean: Channels,
    std: Channels,
    device: Device = 'cpu',
  ): Batch {
    checkPictures('batch.from', images.length, count, size);
    return new Batch(native().batch(images, count, size, mean, std, device), count, size);
  }

  /** Pictures that are already normalised: count x 3 x size x size float32 values (channels first). */
  static fromNormalised(
    pictures: Float32Array,
    { count, size }: { count: number; size: number },
    device: Device = 'cpu',
  ): Batch {
    checkPictures('batch.fromNormalised', pictures.length, count, size);
    return new Batch(native().normalisedBatch(pictures, count, size, device), count, size);
  }
}

function checkPictures(operation: string, length: number, count: number, size: number): void {
  if (!Number.isSafeInteger(count) || count < 1) throw rangeError(operation, 'count', 'at least 1', count);
  if (!Number.isSafeInteger(size) || size < 1) throw rangeError(operation, 'size', 'at least 1', size);
  if (length === count * size * size * 3) return;
  throw shapeError(operation, 'images', `${count} x ${size} x ${size} x 3 values`, length);
}
