import { integer } from '../check.ts';
import type { Embedder } from './model.ts';
import { native } from './native.ts';
import type { Pictures } from './source.ts';
import { Batch, Tensor } from './tensor.ts';

/**
 * The embeddings of a batch too big for one graph (gradient caching, Gao et al. 2021, arXiv 2101.06983): the pictures
 * are embedded `chunk` at a time without a graph, the loss is taken once over all rows, and `backward` embeds each
 * chunk again to send its rows of the loss's gradient through the network. Memory is that of one chunk's graph and the
 * whole batch's bytes and embeddings; time is one forward pass more. The network draws nothing at random, so both
 * passes give the same embeddings.
 */
export class CachedEmbeddings implements Disposable {
  /** Unit vectors, count x dim. */
  readonly euclidean: Tensor;
  /** Points of the ball, count x dim. */
  readonly hyperbolic: Tensor;
  readonly #embedder: Embedder;
  readonly #pictures: Pictures;
  readonly #chunk: number;

  /**
   * Queues the first pass.
   * @param pictures - read later, on the lane: leave the bytes as they are until `backward` has been waited for
   * @param chunk - pictures a graph
   */
  constructor(embedder: Embedder, pictures: Pictures, chunk: number) {
    integer('cachedEmbeddings', 'chunk', chunk, 1, Number.MAX_SAFE_INTEGER);
    this.#embedder = embedder;
    this.#pictures = pictures;
    this.#chunk = chunk;
    const parts = [...this.#chunks()].map(({ batch }) => {
      using pictures = batch;
      return embedder.forward(pictures, { train: false, purpose: 'training' });
    });
    const shape = [pictures.count, embedder.config.dim];
    const leaf = (of: 'euclidean' | 'hyperbolic'): Tensor =>
      new Tensor(native().leaf(parts.map((part) => part[of].handle)), shape);
    this.euclidean = leaf('euclidean');
    this.hyperbolic = leaf('hyperbolic');
    for (const part of parts) part.dispose();
  }

  /** After the loss's `backward`: embeds again and adds to the parameters' gradients. */
  backward(): void {
    const leaves = [this.euclidean.handle, this.hyperbolic.handle];
    for (const { batch, first } of this.#chunks()) {
      using pictures = batch;
      using outputs = this.#embedder.forward(pictures);
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
    const { images, count, size } = this.#pictures;
    const { model, device } = this.#embedder.config;
    const length = size * size * 3;
    for (let first = 0; first < count; first += this.#chunk) {
      const rows = Math.min(this.#chunk, count - first);
      const bytes = images.subarray(first * length, (first + rows) * length);
      yield { batch: Batch.from(bytes, { count: rows, size }, model.mean, model.std, device), first };
    }
  }
}
