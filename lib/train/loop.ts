import { coded } from '../errors.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { RunConfig } from './config.ts';
import { Feed } from './feed.ts';
import { checkHooks, isAbort, type TrainHooks, type TrainResult } from './hooks.ts';
import { Journal } from './journal.ts';
import { Keeper } from './keeper.ts';
import { Learner } from './learner.ts';
import { manualSeed, setThreads } from './native.ts';
import { planRun, readLast } from './resume.ts';
import { RunFolder } from './run-folder.ts';
import { learningRate } from './schedule.ts';
import { checkPictures, iterableSource, openSource, type Pictures, type Source } from './source.ts';

/**
 * Trains a network as a configuration says, evaluates it on classes that it never saw, and keeps the run in
 * `runs/<name>/`. The lane computes; this hands it one step after another and waits for each one's numbers.
 *
 * The run writes checkpoints on the way; `hooks.resume` goes on from the last one, on the CPU to the same bits as if the
 * run had never been broken off (with the same libtorch and number of threads).
 *
 * @param options - see `RunConfig`; what is not given takes its default, or the run's own where one is resumed
 * @throws `ERR_HOROBALL_CONFIG`; the errors of `openDataset`, of the training layer and of the file system;
 * `ERR_HOROBALL_DIVERGED` when the loss is no longer a number
 * @example
 * const { evaluations } = await train({ ds: 'shapes', geometry: 'hybrid', ep: 50 });
 */
export async function train(
  options: Readonly<Partial<RunConfig>> = {},
  hooks: TrainHooks = {},
): Promise<TrainResult> {
  const { signal } = checkHooks(hooks);
  const { config, folder: begun } = await planRun(options, hooks.resume, hooks.onWarning);
  const checkpoint = begun === null ? null : await readLast(begun);
  const source = hooks.data ? iterableSource(hooks.data) : await openSource(config);
  if (config.threads > 0) setThreads(config.threads);
  manualSeed(config.seed);
  using learner = await Learner.create(checkpoint ? { ...config, weights: null } : config, hooks.onWarning);
  await checkpoint?.restore(learner);
  for (const warning of source.warnings) hooks.onWarning?.(warning);
  const folder = await openFolder(config, begun, checkpoint);
  const journal = new Journal(config, source, learner, hooks, folder);
  const keeper = new Keeper(config, learner, folder);

  try {
    hooks.onBegin?.(folder === null ? config : { ...config, name: folder.name });
    await takeSteps({ config, source, learner, journal, keeper, hooks }, checkpoint).catch((error) => {
      if (!isAbort(error, signal)) throw error;
    });
    const result = await journal.close();
    await keeper.save(journal, !result.interrupted);
    return result;
  } catch (error) {
    await journal.abandon(error, begun === null);
    throw error;
  } finally {
    await folder?.release();
  }
}

/** All that takes part in a run. */
interface Run {
  config: RunConfig;
  source: Source;
  learner: Learner;
  journal: Journal;
  keeper: Keeper;
  hooks: TrainHooks;
}

/** From the first step, or from where the checkpoint was made, to the last one or the one in which an abort comes. */
async function takeSteps(run: Run, checkpoint: Checkpoint | null): Promise<void> {
  const { config, source, learner, journal, keeper, hooks } = run;
  const { signal } = hooks;
  if (checkpoint === null) await journal.begin();
  else await goOn(run, checkpoint);
  let step = journal.taken;
  let began = performance.now();
  await using feed = feedOf(config, source.batches(step, signal), hooks.data ? null : learner);
  for (let next = await feed.next(); next !== null; next = await feed.next()) {
    using fed = next;
    const { pictures, waitMs } = fed;
    const { labels, count } = pictures;
    const lr = learningRate(config, ++step, source.steps);
    const scalars = learner.scalars();

    using embeddings = learner.embed(pictures, fed.batch);
    using rows = learner.compared(embeddings, labels);
    using objective = learner.loss.apply(rows, rows.labels, scalars);
    learner.backward(objective, embeddings, rows.factor);
    await feed.ahead();
    learner.update(lr, step);
    // The one place where the host waits for the device.
    const outcome = await learner
      .finish(objective, embeddings, labels, { lr, factor: rows.factor, wantPoints: journal.ends(step) })
      .catch((error) => explain(error, step, learner, pictures));

    const tookMs = performance.now() - began;
    await journal.step(step, outcome, { lr, scalars, count, waitMs, tookMs });
    await keeper.step(journal);
    if (signal?.aborted) break;
    began = performance.now();
  }
}

/**
 * On a GPU batches are sent ahead, unless a step sends them in chunks; not the caller's own (`learner` is null), who may
 * fill one array again and again.
 */
function feedOf(config: RunConfig, batches: AsyncIterable<Pictures>, learner: Learner | null): Feed {
  const isAhead = config.device !== 'cpu' && config.chunk === null;
  const send = learner !== null && isAhead ? (pictures: Pictures) => learner.batch(pictures) : null;
  return new Feed(batches, (pictures) => checkPictures(pictures, config), send);
}

async function openFolder(
  config: RunConfig,
  begun: string | null,
  checkpoint: Checkpoint | null,
): Promise<RunFolder | null> {
  if (begun !== null) return await RunFolder.reopen(begun, config, checkpoint?.position.metricsBytes ?? 0);
  const { runs } = config;
  return runs === null ? null : await RunFolder.create({ ...config, runs });
}

async function goOn({ config, journal, keeper, hooks }: Run, checkpoint: Checkpoint): Promise<void> {
  const changed = checkpoint.changedMachine(config);
  if (changed !== null) hooks.onWarning?.(changed);
  await keeper.resume(checkpoint.position);
  await journal.resume(checkpoint.position);
  await keeper.step(journal); // it may have caught up with an evaluation
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
