import type { TensorData } from './elements.ts';

/** Strides, in elements, of a packed row-major array. */
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
 * @param source - the elements that the strides walk over, the first one first
 * @param shape - sides, none of them 0
 * @param strides - elements between neighbours along each axis, at least 0
 * @param target - as many elements as the shape has, of the source's type
 */
export function gatherStrided(
  source: TensorData,
  shape: readonly number[],
  strides: readonly number[],
  target: TensorData,
): void {
  const index = new Array<number>(shape.length).fill(0);
  for (let i = 0, from = 0; i < target.length; i++) {
    target[i] = source[from] as never;
    from += advance(index, shape, strides);
  }
}

/** Steps an index on, the last axis fastest, and returns how many elements that moves. */
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
