/** Chooses the gradient-caching chunk size, so that a step fits in memory. */

import { prefixTokens, resolveViT } from '../../model/vit.ts';
import { type RankPlace, singleProcess } from '../lane/group.ts';
import type { RunConfig } from '../options/options.ts';

/**
 * Values that a block stores per token for its backward pass, in units of the token's width: two residual sums, two norms,
 * q, k and v, the attention output, and the input and the output of the GELU, each four times as wide.
 */
const storedValues = 16;
/** Additional values per token during the backward pass of a block. */
const transientValues = 10;

/**
 * Estimates the memory in bytes that an image takes in float32 until its backward pass ends: 56.9 MB for vit_small at
 * 224 px, within 10% of the value that `node dist/test/train/big-batch.js 18 4,18` measures. The last block is not
 * counted, because it only processes the class token.
 */
export function bytesPerImage({ model, crop }: Pick<RunConfig, 'model' | 'crop'>): number {
  const vit = resolveViT(model);
  const { depth, embedDim, patchSize } = vit;
  const tokens = Math.floor(crop / patchSize) ** 2 + prefixTokens(vit);
  return 4 * (tokens * embedDim * (storedValues * (depth - 1) + transientValues) + 3 * crop * crop);
}

/** The largest share of the free memory that the graph of a full batch may take. */
const largestShare = 0.8;

/** Options of {@link withChunk}. */
export interface ChunkOptions {
  /** Receives a message if a chunk size was chosen. */
  note?: ((text: string) => void) | undefined;
  /** Available host memory in bytes; GPU memory is not considered. */
  free?: number;
  /** Number of processes that share the batch, and how many of them share the memory. */
  ranks?: Pick<RankPlace, 'size' | 'localSize'> | undefined;
}

/**
 * On a CPU, sets `chunk` if it is not set and the graph of the full batch would take more than 80% of the free memory. A
 * chunk takes at most half of the free memory; its size is a power of two, so that small variations of free memory rarely
 * change it.
 */
export function withChunk(
  config: RunConfig,
  { note, free = process.availableMemory(), ranks = singleProcess.place }: ChunkOptions = {},
): RunConfig {
  if (config.chunk !== null || config.device !== 'cpu') return config;
  const imageBytes = bytesPerImage(config) * ranks.localSize;
  const rows = Math.ceil(config.bs / ranks.size);
  const batchBytes = rows * imageBytes;
  if (batchBytes <= largestShare * free) return config;
  const chunk = 2 ** Math.max(0, Math.floor(Math.log2((0.5 * free) / imageBytes)));
  if (chunk >= rows) return config;
  note?.(
    `a batch size of ${config.bs} needs about ${gigabytes(batchBytes)} of memory, more than ${100 * largestShare}% of the ${gigabytes(free)} that are free, so gradient caching processes it in chunks of ${chunk} images, as with --chunk ${chunk}, which does not change the gradient; --chunk ${config.bs} turns this off`,
  );
  return { ...config, chunk };
}

function gigabytes(bytes: number): string {
  return `${Number((bytes / 1e9).toPrecision(2))} GB`; // `toPrecision` alone may return 1.2e+2
}
