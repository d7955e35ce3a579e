import {
  AdamW,
  Batch,
  Embedder,
  HybridLoss,
  type ImageBatch,
  ImageLoader,
  imageFolder,
  type Precision,
  type SquareViT,
} from '../lib/train/index.ts';
import type { TimedSide } from './measure.ts';
import { lossSettings } from './shapes.ts';

/** Samples per class in a batch, and the embedding size. */
export const views = 2;
export const dim = 128;
/** Batches prefetched before a round starts, on either side; not counted in the round. */
const readAhead = 6;

/** The settings of both sides. */
export interface Setting {
  readonly model: SquareViT;
  readonly threads: number;
  readonly batch: number;
  /** The data set: a folder with the subfolders `train` and `test`. */
  readonly folder: string;
}

/** Returns a side that measures the mean time per batch, over `batches` batches after the prefetched ones. */
export function steady(timed: TimedSide, batches: number): TimedSide {
  return {
    sample: async (budgetMs) => {
      const times = (await timed.sample(budgetMs, readAhead + batches)).slice(readAhead);
      return [times.reduce((sum, ms) => sum + ms, 0) / times.length];
    },
  };
}

function timed(run: () => Promise<unknown>): TimedSide {
  return {
    sample: async (_, least = 1) => {
      const times: number[] = [];
      for (let call = 0; call < least; ++call) {
        const start = performance.now();
        await run();
        times.push(performance.now() - start);
      }
      return times;
    },
  };
}

/** A network in training. */
class Network implements Disposable {
  readonly embedder: Embedder;
  readonly optimizer: AdamW;

  constructor(embedder: Embedder) {
    this.embedder = embedder;
    this.optimizer = new AdamW(embedder, { lr: 3e-5 });
  }

  static async make(model: SquareViT, precision: Precision): Promise<Network> {
    const head = { head: 'hypmix', dim, clipR: 2.3, c: lossSettings.c } as const;
    return new Network(await Embedder.create({ model, ...head, seed: 0, freezePatchEmbed: true, precision }));
  }

  [Symbol.dispose](): void {
    this.optimizer.dispose();
    this.embedder.dispose();
  }
}

/** horoball's networks and endless batches. */
export class Ours implements AsyncDisposable {
  readonly #float: Network;
  /** The network whose backbone computes in bfloat16. */
  readonly #half: Network;
  readonly #loss: HybridLoss;
  readonly #batches: AsyncIterator<ImageBatch>;
  readonly #still: ImageBatch;

  private constructor(float: Network, half: Network, batches: AsyncIterator<ImageBatch>, still: ImageBatch) {
    this.#float = float;
    this.#half = half;
    this.#loss = new HybridLoss({ geometry: 'hybrid', tied: true, views, ...lossSettings });
    this.#batches = batches;
    this.#still = still;
  }

  static async make({ model, batch, folder, threads }: Setting): Promise<Ours> {
    const [float, half] = [await Network.make(model, 'float32'), await Network.make(model, 'bfloat16')];
    const { train: split } = await imageFolder(folder);
    const loader = new ImageLoader(split, {
      size: model.imgSize,
      mode: 'train',
      seed: 0,
      concurrency: 2 * threads, // as by default
    });
    const batches = loader.batches(endless(split.samples.length, batch))[Symbol.asyncIterator]();
    return new Ours(float, half, batches, await nextOf(batches));
  }

  /**
   * Returns the sides to time: batches from the loader; steps on a prefetched batch, in float32 and in bfloat16; float32
   * steps on batches from the loader.
   */
  timedSides(): { loading: TimedSide; step: TimedSide; halfStep: TimedSide; both: TimedSide } {
    return {
      loading: timed(() => nextOf(this.#batches)),
      step: timed(() => this.#step(this.#float, this.#still)),
      halfStep: timed(() => this.#step(this.#half, this.#still)),
      both: timed(async () => this.#step(this.#float, await nextOf(this.#batches))),
    };
  }

  async #step({ embedder, optimizer }: Network, samples: ImageBatch): Promise<void> {
    const { mean, std } = embedder.config.model;
    using batch = Batch.from(samples.images, samples, mean, std);
    using embeddings = embedder.forward(batch);
    using objective = this.#loss.apply(embeddings);
    objective.backward();
    optimizer.clipGradNorm(3);
    optimizer.step();
    optimizer.zeroGrad();
    await objective.read();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#batches.return?.();
    this.#float[Symbol.dispose]();
    this.#half[Symbol.dispose]();
  }
}

async function nextOf(batches: AsyncIterator<ImageBatch>): Promise<ImageBatch> {
  return (await batches.next()).value as ImageBatch;
}

/** Endless batches of sample indices. */
function* endless(count: number, size: number): Generator<Int32Array> {
  for (let begin = 0; ; begin = (begin + size) % count) {
    yield Int32Array.from({ length: size }, (_, i) => (begin + i) % count);
  }
}
