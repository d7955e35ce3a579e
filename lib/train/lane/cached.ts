import { checkCallback, instance, integer } from '../../check.ts';
import { checkKept } from '../../matrix.ts';
import { Embedder } from './embedder.ts';
import { checkSquares, type Squares } from './inputs.ts';
import { native } from './native.ts';
import { Batch, Tensor } from './tensor.ts';

/**
 * The embeddings of a batch that is too large for one graph (gradient caching, Gao et al. 2021, arXiv 2101.06983). The
 * constructor embeds `chunk` images at a time without a graph; the caller computes the loss once over all rows; `backward`
 * embeds each chunk again and backpropagates its rows of the loss gradient.
 *
 * Memory: the graph of one chunk, and the bytes and embeddings of the batch. Time: one additional forward pass. Both passes
 * produce the same embeddings, because the network is deterministic.
 *
 * @example
 * using embeddings = new CachedEmbeddings(embedder, batch, 20);
 * using objective = loss.apply(embeddings, batch.labels);
 * objective.backward();
 * embeddings.backward();
 */
export class CachedEmbeddings implements Disposable {
  /** Unit vectors, count x dim. */
  readonly euclidean: Tensor;
  /** Points of the ball, count x dim. */
  readonly hyperbolic: Tensor;
  readonly #embedder: Embedder;
  readonly #images: Squares;
  readonly #chunk: number;

  /**
   * Queues the first pass.
   * @param images - read later, on the lane: do not modify the bytes until `backward` has completed
   * @param chunk - images per graph, 1 or more
   * @throws RangeError `ERR_HOROBALL_RANGE` for another chunk size
   */
  constructor(embedder: Embedder, images: Squares, chunk: number) {
    integer('cachedEmbeddings', 'chunk', chunk, 1, Number.MAX_SAFE_INTEGER);
    this.#embedder = instance('cachedEmbeddings', 'embedder', embedder, Embedder);
    this.#images = checkSquares('cachedEmbeddings', images);
    this.#chunk = chunk;
    const parts = [...this.#chunks()].map(({ batch }) => {
      using part = batch;
      return embedder.forward(part, { train: false, purpose: 'training' });
    });
    const shape = [this.#images.count, embedder.config.dim];
    const leaf = (of: 'euclidean' | 'hyperbolic'): Tensor =>
      new Tensor(native().leaf(parts.map((part) => part[of].handle)), shape);
    this.euclidean = leaf('euclidean');
    this.hyperbolic = leaf('hyperbolic');
    for (const part of parts) part.dispose();
  }

  /**
   * Call after the loss's `backward`: embeds again and accumulates the parameters' gradients.
   * @param beforeLast - called before the backward pass that completes them is queued
   */
  backward(beforeLast: () => void = () => {}): void {
    checkCallback('cachedEmbeddings.backward', 'beforeLast', beforeLast);
    const leaves = [this.euclidean.handle, this.hyperbolic.handle];
    for (const { batch, first } of this.#chunks()) {
      using part = batch;
      using outputs = this.#embedder.forward(part);
      if (first + batch.count >= this.#images.count) beforeLast();
      native().backwardRows([outputs.euclidean.handle, outputs.hyperbolic.handle], leaves, first);
    }
  }

  dispose(): void {
    this.euclidean.dispose();
    this.hyperbolic.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  *#chunks(): Generator<{ batch: Batch; first: number }> {
    const { images, count, size } = this.#images;
    const { model, device } = this.#embedder.config;
    const length = size * size * 3;
    for (let first = 0; first < count; first += this.#chunk) {
      checkKept('cachedEmbeddings', 'images', images, count * length);
      const rows = Math.min(this.#chunk, count - first);
      const bytes = images.subarray(first * length, (first + rows) * length);
      yield { batch: Batch.from(bytes, { count: rows, size }, model.mean, model.std, device), first };
    }
  }
}
