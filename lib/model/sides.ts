import { quoted, rangeError, typeError } from '../errors.ts';
import type { ImageSize } from './types.ts';

/**
 * Returns the height and width of images.
 * @throws TypeError `ERR_HOROBALL_TYPE` if `size` is neither a number nor a pair
 */
export function sides(
  size: ImageSize,
  operation = 'vit',
  argument = 'imgSize',
): readonly [height: number, width: number] {
  if (typeof size === 'number') return [size, size];
  if (!Array.isArray(size) || size.length !== 2)
    throw typeError(operation, argument, 'a number, or height and width', quoted(size));
  const [height, width] = size as readonly number[];
  return [height!, width!];
}

/**
 * Returns the side of square images.
 * @throws RangeError `ERR_HOROBALL_RANGE` for other images
 */
export function squareSide(operation: string, size: ImageSize): number {
  const [height, width] = sides(size);
  if (height !== width) throw rangeError(operation, 'imgSize', 'a square size', `${height} x ${width}`);
  return height;
}
