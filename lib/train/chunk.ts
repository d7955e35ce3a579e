/** How many pictures of a batch may have a graph at the same time, so that a step fits the memory. */
import type { RunConfig } from './config.ts';
import { resolveViT } from './vit.ts';

/**
 * Numbers that a block keeps of a token for its backward pass, over the token's width: twice the residual sum, two
 * norms, q, k and v, what was attended, and the two sides of the GELU, four times as wide.
 */
const kept = 16;
/** The same of what the block that the backward pass is in has beside that. */
const passing = 10;

/**
 * Bytes that a picture takes from its forward pass until its backward pass is over: within a tenth of what
 * `node dist/test/train/big-batch.js 18 4,18` measures in float32 (56.4 MB of 56.9 for vit_small at 224 px). The last
 * block hardly counts, since it works on the tokens that are read. Where the processor multiplies in half precision it
 * takes three quarters.
 */
export function bytesOfPicture({ model, crop }: RunConfig): number {
  const { depth, embedDim, patchSize, distilled } = resolveViT(model);
  const tokens = Math.floor(crop / patchSize) ** 2 + (distilled ? 2 : 1);
  return 4 * (tokens * embedDim * (kept * (depth - 1) + passing) + 3 * crop * crop);
}

/**
 * The run with a `chunk` where it names none and the graph of its whole batch does not fit: a power of two, so that the
 * number does not hang on a few megabytes.
 * @param note - hears that there is a chunk, and why
 * @param free - bytes of memory that there are; a GPU's are not looked at
 */
export function withChunk(
  config: RunConfig,
  note: (text: string) => void = () => {},
  free: number = process.availableMemory(),
): RunConfig {
  if (config.chunk !== null || config.device !== 'cpu') return config;
  const each = bytesOfPicture(config);
  const whole = config.bs * each;
  if (whole < 0.8 * free) return config;
  const chunk = 2 ** Math.max(0, Math.floor(Math.log2((0.5 * free) / each)));
  if (chunk >= config.bs) return config;
  note(
    `a batch of ${config.bs} takes about ${gigabytes(whole)} to train on and there are ${gigabytes(free)} free, so it goes through the network ${chunk} pictures at a time, to the same gradient (--chunk ${chunk}; --chunk ${config.bs} is the whole batch)`,
  );
  return { ...config, chunk };
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toPrecision(2)} GB`;
}
