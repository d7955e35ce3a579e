import { coded } from '../../errors.ts';
import type { NamedTensor } from '../tensor.ts';

/** One output sample along an axis: input samples `start`, `start + 1`, ... by their weights, which sum to 1. */
interface Tap {
  start: number;
  weights: number[];
}

/**
 * Fits learned position embeddings to another grid of patches, as timm's `resample_abs_pos_embed` does: the prefix
 * tokens stay, the rest is taken for a square grid and resampled bicubically with antialiasing.
 *
 * @param positions - shape [1, prefixTokens + side^2, width]
 * @param prefixTokens - tokens before the patches: 1 for the class, 2 with the distillation token
 * @param grid - rows and columns of patches that are wanted
 * @returns shape [1, prefixTokens + rows * columns, width]; the tensor itself where its grid is that already
 * @throws ERR_HOROBALL_WEIGHTS where the patches make no square grid
 */
export function resamplePositions(
  positions: NamedTensor,
  prefixTokens: number,
  grid: readonly [number, number],
): NamedTensor {
  const [, tokens = 0, width = 0] = positions.shape;
  const side = Math.sqrt(tokens - prefixTokens);
  if (positions.shape.length !== 3 || !Number.isInteger(side) || side === 0) {
    const wanted = `[1, ${prefixTokens} + n * n, width]`;
    throw coded(
      'ERR_HOROBALL_WEIGHTS',
      `position embeddings of shape [${positions.shape}], where ${wanted} is wanted`,
    );
  }
  const [rows, columns] = grid;
  if (side === rows && side === columns) return positions;
  const prefix = prefixTokens * width;
  const data = new Float32Array(prefix + rows * columns * width);
  data.set(positions.data.subarray(0, prefix));
  data.set(resampleGrid(positions.data.subarray(prefix), side, width, grid), prefix);
  return { shape: [1, prefixTokens + rows * columns, width], data };
}

/** Columns first, then rows, in float64. `values` is side x side x width, channels last. */
function resampleGrid(
  values: Float32Array,
  side: number,
  width: number,
  [rows, columns]: readonly [number, number],
): Float64Array {
  const wide = new Float64Array(side * columns * width);
  cubicTaps(side, columns).forEach(({ start, weights }, column) => {
    weights.forEach((weight, i) => {
      for (let row = 0; row < side; row++) {
        const from = (row * side + start + i) * width;
        addScaled(wide, (row * columns + column) * width, values, from, width, weight);
      }
    });
  });
  const result = new Float64Array(rows * columns * width);
  const line = columns * width;
  cubicTaps(side, rows).forEach(({ start, weights }, row) => {
    weights.forEach((weight, i) => {
      addScaled(result, row * line, wide, (start + i) * line, line, weight);
    });
  });
  return result;
}

/** target[at...] += weight * source[from...] over `count` elements. */
function addScaled(
  target: Float64Array,
  at: number,
  source: Float32Array | Float64Array,
  from: number,
  count: number,
  weight: number,
): void {
  for (let i = 0; i < count; i++)
    target[at + i] = (target[at + i] as number) + weight * (source[from + i] as number);
}

/**
 * The taps of torch's antialiased bicubic interpolation, `align_corners=False`: sample centres at halves; when shrinking,
 * the kernel is stretched by the scale; weights outside the input are dropped and the rest made to sum to 1.
 */
function cubicTaps(from: number, to: number): Tap[] {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = 2 * stretch;
  return Array.from({ length: to }, (_, i) => {
    const center = scale * (i + 0.5);
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), from);
    const raw = Array.from({ length: end - start }, (_, j) => cubic((start + j - center + 0.5) / stretch));
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    return { start, weights: raw.map((weight) => weight / total) };
  });
}

/** Keys' cubic convolution kernel with a = -0.5 (IEEE TASSP 29, 1981), as torch and PIL antialias with. */
function cubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return (((d - 5) * d + 8) * d - 4) * a;
  return 0;
}
