import { coded } from '../../errors.ts';
import type { NamedTensor } from '../lane/types.ts';

/** An output sample along an axis: the weights (with sum 1) of the input samples `start`, `start + 1`, ... */
interface Tap {
  start: number;
  weights: number[];
}

/**
 * Resamples learned position embeddings to another grid of patches, like timm's `resample_abs_pos_embed`: prefix tokens are
 * kept; the others, which form a square grid, are resampled with antialiased bicubic interpolation.
 *
 * @param positions - position embeddings of shape [1, prefixTokens + side^2, width]
 * @param prefixTokens - number of tokens before the patches: class, distillation and register tokens
 * @param grid - rows and columns of the new grid
 * @returns position embeddings of shape [1, prefixTokens + rows * columns, width]; the tensor itself if the grid is the same
 * @throws ERR_HOROBALL_WEIGHTS if the patches do not form a square grid
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
      `[loadWeights] pos_embed: expected shape ${wanted}, got [${positions.shape}]. Use weights with a square grid of patches.`,
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

/** Resamples columns, then rows, in float64. `values` is side x side x width, channels last. */
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

/** Adds weight * source[from...] to target[at...], over `count` elements. */
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
 * Returns the taps of PyTorch's antialiased bicubic interpolation with `align_corners=False`: sample centers are at
 * half-integers, the kernel is stretched by the scale when downsampling, and weights outside the input are dropped before
 * normalization.
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

/** Evaluates Keys' cubic convolution kernel (IEEE TASSP 29, 1981) with a = -0.5, as torch and PIL do for antialiasing. */
function cubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return (((d - 5) * d + 8) * d - 4) * a;
  return 0;
}
