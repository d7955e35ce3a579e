import { checkOptions, instance, integer } from '../../check.ts';
import { shapeError } from '../../errors.ts';
import type { LabeledBatch } from '../data/types.ts';
import { Tensor } from './tensor.ts';

/** Inputs of the loss. */
export interface LossInputs {
  /** Unit vectors: rows x dim. */
  readonly euclidean: Tensor;
  /** Points of the ball: rows x dim. */
  readonly hyperbolic: Tensor;
}

/** Validates the inputs of the loss, and reads each property once, because a getter may return another value later. */
export function checkInputs(
  operation: string,
  given: LossInputs,
): LossInputs & { rows: number; dim: number } {
  const { euclidean, hyperbolic } = checkOptions(operation, given, 'embeddings');
  instance(operation, 'euclidean', euclidean, Tensor);
  instance(operation, 'hyperbolic', hyperbolic, Tensor);
  const [rows = 0, dim = 0] = euclidean.shape;
  if (`${euclidean.shape}` !== `${hyperbolic.shape}`)
    throw shapeError(operation, 'hyperbolic', `shape [${euclidean.shape}]`, `[${hyperbolic.shape}]`);
  return { euclidean, hyperbolic, rows, dim };
}

/** Square images without labels: count x size x size x 3 bytes. */
export type SquareImages = Pick<LabeledBatch, 'images' | 'count' | 'size'>;

/**
 * Validates images, and reads each property once. Returns the images as a plain array, because `subarray` of a subclass calls
 * its constructor.
 */
export function checkSquareImages(operation: string, given: SquareImages): SquareImages {
  const { images, count, size } = checkOptions(operation, given, 'images');
  instance(operation, 'images', images, Uint8Array);
  integer(operation, 'count', count, 1, Number.MAX_SAFE_INTEGER);
  integer(operation, 'size', size, 1, Number.MAX_SAFE_INTEGER);
  if (images.length !== count * size * size * 3)
    throw shapeError(operation, 'images', `${count} x ${size} x ${size} x 3 bytes`, String(images.length));
  return { images: new Uint8Array(images.buffer, images.byteOffset, images.length), count, size };
}
