// The training steps of `npm run bench:gpu`: images are bytes on the host, sent to the device while the previous step
// computes. Prints one JSON object per line, like native/test/gpu_bench.cu.
// node dist/bench/gpu-train.js [device] [largest batch size]
import {
  AdamW,
  Batch,
  Embedder,
  HybridLoss,
  type Precision,
  type SquareViT,
  vitConfigs,
} from '../lib/train/index.ts';
import { median } from './measure.ts';
import { lossSettings } from './shapes.ts';

const [device = 'cuda', most = '1000000'] = process.argv.slice(2);
const [views, dim] = [2, 128];
const [warmUps, measured] = [3, 12];

/** The training steps to time: model, precision and batch size; bench/peers/gpu.py times the same ones. */
const steps: readonly (readonly [model: keyof typeof vitConfigs, precision: Precision, batch: number])[] =
  Number(most) > 64
    ? [
        ['vit_small_patch16_224', 'bfloat16', 900],
        ['vit_small_patch16_224', 'float32', 900],
        ['vit_nano', 'bfloat16', 96],
      ]
    : [['vit_nano', 'float32', Number(most)]];

/**
 * Returns the number of operations of the blocks' matrix products, forward and (twice as many) backward, as in
 * peers/gpu.py.
 */
function flops({ imgSize, patchSize, embedDim: width, depth }: SquareViT, images: number): number {
  const tokens = (imgSize / patchSize) ** 2 + 1;
  return 3 * 2 * images * depth * tokens * width * (12 * width + 2 * tokens);
}

/** Returns the median time of several steps, in milliseconds. */
async function time(model: SquareViT, precision: Precision, batch: number): Promise<number> {
  const head = { head: 'hypmix', dim, clipR: 2.3, c: lossSettings.c } as const;
  const options = { model, ...head, seed: 0, device: device as 'cuda', freezePatchEmbed: true, precision };
  using embedder = await Embedder.create(options);
  using optimizer = new AdamW(embedder, { lr: 3e-5 });
  const loss = new HybridLoss({ geometry: 'hybrid', tied: true, views, ...lossSettings });
  const size = model.imgSize;
  const bytes = Uint8Array.from(
    { length: batch * size * size * 3 },
    (_, i) => Math.imul(i, 0x9e3779b9) >>> 24,
  );
  const send = (): Batch => Batch.from(bytes, { count: batch, size }, model.mean, model.std, options.device);
  const times: number[] = [];
  let next = send();
  try {
    for (let step = 0; step < warmUps + measured; ++step) {
      const begin = performance.now();
      using images = next;
      using embeddings = embedder.forward(images);
      using objective = loss.apply(embeddings);
      objective.backward();
      next = send();
      optimizer.clipGradNorm(3);
      optimizer.step();
      optimizer.zeroGrad();
      await objective.read();
      if (step >= warmUps) times.push(performance.now() - begin);
    }
  } finally {
    next.dispose();
  }
  return median(times);
}

for (const [name, precision, batch] of steps) {
  try {
    const ms = await time(vitConfigs[name], precision, batch);
    const row = { side: 'horoball', op: `training step, ${precision}`, shape: `${name} x ${batch}`, ms };
    process.stdout.write(
      `${JSON.stringify({ ...row, gflops: flops(vitConfigs[name], batch) / ms / 1e6 })}\n`,
    );
  } catch (error) {
    process.stderr.write(
      `horoball, training step, ${precision}, ${name} x ${batch}: ${(error as Error).message}\n`,
    );
    process.exitCode = 1;
  }
}
