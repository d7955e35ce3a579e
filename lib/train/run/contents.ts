import { coded } from '../../errors.ts';
import { checkInside } from '../../io/inside.ts';
import { damaged, maxOptionValues, parsedJson } from '../../io/json.ts';
import { areSameInputs, checkpointKey, type Inputs, optionsKey } from '../../io/run-path.ts';
import { readSafetensors } from '../../io/safetensors.ts';
import type { DataIdentity } from '../data/fingerprint.ts';
import type { ScalerState } from '../lane/types.ts';
import type { Baseline } from '../measure/types.ts';
import { differing, type RunConfig } from '../options/options.ts';
import { storedConfig } from '../options/resolve.ts';
import { checkedContents } from './checkpoint-schema.ts';
import type { LearnableState } from './learnable.ts';

/** The evaluation with the highest Recall@1 so far, not counting epoch 0; ties go to the earlier one. */
export interface Best {
  step: number;
  epoch: number;
  /** Recall@1, from 0 to 1. */
  recall: number;
}

/** The position in a run. With the configuration, it determines the next batch, its crops and its learning rate. */
export interface Position {
  /** Steps taken. */
  step: number;
  /** Duration in seconds, over all sessions. */
  seconds: number;
  /** Length of metrics.jsonl in bytes; later rows are discarded on resume. */
  metricsBytes: number;
  /** CRC-32 of these bytes; absent in checkpoints of earlier versions. */
  metricsCrc32?: number;
  /** The data set; null for batches from an iterable, absent in checkpoints of earlier versions. */
  data?: DataIdentity | null;
  /** CRC-32 of the file of initial weights; null if they were random, absent in checkpoints of earlier versions. */
  weights?: number | null;
  best: Best | null;
  /** The steps of the evaluations so far; absent in checkpoints of earlier versions. */
  evaluated?: number[];
  baselines: Baseline[];
  /** Whether the run has finished and written all its files. */
  complete: boolean;
}

/** Properties of a machine that affect the last digits of results. Earlier versions stored only the first two. */
export interface Machine {
  libtorch: string;
  threads: number;
  device?: string;
  /** The SIMD level of the core. */
  level?: string;
  /** Number of processes that train together. */
  ranks?: number;
  /** The version of the image decoder, if it was used. */
  decoder?: string;
}

/** Everything in a checkpoint except its tensors. */
export interface Contents {
  /** Version of the layout; later versions are rejected. */
  version: 1;
  config: RunConfig;
  position: Position;
  scaler: ScalerState | null;
  learnt: LearnableState;
  machine: Machine;
}

/** The options and the position of a checkpoint. */
export type Outline = Pick<Contents, 'config' | 'position'>;

/** Returns the outline of a checkpoint in a run folder; null if the file is not a readable checkpoint. */
export async function outlineOf(file: string): Promise<Outline | null> {
  try {
    return contentsOf(file, await metadataInside(file));
  } catch {
    return null; // resuming reports the reason
  }
}

/** Whether two checkpoints belong to the same run, as far as their options, data and initial weights tell. */
export function areOfSameRun(one: Outline, other: Outline): boolean {
  return differing(one.config, other.config) === undefined && areSameInputs(inputsOf(one), inputsOf(other));
}

function inputsOf({ position: { data, weights } }: Outline): Inputs {
  return { data: data?.fingerprint, weights };
}

/**
 * Returns the options of the run that wrote a file of weights in a run folder; null if the file does not have them, or is
 * not readable. Only checkpoints have the options that a resumed run may change; for other files, these are defaults.
 */
export async function savedOptions(file: string): Promise<RunConfig | null> {
  try {
    const metadata = await metadataInside(file);
    if (metadata[checkpointKey] !== undefined) return contentsOf(file, metadata).config;
    const options = parsedJson(metadata[optionsKey] ?? 'null', file, maxOptionValues);
    return options === null ? null : storedConfig(options as Record<string, unknown>);
  } catch {
    return null; // loading reports the reason
  }
}

async function metadataInside(file: string): Promise<Readonly<Record<string, string>>> {
  await checkInside(file);
  return (await readSafetensors(file, { names: [] })).metadata;
}

/**
 * Parses the contents of a checkpoint in the metadata of its file.
 *
 * @throws `ERR_HOROBALL_CHECKPOINT` if the file is not a checkpoint, or of a later version; `ERR_HOROBALL_FORMAT` if it is
 * damaged
 */
export function contentsOf(path: string, metadata: Readonly<Record<string, string>>): Contents {
  const text = metadata[checkpointKey];
  if (text === undefined)
    throw checkpointError(
      `path: expected a checkpoint, got ${path}, which only contains weights. Pass it as weights.`,
    );
  const value = parsedJson(text, path);
  if (((value as { version?: number } | null)?.version ?? 0) > 1)
    throw checkpointError(
      `path: expected version 1, got a newer one in ${path}. Update horoball to read it.`,
    );
  const contents = checkedContents(value, path);
  try {
    return {
      ...(contents as object as Contents),
      config: storedConfig(contents.config),
    };
  } catch (error) {
    throw damaged(path, (error as Error).message.replace(/^\[train\] /, ''));
  }
}

/** @internal */
export function checkpointError(message: string): Error {
  return coded('ERR_HOROBALL_CHECKPOINT', `[checkpoint] ${message}`);
}
