import type { SquareViT } from '../../lib/model/vit.ts';
import { Embedder, type Embeddings } from '../../lib/train/lane/embedder.ts';
import { HybridLoss } from '../../lib/train/lane/loss.ts';
import { Batch } from '../../lib/train/lane/tensor.ts';
import type { EmbedderOptions, HybridLossOptions, NamedTensor } from '../../lib/train/lane/types.ts';

/** Returns |a - b| / |b|, the relative error of `a` over all elements. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let [difference, size] = [0, 0];
  for (let i = 0; i < b.length; ++i) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}

/** Returns a generator of numbers in [0, 1), which are the same on every machine (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const tinyViT: SquareViT = {
  imgSize: 16,
  patchSize: 8,
  embedDim: 24,
  depth: 2,
  numHeads: 3,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};

/** A model that can be created in milliseconds. */
export function tinyEmbedder(options: Partial<EmbedderOptions> = {}): Promise<Embedder> {
  return Embedder.create({ model: tinyViT, head: 'hypmix', dim: 6, clipR: 2.3, c: 0.1, seed: 5, ...options });
}

/** Random images of the size that {@link tinyEmbedder} expects. */
export function randomImages(count: number, seed = 1, size: number = tinyViT.imgSize): Uint8Array {
  const next = random(seed);
  return Uint8Array.from({ length: count * size * size * 3 }, () => 256 * next());
}

export function tinyBatch(count: number, seed = 1): Batch {
  return Batch.from(randomImages(count, seed), { count, size: tinyViT.imgSize }, tinyViT.mean, tinyViT.std);
}

/** Embeds `count` random images. */
export function embed(model: Embedder, count: number, seed = 1): Embeddings {
  using batch = tinyBatch(count, seed);
  return model.forward(batch);
}

/** A hybrid loss of two views per class, with a tied head. */
export function tinyLoss(options: Partial<HybridLossOptions> = {}): HybridLoss {
  const numbers = { views: 2, tauE: 0.1, tauH: 0.2, lambda: 1, c: 0.1 };
  return new HybridLoss({ geometry: 'hybrid', tied: true, clipR: 2.3, ...numbers, ...options });
}

/** Returns the values of all tensors of a state in one list. */
export function flat(state: ReadonlyMap<string, NamedTensor>): number[] {
  return [...state.values()].flatMap(({ data }) => [...data]);
}
