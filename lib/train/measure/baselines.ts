/** Untrained baselines for image retrieval. */
import { concatenated, type Matrix, matrix } from '../../matrix.ts';
import { ImageLoader, type ImageLoaderOptions, inOrder } from '../data/loader.ts';
import type { Split } from '../data/types.ts';
import { gradientLength, normalize, orientedGradients } from './gradients.ts';

/** Maximum side length in pixels at which images are compared; larger images take longer without any benefit. */
const maxSide = 64;
/** Images per batch; computing the features of a batch blocks the event loop for a few milliseconds. */
const batchSize = 16;
/** Bins per channel of the color histogram. */
const levels = 4;

type Describe = (image: Uint8Array, size: number) => Float32Array;

const describers: Record<string, Describe> = {
  'raw pixels': (image) => Float32Array.from(image),
  'color and gradient histograms': colorsAndGradients,
};

/** The features of a split for one baseline. They are compared by Euclidean distance. */
export interface BaselineFeatures {
  name: string;
  /** One row per readable image. */
  features: Matrix<Float32Array>;
  /** Class of each row. */
  labels: Int32Array;
  /** Index of each row's sample in the split. */
  indices: Int32Array;
}

/** Reads a split once and computes the features of every baseline. */
export async function baselineFeatures(
  split: Split,
  size: number,
  signal?: AbortSignal,
  reading: Pick<ImageLoaderOptions, 'background' | 'maxPixels'> = {},
): Promise<BaselineFeatures[]> {
  const side = Math.min(size, maxSide);
  const loader = new ImageLoader(split, { ...reading, size: side, mode: 'eval', seed: 0 });
  const rows = new Map(Object.keys(describers).map((name) => [name, [] as Float32Array[]]));
  const labels: number[] = [];
  const indices: number[] = [];
  for await (const batch of loader.batches(inOrder(split.samples.length, batchSize), { signal })) {
    const length = batch.images.length / batch.count;
    for (let i = 0; i < batch.count; i++) {
      const image = batch.images.subarray(i * length, (i + 1) * length);
      for (const [name, describe] of Object.entries(describers)) rows.get(name)!.push(describe(image, side));
    }
    labels.push(...batch.labels);
    indices.push(...batch.indices);
  }
  return [...rows].map(([name, list]) => ({
    name,
    features: matrix(concatenated(list), list.length, list[0]?.length ?? 0),
    labels: Int32Array.from(labels),
    indices: Int32Array.from(indices),
  }));
}

/** Returns a color histogram (square roots of frequencies, so that its norm is 1) and histograms of oriented gradients. */
function colorsAndGradients(image: Uint8Array, size: number): Float32Array {
  const out = new Float32Array(levels ** 3 + gradientLength);
  const colors = out.subarray(0, levels ** 3);
  const level = (value: number): number => Math.floor((value * levels) / 256);
  for (let p = 0; p < image.length; p += 3) {
    const [r, g, b] = [level(image[p]!), level(image[p + 1]!), level(image[p + 2]!)];
    colors[(r * levels + g) * levels + b]! += 1;
  }
  colors.set(normalize(colors.map(Math.sqrt)));
  out.set(orientedGradients(image, size), levels ** 3);
  return out;
}
