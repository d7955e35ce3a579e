import { checkCallback, integer } from '../../check.ts';
import { checkKept } from '../../matrix.ts';
import { Embedder, type Embeddings } from './embedder.ts';
import { checkSquareImages, type SquareImages } from './inputs.ts';
import { native } from './native.ts';
import { Batch, checkResource, Tensor } from './tensor.ts';

/** The embeddings of a chunked batch, as leaves of the loss's autograd graph. */
abstract class Leaves implements Disposable {
  /** Unit vectors, count x dim. */
  readonly euclidean: Tensor;
  /** Points of the ball, count x dim. */
  readonly hyperbolic: Tensor;

  constructor({ euclidean, hyperbolic }: Outputs) {
    this.euclidean = euclidean;
    this.hyperbolic = hyperbolic;
  }

  dispose(): void {
    this.euclidean.dispose();
    this.hyperbolic.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

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
export class CachedEmbeddings extends Leaves {
  readonly #chunks: Chunks;

  /**
   * Queues the first pass.
   * @param images - read later, on the training thread: before you modify the bytes, call `backward` and await a read,
   * such as `objective.read()`
   * @param chunk - images per graph, 1 or more
   * @throws RangeError `ERR_HOROBALL_RANGE` for an invalid chunk size
   */
  constructor(embedder: Embedder, images: SquareImages, chunk: number) {
    const chunks = new Chunks(embedder, images, chunk);
    super(chunks.joined([...chunks].map((each) => chunks.embed(each))));
    this.#chunks = chunks;
  }

  /**
   * Embeds each chunk again and accumulates the parameters' gradients. Call it after the loss's `backward`.
   * @param beforeLast - called just before the backward pass of the last chunk is queued; that pass completes the gradients
   */
  backward(beforeLast: () => void = () => {}): void {
    checkCallback('cachedEmbeddings.backward', 'beforeLast', beforeLast);
    for (const each of this.#chunks) {
      if (each.isLast) beforeLast();
      this.#chunks.backward(each, this);
    }
  }
}

/** Like {@link CachedEmbeddings}, but awaits callbacks between the chunks, so that a training run can stop there. */
export class SteppedEmbeddings extends Leaves {
  readonly #chunks: Chunks;

  private constructor(chunks: Chunks, parts: readonly Embeddings[]) {
    super(chunks.joined(parts));
    this.#chunks = chunks;
  }

  /** Runs the first pass chunk by chunk. `between` is awaited after each chunk and may throw to stop. */
  static async create(
    embedder: Embedder,
    images: SquareImages,
    chunk: number,
    between: () => Promise<void>,
  ): Promise<SteppedEmbeddings> {
    const chunks = new Chunks(embedder, images, chunk);
    const parts: Embeddings[] = [];
    try {
      for (const each of chunks) {
        parts.push(chunks.embed(each));
        await between();
      }
    } catch (error) {
      for (const part of parts) part.dispose();
      throw error;
    }
    return new SteppedEmbeddings(chunks, parts);
  }

  /** Runs the backward pass chunk by chunk. The callbacks are awaited and may throw to stop. */
  async backward(between: () => Promise<void>, beforeLast: () => Promise<void>): Promise<void> {
    for (const each of this.#chunks) {
      if (each.isLast) await beforeLast();
      this.#chunks.backward(each, this);
      if (!each.isLast) await between();
    }
  }
}

interface Chunk {
  first: number;
  count: number;
  isLast: boolean;
}

class Chunks {
  readonly images: SquareImages;
  readonly #embedder: Embedder;
  readonly #size: number;

  constructor(embedder: Embedder, images: SquareImages, size: number) {
    this.#size = integer('cachedEmbeddings', 'chunk', size, 1, Number.MAX_SAFE_INTEGER);
    this.#embedder = checkResource('cachedEmbeddings', 'embedder', embedder, Embedder);
    this.images = checkSquareImages('cachedEmbeddings', images);
  }

  *[Symbol.iterator](): Generator<Chunk> {
    const { count } = this.images;
    for (let first = 0; first < count; first += this.#size)
      yield { first, count: Math.min(this.#size, count - first), isLast: first + this.#size >= count };
  }

  /**
   * Queues the forward pass of a chunk.
   *
   * @param train - whether to build a graph
   */
  embed({ first, count }: Chunk, train: boolean = false): Embeddings {
    const { images, count: all, size } = this.images;
    const { model, device } = this.#embedder.config;
    const length = size * size * 3;
    checkKept('cachedEmbeddings', 'images', images, all * length);
    const bytes = images.subarray(first * length, (first + count) * length);
    using batch = Batch.from(bytes, { count, size }, model.mean, model.std, device);
    return this.#embedder.forward(batch, { train, purpose: 'training' });
  }

  /** Concatenates the outputs of all chunks into leaves, and disposes of the outputs. */
  joined(parts: readonly Embeddings[]): Outputs {
    const shape = [this.images.count, this.#embedder.config.dim];
    const leaf = (of: keyof Outputs): Tensor =>
      new Tensor(native().leaf(parts.map((part) => part[of].handle)), shape);
    const leaves = { euclidean: leaf('euclidean'), hyperbolic: leaf('hyperbolic') };
    for (const part of parts) part.dispose();
    return leaves;
  }

  /** Embeds a chunk again, and backpropagates the leaves' gradients for its rows. */
  backward(chunk: Chunk, { euclidean, hyperbolic }: Outputs): void {
    using outputs = this.embed(chunk, true);
    const handles = [outputs.euclidean.handle, outputs.hyperbolic.handle];
    native().backwardRows(handles, [euclidean.handle, hyperbolic.handle], chunk.first);
  }
}

interface Outputs {
  euclidean: Tensor;
  hyperbolic: Tensor;
}
