import type { SquareViT } from '../lib/train/index.ts';

/** Multiply-adds per token of a block's layers in units of the squared width: keys and values, the query, and the rest. */
const keysAndValues = 2;
const query = 1;
const outputAndMlp = 9;
/** A backward pass takes twice the products of the forward pass: for the gradients of the inputs and of the weights. */
const passes = 3;

/**
 * Returns the floating-point operations of the matrix products in a training step of a ViT with a frozen patch embedding, per
 * image.
 * @param lastBlock - the tokens for which the last block computes more than keys and values: `all`, or only the `class` token
 */
export function stepFlops(
  { imgSize, patchSize, embedDim, depth }: SquareViT,
  lastBlock: 'all' | 'class',
): number {
  const patches = (imgSize / patchSize) ** 2;
  const tokens = patches + 1;
  const block = (read: number): number =>
    (keysAndValues * tokens + (query + outputAndMlp) * read) * embedDim ** 2 + 2 * read * tokens * embedDim;
  const blocks = (depth - 1) * block(tokens) + block(lastBlock === 'all' ? tokens : 1);
  const embedding = patches * 3 * patchSize ** 2 * embedDim;
  return 2 * (passes * blocks + embedding);
}
