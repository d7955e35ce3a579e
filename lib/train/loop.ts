import { coded } from '../errors.ts';
import { parseConfig, type RunConfig } from './config.ts';
import { createEmbedder, createLoss, createOptimizer } from './construct.ts';
import type { TrainHooks, TrainResult } from './hooks.ts';
import { Journal } from './journal.ts';
import type { Embedder } from './model.ts';
import { manualSeed, setThreads } from './native.ts';
import { learningRate } from './schedule.ts';
import { checkPictures, iterableSource, openSource } from './source.ts';
import { Batch } from './tensor.ts';

/**
 * Trains a network as a configuration says, evaluates it on classes that it never saw, and keeps the run in
 * `runs/<name>/`. The lane computes; this hands it one step after another and waits for each one's numbers.
 *
 * @param options - see `RunConfig`; what is not given takes its default
 * @throws `ERR_HOROBALL_CONFIG`; the errors of `openDataset`, of the training layer and of the file system;
 * `ERR_HOROBALL_DIVERGED` when the loss is no longer a number
 * @example
 * const { evaluations } = await train({ ds: 'shapes', geometry: 'hybrid', ep: 50 });
 */
export async function train(
  options: Readonly<Partial<RunConfig>> = {},
  hooks: TrainHooks = {},
): Promise<TrainResult> {
  const { signal } = hooks;
  const config = parseConfig(options);
  const source = hooks.data ? iterableSource(hooks.data) : await openSource(config);
  if (config.threads > 0) setThreads(config.threads);
  manualSeed(config.seed);
  using embedder = await createEmbedder(config, hooks.onWarning);
  using optimizer = createOptimizer(config, embedder);
  const loss = createLoss(config, embedder);
  const { model, device } = embedder.config;
  const journal = await Journal.open(config, source, embedder, hooks);

  try {
    await journal.begin();
    let step = 0;
    let asked = performance.now();
    for await (const pictures of source.batches(signal)) {
      const waitMs = performance.now() - asked;
      checkPictures(pictures, config);
      const lr = learningRate(config, ++step, source.steps);

      using batch = Batch.from(pictures.images, pictures, model.mean, model.std, device);
      using embeddings = embedder.forward(batch);
      using objective = loss.apply(embeddings, pictures.labels);
      objective.backward();
      if (config.clip_grad !== null) optimizer.clipGradNorm(config.clip_grad);
      optimizer.step({ lr });
      optimizer.zeroGrad();
      // The one place where the host waits for the device.
      const values = await objective.read().catch((error) => explain(error, step, embedder, batch));

      const tookMs = performance.now() - asked;
      await journal.step(step, values, { lr, count: pictures.count, waitMs, tookMs });
      if (signal?.aborted) break;
      asked = performance.now();
    }
  } catch (error) {
    if (!isAbort(error, signal)) {
      await journal.abandon(error);
      throw error;
    }
  }
  return await journal.close();
}

function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && (error === signal.reason || (error as Error).name === 'AbortError');
}

/** Says at which step a run lost its numbers, and where in the network; any other error passes. */
async function explain(error: unknown, step: number, embedder: Embedder, batch: Batch): Promise<never> {
  if ((error as { code?: unknown }).code !== 'ERR_HOROBALL_DIVERGED') throw error;
  const where = (await embedder.firstNotFinite(batch)) ?? 'the loss';
  const what = (error as Error).message.replace(/^\[.*?\] /, '');
  const message = `[train] step ${step}: ${what}; the first value that is not is in ${where}; a lower lr or a higher t_e and t_h may help`;
  throw coded('ERR_HOROBALL_DIVERGED', message);
}
