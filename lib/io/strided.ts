import type { TensorData } from './elements.ts';

/** Returns the strides, in elements, of a packed row-major array. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis] as number;
  }
  return strides;
}

/**
 * Packs a strided array into row-major order.
 *
 * @param source - the elements, starting with the first one of the array
 * @param shape - dimensions, all above 0
 * @param strides - distance between adjacent elements along each axis, in elements, at least 0
 * @param target - an array of the source's type with as many elements as the shape
 */
export function gatherStrided(
  source: TensorData,
  shape: readonly number[],
  strides: readonly number[],
  target: TensorData,
): void {
  const axes = shape.flatMap((side, axis) => (side === 1 ? [] : [axis])); // axes of size 1 would only take time
  const sides = axes.map((axis) => shape[axis] as number);
  const steps = axes.map((axis) => strides[axis] as number);
  const index = new Array<number>(sides.length).fill(0);
  for (let i = 0, from = 0; i < target.length; i++) {
    target[i] = source[from] as never;
    from += advance(index, sides, steps);
  }
}

/** Advances an index, the last axis fastest, and returns the change of offset in elements. */
function advance(index: number[], shape: readonly number[], strides: readonly number[]): number {
  let moved = 0;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const at = index[axis] as number;
    const stride = strides[axis] as number;
    if (at + 1 < (shape[axis] as number)) {
      index[axis] = at + 1;
      return moved + stride;
    }
    index[axis] = 0;
    moved -= at * stride;
  }
  return moved;
}
