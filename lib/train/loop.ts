import { coded } from '../errors.ts';
import { parseConfig, type RunConfig } from './config.ts';
import type { TrainHooks, TrainResult } from './hooks.ts';
import { Journal } from './journal.ts';
import { Learner } from './learner.ts';
import { manualSeed, setThreads } from './native.ts';
import { learningRate } from './schedule.ts';
import { checkPictures, iterableSource, openSource, type Pictures } from './source.ts';

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
  using learner = await Learner.create(config, hooks.onWarning);
  const journal = await Journal.open(config, source, learner, hooks);

  try {
    await journal.begin();
    let step = 0;
    let asked = performance.now();
    for await (const pictures of source.batches(signal)) {
      const waitMs = performance.now() - asked;
      checkPictures(pictures, config);
      const { labels, count } = pictures;
      const lr = learningRate(config, ++step, source.steps);
      const scalars = learner.scalars();

      using embeddings = learner.embed(pictures);
      using rows = learner.compared(embeddings, labels);
      using objective = learner.loss.apply(rows, rows.labels, scalars);
      learner.backward(objective, embeddings, rows.factor);
      learner.update(lr, step);
      // The one place where the host waits for the device.
      const outcome = await learner
        .finish(objective, embeddings, labels, { lr, factor: rows.factor, wantPoints: journal.ends(step) })
        .catch((error) => explain(error, step, learner, pictures));

      const tookMs = performance.now() - asked;
      await journal.step(step, outcome, { lr, scalars, count, waitMs, tookMs });
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
async function explain(error: unknown, step: number, learner: Learner, pictures: Pictures): Promise<never> {
  if ((error as { code?: unknown }).code !== 'ERR_HOROBALL_DIVERGED') throw error;
  const what = (error as Error).message.replace(/^\[.*?\] /, '');
  const where = (await learner.firstNotFinite(pictures)) ?? (what.startsWith('the loss') ? 'the loss' : null);
  const place = where === null ? '' : `; the first value that is not is in ${where}`;
  const message = `[train] step ${step}: ${what}${place}; a lower lr or a higher t_e and t_h may help`;
  throw coded('ERR_HOROBALL_DIVERGED', message);
}
