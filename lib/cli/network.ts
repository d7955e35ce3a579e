import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { coded } from '../errors.ts';
import { shellWord } from '../io/shell.ts';
import { loadTrained } from '../train/checkpoint.ts';
import { parseConfig, type RunConfig } from '../train/config.ts';
import { createEmbedder, newEmbedder } from '../train/construct.ts';
import type { Embedder } from '../train/model.ts';
import { setThreads } from '../train/native.ts';
import { readRun } from '../train/run-folder.ts';
import { settled } from '../train/settle.ts';
import { backboneKeys } from './run-options.ts';

/**
 * The configuration of a run with some options changed, or, without a run, of the options alone.
 * @param command - the name of who asks, for errors
 * @param note - see `settled`
 * @throws `ERR_HOROBALL_OPTION` where the options name another network than the run's
 */
export async function configOf(
  command: string,
  run: string | undefined,
  given: Readonly<Record<string, unknown>>,
  note?: (text: string) => void,
): Promise<RunConfig> {
  const other = run === undefined ? undefined : backboneKeys.find((key) => given[key] !== undefined);
  if (other !== undefined) {
    const message = `[${command}] ${other}: expected nothing, as ${run} has its own, got ${given[other]}; leave it out, or the run`;
    throw coded('ERR_HOROBALL_OPTION', message, RangeError);
  }
  const began = run === undefined ? {} : (await readRun(run)).config;
  const config = await settled(parseConfig({ ...began, ...given }, command), note, command);
  if (run !== undefined && given['path'] === undefined) checkDataPath(run, config);
  return config;
}

/** A run remembers its path as it was typed, which leads nowhere from another folder. */
export function checkDataPath(run: string, { path }: RunConfig): void {
  if (existsSync(path)) return;
  const message = `the data path ${resolve(path)} does not exist; it comes from the run ${run}, and --path gives another`;
  throw coded('ERR_HOROBALL_DATA_READ', message);
}

/** The trained network of a run, or, without a run, one with the weights that the options name. */
export async function networkOf(
  run: string | undefined,
  config: RunConfig,
  note?: (text: string) => void,
): Promise<Embedder> {
  if (config.threads > 0) setThreads(config.threads);
  if (run === undefined) return await createEmbedder(config, note);
  const embedder = await newEmbedder(config);
  try {
    await restore(run, embedder, config);
    return embedder;
  } catch (error) {
    embedder.dispose();
    throw error;
  }
}

async function restore(run: string, embedder: Embedder, config: RunConfig): Promise<void> {
  const file = join(run, 'model.safetensors');
  if (!existsSync(file)) {
    const message = `${run} has no model.safetensors: its training has not come to an end (horoball train --resume ${shellWord(run)} goes on with it)`;
    throw coded('ERR_HOROBALL_RUN', message);
  }
  const { missing } = await loadTrained(file, embedder, config);
  if (missing.length === 0) return;
  const message = `${file} lacks ${missing[0]} (of ${missing.length} parameters); it is of another network than its config.json`;
  throw coded('ERR_HOROBALL_WEIGHTS', message);
}
