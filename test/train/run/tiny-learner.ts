// Learners with a network that can be created in milliseconds, and training steps on random images.
import type { LabeledBatch } from '../../../lib/train/data/types.ts';
import type { RunConfig } from '../../../lib/train/options/options.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import type { Learner, StepOutcome } from '../../../lib/train/run/learner.ts';
import { randomImages, tinyViT } from '../helpers.ts';

/** The configuration of a run of the tiny network. */
export function tinyConfig(options: Partial<RunConfig> = {}): RunConfig {
  const sizes = { crop: tinyViT.imgSize, resize: tinyViT.imgSize, emb: 6, bs: 8, num_samples: 2 };
  const { imgSize, patchSize, embedDim, depth, numHeads, mean, std } = tinyViT;
  const model = JSON.stringify({
    img_size: imgSize,
    patch_size: patchSize,
    embed_dim: embedDim,
    depth,
    num_heads: numHeads,
    mean,
    std,
  });
  return parseConfig({
    ds: 'folder',
    path: '.',
    runs: null,
    weights: null,
    freeze: null,
    model,
    ...sizes,
    ...options,
  });
}

/** Eight images of four classes. */
export function tinySamples(seed = 1, first = 0): LabeledBatch {
  const labels = Int32Array.from({ length: 8 }, (_, row) => first + (row >> 1));
  return { images: randomImages(8, seed), count: 8, size: tinyViT.imgSize, labels };
}

/** Takes a training step, as the loop does. */
export async function takeStep(
  learner: Learner,
  step: number,
  samples: LabeledBatch = tinySamples(step),
  lr = 1e-3,
): Promise<StepOutcome> {
  using embeddings = await learner.embed(samples);
  using whole = learner.gather(embeddings, samples);
  using rows = learner.compared(whole, whole.labels);
  using objective = learner.loss.apply(rows, rows.labels, learner.scalars());
  await learner.backward(objective, embeddings, rows.factor);
  learner.update(lr, step);
  return await learner.finish(objective, whole, whole.labels, { lr, factor: rows.factor, wantPoints: true });
}
