import {
  AdamW,
  Batch,
  Embedder,
  HybridLoss,
  type ImageBatch,
  ImageLoader,
  imageFolder,
  type ViTConfig,
} from '../lib/train/index.ts';
import type { Player } from './measure.ts';
import { lossSettings } from './shapes.ts';

/** Samples a class in a batch, and columns of the head. */
export const views = 2;
export const dim = 128;
/** Batches that stand ready when a turn begins, on either side; a turn leaves them out. */
const readAhead = 6;

/** What both sides train with. */
export interface Setting {
  readonly model: ViTConfig;
  readonly threads: number;
  readonly batch: number;
  /** Holds `train` and `test`. */
  readonly folder: string;
}

/** Throughput past what stood ready when the turn began. */
export function steady(player: Player): Player {
  return {
    sample: async (budgetMs) => {
      const times = (await player.sample(budgetMs, 2 * readAhead)).slice(readAhead);
      return [times.reduce((sum, ms) => sum + ms, 0) / times.length];
    },
  };
}

function timed(run: () => Promise<unknown>): Player {
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

/** Horoball's network, optimiser and endless batches. */
export class Ours implements AsyncDisposable {
  readonly #embedder: Embedder;
  readonly #optimizer: AdamW;
  readonly #loss: HybridLoss;
  readonly #batches: AsyncIterator<ImageBatch>;
  readonly #still: ImageBatch;

  private constructor(embedder: Embedder, batches: AsyncIterator<ImageBatch>, still: ImageBatch) {
    this.#embedder = embedder;
    this.#optimizer = new AdamW(embedder, { lr: 3e-5 });
    this.#loss = new HybridLoss({ geometry: 'hybrid', tied: true, views, ...lossSettings });
    this.#batches = batches;
    this.#still = still;
  }

  static async make({ model, batch, folder, threads }: Setting): Promise<Ours> {
    const embedder = await Embedder.create({
      model,
      head: 'hypmix',
      dim,
      clipR: 2.3,
      c: lossSettings.c,
      seed: 0,
      freezePatchEmbed: true,
    });
    const { train: split } = await imageFolder(folder);
    const loader = new ImageLoader(split, {
      size: model.imgSize,
      mode: 'train',
      seed: 0,
      concurrency: threads,
    });
    const batches = loader.batches(endless(split.samples.length, batch))[Symbol.asyncIterator]();
    return new Ours(embedder, batches, await nextOf(batches));
  }

  /** Batches from the loader; steps on a batch that stands ready; steps on batches from the loader. */
  players(): { loading: Player; step: Player; both: Player } {
    return {
      loading: steady(timed(() => nextOf(this.#batches))),
      step: timed(() => this.#step(this.#still)),
      both: steady(timed(async () => this.#step(await nextOf(this.#batches)))),
    };
  }

  async #step(pictures: ImageBatch): Promise<void> {
    const { mean, std } = this.#embedder.config.model;
    using batch = Batch.from(pictures.images, pictures, mean, std);
    using embeddings = this.#embedder.forward(batch);
    using objective = this.#loss.apply(embeddings);
    objective.backward();
    this.#optimizer.clipGradNorm(3);
    this.#optimizer.step();
    this.#optimizer.zeroGrad();
    await objective.read();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#batches.return?.();
    this.#optimizer.dispose();
    this.#embedder.dispose();
  }
}

async function nextOf(batches: AsyncIterator<ImageBatch>): Promise<ImageBatch> {
  return (await batches.next()).value as ImageBatch;
}

/** Batches of sample indices without end. */
function* endless(count: number, size: number): Generator<Int32Array> {
  for (let begin = 0; ; begin = (begin + size) % count) {
    yield Int32Array.from({ length: size }, (_, i) => (begin + i) % count);
  }
}
