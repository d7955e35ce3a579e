import { existsSync } from 'node:fs';
import { filePath, readOptions } from '../../check.ts';
import { coded } from '../../errors.ts';
import { olderText, runPathOf } from '../../io/run-path.ts';
import { shellWord } from '../../io/shell.ts';
import { type Embedder, type LoadRunOptions, setRunLoader } from '../lane/embedder.ts';
import type { RunConfig } from '../options/options.ts';
import { parseConfig } from '../options/resolve.ts';
import { loadTrained } from './checkpoint.ts';
import { newEmbedder } from './construct.ts';
import { normalizeOptions } from './normalize.ts';
import { changedOption } from './plan.ts';
import { readConfig } from './read.ts';

/**
 * Creates the network of a finished run with its weights.
 * @param run - the run folder, or a checkpoint in it
 * @param config - configuration of the run, possibly with another device or precision
 * @throws `ERR_HOROBALL_RUN` if the run has no weights yet; `ERR_HOROBALL_WEIGHTS` if they do not match its configuration
 */
export async function restoredEmbedder(run: string, config: RunConfig): Promise<Embedder> {
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
  const { folder, weights: file } = await runPathOf(run);
  if (!existsSync(file)) {
    const message = `[run] path: expected a run whose training has finished, got ${folder} without model.safetensors. Resume it with: npx horoball train --resume ${shellWord(folder)}`;
    throw coded('ERR_HOROBALL_RUN', message);
  }
  const { missing } = await loadTrained(file, embedder, config);
  if (missing.length === 0) return;
  const message = `[run] path: expected all parameters of the network that config.json describes, got ${file}, which lacks ${missing.length} of them (the first is ${missing[0]})`;
  throw coded('ERR_HOROBALL_WEIGHTS', message);
}

const loadOptions: Readonly<Record<keyof LoadRunOptions, true>> = { device: true, precision: true };

/** Loads the network of a run; see `Embedder.load`. */
async function loadRun(run: string, options: LoadRunOptions): Promise<Embedder> {
  const operation = 'Embedder.load';
  const { device = 'cpu', ...given } = readOptions(
    operation,
    options,
    Object.keys(loadOptions) as (keyof LoadRunOptions)[],
  );
  const path = await runPathOf(filePath(operation, 'run', run));
  const began = await readConfig(path.folder);
  for (const text of [await changedOption(path), await olderText(path)])
    if (text !== null) process.emitWarning(`[${operation}] ${text}`, 'HoroballWarning');
  const config = parseConfig({ ...began, ...given, device }, operation);
  return await restoredEmbedder(run, await normalizeOptions(config, undefined, operation));
}

setRunLoader(loadRun);
