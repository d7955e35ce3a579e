import { types } from 'node:util';
import { checkOptions, instance, integer } from '../../check.ts';
import { coded, shapeError, typeError } from '../../errors.ts';
import { allocateArray } from '../../matrix.ts';
import { sides } from '../../model/sides.ts';
import { checkedChannels } from '../../model/vit.ts';
import type { Handle } from './addon-types.ts';
import { native, waitFor } from './native.ts';
import type { Channels, Device, ImageSize, TorchMemory, WaitOptions } from './types.ts';

/** Returns the number of elements of a shape. */
export const elements = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** Returns the number of live handles and their bytes; both stay constant if a training loop disposes of its handles. */
export function memory(): TorchMemory {
  return native().memory();
}

/**
 * Owns one native resource. Disposal is queued after the work that uses the resource, so it is safe to dispose right after
 * the last call. A second `dispose()` does nothing.
 */
export abstract class Resource<Kind extends string> implements Disposable {
  #handle: Handle<Kind> | undefined;
  readonly #kind: string;

  protected constructor(kind: string, handle: Handle<Kind>) {
    if (!types.isExternal(handle))
      throw typeError(kind, 'handle', 'a native handle, which the methods of this package create', handle);
    this.#kind = kind;
    this.#handle = handle;
  }

  /** @internal The native handle; throws once disposed of. */
  get handle(): Handle<Kind> {
    if (!(#handle in this)) throw typeError('handle', 'this', 'a handle that horoball created', this);
    if (this.#handle !== undefined) return this.#handle;
    throw coded(
      'ERR_HOROBALL_DISPOSED',
      `[${this.#kind}] handle: expected a live handle, got a disposed one. Create it again.`,
    );
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

/** Checks that a value is a live resource. An object that only inherits from the class has no handle, so `handle` throws. */
export function checkResource<T extends Resource<string>>(
  operation: string,
  argument: string,
  value: unknown,
  Class: { readonly name: string; readonly prototype: T },
): T {
  const found = instance(operation, argument, value, Class);
  void found.handle;
  return found;
}

/** A float32 tensor that the lane (the training thread) computes; reading it waits for the result. */
export class Tensor extends Resource<'Tensor'> {
  readonly shape: readonly number[];

  /** @internal */
  constructor(handle: Handle<'Tensor'>, shape: readonly number[]) {
    super('tensor', handle);
    this.shape = Object.freeze([...shape]);
  }

  /** Returns the values, row-major. Rejects with the error of the first queued operation that failed. */
  async data(options: WaitOptions = {}): Promise<Float32Array> {
    const out = allocateArray('tensor.data', Float32Array, elements(this.shape));
    await waitFor('tensor.data', options, (cancel) => native().readTensor(this.handle, out, cancel));
    return out;
  }

  /**
   * Backpropagates `cotangent` (same shape, row-major) through the graph of this tensor and accumulates the
   * parameters' gradients. The array is read later, on the lane: before you modify it, await a read, such
   * as `embedder.gradients()`.
   */
  backward(cotangent: Float32Array): void {
    instance('tensor.backward', 'cotangent', cotangent, Float32Array);
    if (cotangent.length !== elements(this.shape)) {
      const wanted = `${elements(this.shape)} values`;
      throw shapeError('tensor.backward', 'cotangent', wanted, cotangent.length);
    }
    native().backwardTensor(this.handle, cotangent);
  }
}

/** A batch of RGB images, normalized on the lane to (x / 255 - mean) / std. */
export class Batch extends Resource<'Tensor'> {
  readonly count: number;
  /** Side length of square images in pixels, or height and width. */
  readonly size: ImageSize;

  private constructor(handle: Handle<'Tensor'>, count: number, size: ImageSize) {
    super('batch', handle);
    this.count = count;
    this.size = size;
  }

  /**
   * Queues the transfer and normalization of a batch.
   * @param images - count x height x width x 3 bytes (RGB, channels last); read later, on the lane: before you modify it,
   * await a read that needs the batch, such as `embeddings.body.data()`
   * @param shape - `size`: the side length of square images, or height and width
   * @param mean - mean per channel of pixel values in [0, 1], such as `embedder.config.model.mean`
   * @param std - standard deviation per channel
   * @throws RangeError `ERR_HOROBALL_SHAPE` for a wrong number of bytes
   */
  static from(
    images: Uint8Array,
    shape: { count: number; size: ImageSize },
    mean: Channels,
    std: Channels,
    device: Device = 'cpu',
  ): Batch {
    instance('batch.from', 'images', images, Uint8Array);
    const { count, size, height, width } = checkImages('batch.from', images.length, shape);
    const channels = checkedChannels('batch.from', { mean, std });
    const handle = native().batch(images, count, height, width, channels.mean, channels.std, device);
    return new Batch(handle, count, size);
  }

  /**
   * Queues the transfer of images that are already normalized.
   * @param images - count x 3 x height x width float32 values (channels first); read later, as in `from`
   * @throws RangeError `ERR_HOROBALL_SHAPE` for a wrong number of values
   */
  static fromNormalized(
    images: Float32Array,
    shape: { count: number; size: ImageSize },
    device: Device = 'cpu',
  ): Batch {
    instance('batch.fromNormalized', 'images', images, Float32Array);
    const { count, size, height, width } = checkImages('batch.fromNormalized', images.length, shape);
    return new Batch(native().normalizedBatch(images, count, height, width, device), count, size);
  }

  /** An alias of {@link Batch.fromNormalized}. */
  static fromNormalised: typeof Batch.fromNormalized = Batch.fromNormalized;
}

/** Validates the shape of a batch, and reads each property once. */
function checkImages(
  operation: string,
  length: number,
  shape: { count: number; size: ImageSize },
): { count: number; size: ImageSize; height: number; width: number } {
  const { count, size } = checkOptions(operation, shape, 'shape');
  integer(operation, 'count', count, 1, Number.MAX_SAFE_INTEGER);
  const [height, width] = sides(size, operation, 'size');
  for (const side of [height, width]) integer(operation, 'size', side, 1, Number.MAX_SAFE_INTEGER);
  if (length !== count * height * width * 3)
    throw shapeError(operation, 'images', `${count} x ${height} x ${width} x 3 values`, String(length));
  return { count, size: typeof size === 'number' ? size : [height, width], height, width };
}
