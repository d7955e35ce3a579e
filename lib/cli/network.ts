import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { coded } from '../errors.ts';
import { olderText, runPathOf } from '../io/run-path.ts';
import type { Dataset } from '../train/data/types.ts';
import type { Embedder } from '../train/lane/embedder.ts';
import { setThreads } from '../train/lane/native.ts';
import type { OptionName, RunConfig } from '../train/options/options.ts';
import { parseConfig } from '../train/options/resolve.ts';
import { createEmbedder } from '../train/run/construct.ts';
import { restoredEmbedder } from '../train/run/load-run.ts';
import { normalizeOptions } from '../train/run/normalize.ts';
import { changedData, changedOption } from '../train/run/plan.ts';
import { readConfig } from '../train/run/read.ts';
import { networkOptions } from './run-options.ts';

/**
 * Returns the configuration of a run or, without a run, the defaults, with the given options applied.
 * @param command - the command's name, for errors
 * @param run - a run folder, or a checkpoint in it
 * @param note - receives messages about the options (see `normalizeOptions`) and about files of the run that do not agree
 * @throws `ERR_HOROBALL_OPTION` if both a run and an option that describes a network are given
 */
export async function configOf(
  command: string,
  run: string | undefined,
  given: Readonly<Record<string, unknown>>,
  note?: (text: string) => void,
): Promise<RunConfig> {
  const other = run === undefined ? undefined : networkOptions.find((key) => given[key] !== undefined);
  if (other !== undefined) {
    const message = `[${command}] ${other}: expected no value because ${run} has its own, got ${given[other]}. Omit the option or the run.`;
    throw coded('ERR_HOROBALL_OPTION', message, RangeError);
  }
  const path = run === undefined ? null : await runPathOf(run);
  const began = path === null ? {} : await readConfig(path.folder);
  const texts = path === null ? [] : [await changedOption(path), await olderText(path)];
  for (const text of texts) if (text !== null) note?.(text);
  const config = await normalizeOptions(parseConfig({ ...began, ...given }, command), note, command);
  if (run !== undefined && given['path'] === undefined) checkDataPath(command, run, config);
  return config;
}

/** Notes that the data set of a run has changed since the training, unless the user chose a data set. */
export async function noteChangedData(
  run: string | undefined,
  { ds, path }: Partial<Record<OptionName, unknown>>,
  dataset: Dataset,
  note: (text: string) => void,
): Promise<void> {
  if (run === undefined || ds !== undefined || path !== undefined) return;
  const changed = await changedData(await runPathOf(run), dataset);
  if (changed !== null) note(changed);
}

/**
 * Throws if the data path of a run does not exist. The configuration stores the path as the user typed it, possibly
 * relative to another working directory.
 */
export function checkDataPath(command: string, run: string, { path }: RunConfig): void {
  if (existsSync(path)) return;
  const message = `[${command}] path: expected the data of the run ${run}, got ${resolve(path)}, which does not exist. Pass the current location with --path.`;
  throw coded('ERR_HOROBALL_DATA_READ', message);
}

/**
 * Returns the trained network of a run or, without a run, a network with the weights given by the options. First sets the
 * number of threads, if the configuration has one.
 * @param options - `head`: without a run, whether the head is used and its weights are loaded; default false
 */
export async function networkOf(
  run: string | undefined,
  config: RunConfig,
  note?: (text: string) => void,
  { head = false }: { head?: boolean } = {},
): Promise<Embedder> {
  if (config.threads > 0) setThreads(config.threads);
  if (run === undefined) return await createEmbedder(config, note, { head });
  return await restoredEmbedder(run, config);
}
