import { lstat, readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { coded } from '../../errors.ts';
import { readInside } from '../../io/inside.ts';
import { checkSameRun, finalName, type RunPath, stepOf } from '../../io/run-path.ts';
import { shellWord } from '../../io/shell.ts';
import { fingerprintOf, identityText } from '../data/fingerprint.ts';
import { openDataset } from '../data/registry.ts';
import type { Dataset } from '../data/types.ts';
import { evenEpochs, lastEpoch } from '../options/epochs.ts';
import { differing, type RunConfig, unrelated } from '../options/options.ts';
import { configError, parseConfig } from '../options/resolve.ts';
import { bestName, Checkpoint, lastName } from './checkpoint.ts';
import { type ChunkOptions, withChunk } from './chunk.ts';
import { initialWeightsOf } from './construct.ts';
import { areOfSameRun, outlineOf, savedOptions } from './contents.ts';
import { runHolder } from './lock.ts';
import { normalizeOptions } from './normalize.ts';
import { readConfig, readRows, rowsAfter } from './read.ts';
import type { Row } from './record.ts';

/** A new run, or a run to resume. */
export interface RunPlan {
  config: RunConfig;
  /** The folder of a run to resume; null for a new run. */
  folder: string | null;
}

/** Options of {@link planRun}. */
export interface PlanOptions {
  /**
   * A run folder; `auto` for the unfinished run with the same options and data (with `name`: the run of that name),
   * otherwise a new run.
   */
  resume?: string | null | undefined;
  /** Receives messages, as in `normalizeOptions`. */
  note?: ((text: string) => void) | undefined;
  /** The ranks that train together, as in {@link ChunkOptions}. */
  ranks?: ChunkOptions['ranks'];
}

/**
 * Resolves the options of a run, and finds the run to resume.
 * @throws `ERR_HOROBALL_CONFIG` for an invalid option, or one that differs from the resumed run; `ERR_HOROBALL_RUN` if
 * `resume` is not a run folder
 */
export async function planRun(
  options: Readonly<Partial<RunConfig>>,
  { resume = null, note, ranks }: PlanOptions = {},
): Promise<RunPlan> {
  if (resume !== null && resume !== 'auto') return await planFolder(resume, options);
  const config = await normalizeOptions(parseConfig({ ...options }), note);
  const interrupted = resume === 'auto' ? await planAuto(config, note) : null;
  if (interrupted !== null) return interrupted;
  const frozen = frozenText(config);
  if (frozen !== null) note?.(frozen);
  return { config: withChunk(config, { note, ranks }), folder: null };
}

/** Peak learning rates below this one are for pretrained weights. */
const fineTuningRate = 1e-4;

/** Returns a message if random weights are frozen: the published defaults freeze the patch embedding. */
function frozenText({ weights, freeze, lr }: RunConfig): string | null {
  if (weights !== null || freeze === null) return null;
  const [kept, their] =
    freeze === 0
      ? ['the patch embedding', 'its']
      : [`the patch embedding and ${freeze === 1 ? 'a block' : `${freeze} blocks`}`, 'their'];
  const rate = lr < fineTuningRate ? ' --lr 0.001' : '';
  return `the weights are random and --freeze ${freeze} keeps ${kept} at ${their} random values. Try --freeze None${rate}`;
}

async function planFolder(folder: string, options: Readonly<Record<string, unknown>>): Promise<RunPlan> {
  const original = await readConfig(folder);
  const config = await normalizeOptions(
    parseConfig({ ...original, ...withAdaptedEvaluations(original, options) }),
  );
  const other = differing(original, config);
  if (other !== undefined) {
    const message = `[train] ${other}: expected ${original[other]}, the value that the run ${folder} started with, got ${config[other]}. Omit the option, or start a new run.`;
    throw configError(message);
  }
  return { config, folder };
}

/** If `ep` is given without `eval_ep`, adapts an `eval_ep` that was the default or just the last epoch. */
function withAdaptedEvaluations(
  original: RunConfig,
  options: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  if (given['ep'] === undefined || given['eval_ep'] !== undefined) return given;
  if (original.eval_ep === lastEpoch(original.ep))
    return { ...given, eval_ep: lastEpoch(String(given['ep'])) };
  return original.eval_ep === evenEpochs(original.ep) ? { ...given, eval_ep: undefined } : given;
}

/** Finds the run to resume; null to start a new one. */
async function planAuto(config: RunConfig, note?: (text: string) => void): Promise<RunPlan | null> {
  const { runs, name } = config;
  if (runs === null)
    throw configError(
      '[train] resume: expected runs to be a folder, got None, which stores nothing. Pass --runs.',
    );
  if (name !== null) {
    const folder = join(runs, name);
    const begun = await exists(join(folder, 'config.json'));
    return begun ? await planFolder(folder, { ...config, chunk: config.chunk ?? undefined }) : null;
  }
  for (const folder of await newestFirst(runs)) {
    const original = await readConfig(folder).catch(() => null);
    if (original === null) continue;
    const like = { ...config, chunk: config.chunk ?? original.chunk }; // an automatic chunk size depends on free memory
    if (differing(original, like, unrelated)) continue;
    const other = await runHolder(folder);
    if (other !== null) {
      note?.(`${other.holder} is already using ${folder}, a run with these options, so it is not resumed`);
      continue;
    }
    if (await isOver(folder)) continue;
    const isSamePath = resolve(original.path) === resolve(config.path);
    const isSameData = await hasSameData(folder, isSamePath, config);
    if (isSameData && (await hasSameWeights(folder, config))) return { config: like, folder };
    const changed = isSameData
      ? `${config.weights} no longer has the initial weights`
      : isSamePath
        ? `${config.path} is not the data`
        : null;
    if (changed !== null) note?.(`${changed} of ${folder}, a run with these options, so it is not resumed`);
  }
  return null;
}

/**
 * Whether a run was trained on the data set at `path`, which may have moved. A run on other data must not be chosen:
 * resuming it would be refused or, if it has no checkpoint, would start it again with this data.
 * @param isSamePath - whether the run has the same path, which a run without a checkpoint must have. The data may still differ:
 * a relative path may have been that of another working folder.
 */
async function hasSameData(folder: string, isSamePath: boolean, { ds, path }: RunConfig): Promise<boolean> {
  const saved = (await outlineOf(join(folder, lastName)))?.position.data;
  if (!saved) return isSamePath;
  const found = await openDataset(ds, path).then(fingerprintOf, () => null); // training reports the error
  return found === saved.fingerprint;
}

/**
 * Whether a run began with the weights that `weights` refers to now; true if that is unknown. They may have been deleted,
 * because a resumed run does not read them.
 */
async function hasSameWeights(folder: string, config: RunConfig): Promise<boolean> {
  const saved = (await outlineOf(join(folder, lastName)))?.position.weights ?? null;
  return saved === null || (await initialWeightsOf(config).catch(() => saved)) === saved;
}

/**
 * Checks that a checkpoint belongs to the run that config.json describes. With a damaged config.json or a checkpoint of
 * another run, training would silently continue with different settings.
 * @throws `ERR_HOROBALL_CHECKPOINT` naming the option
 */
export function checkOrigin({ config: saved }: Checkpoint, config: RunConfig, folder: string): void {
  const other = differing(saved, config);
  if (other === undefined) return;
  const message = `[train] resume: expected ${lastName} in ${folder} to belong to the run in config.json, got a different ${other} (${saved[other]} instead of ${config[other]}). Restore both files from the same backup.`;
  throw coded('ERR_HOROBALL_CHECKPOINT', message);
}

/**
 * Describes an option whose value in config.json differs from that in the weights of a run or, if these store no options, in
 * its last checkpoint; null if all agree, or if neither file stores options. Unlike those files, config.json has no checksum
 * that would detect an edit.
 *
 * @throws `ERR_HOROBALL_WEIGHTS` if the weights and the last checkpoint belong to different runs
 */
export async function changedOption(path: RunPath): Promise<string | null> {
  await checkSameRun(path);
  const { folder, weights } = path;
  for (const file of [weights, join(folder, lastName)]) {
    const saved = await savedOptions(file);
    if (saved === null) continue;
    const config = await readConfig(folder);
    const other = differing(saved, config);
    if (other === undefined) return null;
    return `${other} is ${config[other]} in config.json and ${saved[other]} in ${basename(file)}, so config.json was changed after training; the value in config.json is used`;
  }
  return null;
}

/**
 * Returns a warning if a data set is not the one that a run was trained on, because some of its test images may then be of
 * training classes; null if it is the same, or if that is unknown.
 */
export async function changedData(
  { folder, weights }: RunPath,
  { root, ...splits }: Dataset,
): Promise<string | null> {
  for (const file of [weights, join(folder, lastName)]) {
    const saved = (await outlineOf(file))?.position.data;
    if (!saved) continue;
    if ((await fingerprintOf(splits)) === saved.fingerprint) return null;
    return `${root} is not the data that the run was trained on (${identityText(saved)}), so test images may belong to training classes`;
  }
  return null;
}

/**
 * Whether a run is complete, or cannot be resumed: it has taken steps and has final weights, but no checkpoint, or one from
 * before a session without checkpoints.
 */
async function isOver(folder: string): Promise<boolean> {
  if (!(await exists(join(folder, lastName))))
    return (await exists(join(folder, finalName))) && (await tookSteps(folder));
  const { complete, step } = await Checkpoint.position(folder);
  return complete || (await stepWithoutCheckpoint(folder, step)) !== null;
}

/**
 * Returns the step of the final weights if the last session wrote no checkpoints and its weights are of a later step than
 * the last checkpoint; otherwise null.
 */
async function stepWithoutCheckpoint(folder: string, step: number): Promise<number | null> {
  const config = await readConfig(folder).catch(() => null); // resuming reports the error
  if (config?.save_every !== null) return null;
  const final = await stepOf(join(folder, finalName));
  return final !== null && final > step ? final : null;
}

/** Whether the log has a step; a run without steps can start again. */
async function tookSteps(folder: string): Promise<boolean> {
  const metrics = await readInside(join(folder, 'metrics.jsonl')).catch(() => null);
  return metrics?.includes('"type":"step"') ?? false;
}

/**
 * Reads the last checkpoint of a run; null if the run ended before its first checkpoint and can start again.
 * @throws `ERR_HOROBALL_CHECKPOINT` if the run wrote its weights without a checkpoint, or its checkpoint was lost; the errors
 * of `Checkpoint.read`
 */
export async function readLastCheckpoint(folder: string): Promise<Checkpoint | null> {
  if (await exists(join(folder, lastName))) return await Checkpoint.read(folder);
  if (!(await isOver(folder))) {
    await checkUnwritten(folder);
    return null;
  }
  const message = `[train] resume: expected a checkpoint (${lastName}), got ${folder}, which has weights but no ${lastName}: it ran with --save_every None, failed before its first checkpoint, or lost it. Start a new run; --weights ${shellWord(folder)} begins with these weights.`;
  throw coded('ERR_HOROBALL_CHECKPOINT', message);
}

/**
 * Checks that a run has not continued after the checkpoint in `last.safetensors`, either in a session without checkpoints
 * or with a later checkpoint that was then replaced by an earlier one. Resuming would discard the later part of its log, and
 * replace its weights and a better `best.safetensors`. A copy of `best.safetensors` is accepted, because a run that lost its
 * last checkpoint is resumed from such a copy.
 *
 * @param warn - receives a message if rows of the log are discarded
 * @throws `ERR_HOROBALL_CHECKPOINT`
 */
export async function checkLast(
  folder: string,
  { config, position }: Checkpoint,
  warn: (text: string) => void,
): Promise<void> {
  const final = await stepWithoutCheckpoint(folder, position.step);
  if (final !== null) {
    const message = `[train] resume: expected a checkpoint of step ${final}, the step at which ${finalName} was saved, got the checkpoint from step ${position.step} in ${folder}, because the last session had --save_every None. Start a new run with --weights ${shellWord(join(folder, finalName))}, or delete ${finalName} to repeat the steps after ${position.step}.`;
    throw coded('ERR_HOROBALL_CHECKPOINT', message);
  }
  const best = await outlineOf(join(folder, bestName));
  const bestStep = best !== null && areOfSameRun(best, { config, position }) ? best.position.step : 0;
  const { save_every: saveEvery } = await readConfig(folder);
  const later = (await rowsAfter(folder, position)).filter(({ step }) => step > position.step);
  const evaluated = saveEvery === null ? undefined : followedRow(later, ({ type }) => type === 'evaluation');
  const step = Math.max(bestStep, evaluated?.step ?? 0);
  if (step <= position.step) return;
  if (bestStep === position.step && position.best?.step === bestStep)
    return warn(
      `the run continues from ${bestName} (step ${bestStep}); the rows of metrics.jsonl for ${stepsText(later)} are discarded`,
    );
  const fix =
    bestStep > position.step
      ? `copy ${bestName} to ${lastName}`
      : `start a new run with --weights ${shellWord(join(folder, lastName))}`;
  const message = `[train] resume: expected the last checkpoint of the run (${lastName}), got the checkpoint from step ${position.step} in ${folder}, although the run wrote one at step ${step}. Restore it from a backup, or ${fix}.`;
  throw coded('ERR_HOROBALL_CHECKPOINT', message);
}

function stepsText(rows: readonly Row[]): string {
  const [first, last] = [rows[0]!.step, rows.at(-1)!.step];
  return first === last ? `step ${first}` : `steps ${first} to ${last}`;
}

/**
 * Throws if the run has written a checkpoint that was lost: starting again would discard its log. It has written one if
 * `best.safetensors` exists, or if the log has steps after an evaluation or after `save_every` seconds.
 */
async function checkUnwritten(folder: string): Promise<void> {
  const hasBest = await exists(join(folder, bestName));
  const { save_every: saveEvery } = await readConfig(folder);
  const { rows } = await readRows(folder);
  const isDue = ({ type, step, seconds }: Row): boolean =>
    saveEvery !== null && step > 0 && (type === 'evaluation' || seconds >= saveEvery);
  if (!hasBest && followedRow(rows, isDue) === undefined) return;
  const fix = hasBest ? `copy ${bestName} to ${lastName}` : 'start a new run';
  const message = `[train] resume: expected a checkpoint (${lastName}), got ${folder} without one, although the run wrote one. Restore it from a backup, or ${fix}.`;
  throw coded('ERR_HOROBALL_CHECKPOINT', message);
}

/** Returns the first row that satisfies a condition, if a row of a later step follows. */
function followedRow(rows: readonly Row[], holds: (row: Row) => boolean): Row | undefined {
  const found = rows.find(holds);
  return found !== undefined && rows.some(({ step }) => step > found.step) ? found : undefined;
}

/** Returns the most recent run that is over and has weights, by the date of its config.json; otherwise null. */
export async function newestRun(runs: string): Promise<string | null> {
  for (const folder of await newestFirst(runs))
    if ((await exists(join(folder, finalName))) && (await isOver(folder))) return folder;
  return null;
}

async function newestFirst(runs: string): Promise<string[]> {
  const names = await readdir(runs).catch(() => []);
  const dated = await Promise.all(
    names.map(async (name) => {
      const folder = join(runs, name);
      const at = await stat(join(folder, 'config.json')).then(
        ({ mtimeMs }) => mtimeMs,
        () => null,
      );
      return { folder, at };
    }),
  );
  return dated
    .filter(({ at }) => at !== null)
    .sort((a, b) => b.at! - a.at!)
    .map(({ folder }) => folder);
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}
