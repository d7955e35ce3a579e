/** Ways to compare pictures that nobody trained: what a network has to beat. */
import { concatenated, type Matrix, matrix } from '../../matrix.ts';
import type { Split } from './dataset.ts';
import { gradientLength, normalise, orientedGradients } from './gradients.ts';
import { ImageLoader, inOrder } from './loader.ts';

/** Pictures are compared at no more than this side; larger ones only make the comparison slower. */
const maxSide = 64;
/** Few enough that their features hold the event loop for some milliseconds only. */
const batchSize = 16;
/** Levels of each channel in the colour histogram. */
const levels = 4;

type Describe = (picture: Uint8Array, size: number) => Float32Array;

const describers: Record<string, Describe> = {
  'raw pixels': (picture) => Float32Array.from(picture),
  'colours and gradients': coloursAndGradients,
};

/** The features of a split under one baseline; nearest neighbours are those of least Euclidean distance. */
export interface BaselineFeatures {
  name: string;
  /** A row a picture that could be read. */
  features: Matrix<Float32Array>;
  /** The class of each row. */
  labels: Int32Array;
  /** The sample of each row. */
  indices: Int32Array;
}

/** Reads a split once and describes its pictures in each way. */
export async function baselineFeatures(
  split: Split,
  size: number,
  signal?: AbortSignal,
): Promise<BaselineFeatures[]> {
  const side = Math.min(size, maxSide);
  const loader = new ImageLoader(split, { size: side, mode: 'eval', seed: 0 });
  const rows = new Map(Object.keys(describers).map((name) => [name, [] as Float32Array[]]));
  const labels: number[] = [];
  const indices: number[] = [];
  for await (const batch of loader.batches(inOrder(split.samples.length, batchSize), { signal })) {
    const length = batch.images.length / batch.count;
    for (let i = 0; i < batch.count; i++) {
      const picture = batch.images.subarray(i * length, (i + 1) * length);
      for (const [name, describe] of Object.entries(describers))
        rows.get(name)!.push(describe(picture, side));
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

/** A colour histogram (square roots of shares, so that its length is 1) beside histograms of oriented gradients. */
function coloursAndGradients(picture: Uint8Array, size: number): Float32Array {
  const out = new Float32Array(levels ** 3 + gradientLength);
  const colours = out.subarray(0, levels ** 3);
  const level = (value: number): number => Math.floor((value * levels) / 256);
  for (let p = 0; p < picture.length; p += 3) {
    const [r, g, b] = [level(picture[p]!), level(picture[p + 1]!), level(picture[p + 2]!)];
    colours[(r * levels + g) * levels + b]! += 1;
  }
  colours.set(normalise(colours.map(Math.sqrt)));
  out.set(orientedGradients(picture, size), levels ** 3);
  return out;
}
