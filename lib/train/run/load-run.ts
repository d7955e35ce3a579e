import { existsSync } from 'node:fs';
import { filePath, readOptions } from '../../check.ts';
import { coded } from '../../errors.ts';
import { elementCount } from '../../io/elements.ts';
import { checkInside } from '../../io/inside.ts';
import { olderText, type RunPath, runPathOf, withoutWeightsText } from '../../io/run-path.ts';
import { SafetensorsFile } from '../../io/safetensors.ts';
import { backboneParameters, type ParameterShape } from '../../model/parameters.ts';
import { resolveViT } from '../../model/vit.ts';
import { type Embedder, type LoadRunOptions, setRunLoader } from '../lane/embedder.ts';
import type { RunConfig } from '../options/options.ts';
import { parseConfig } from '../options/resolve.ts';
import { newEmbedder } from './construct.ts';
import { normalizeOptions } from './normalize.ts';
import { changedOption } from './plan.ts';
import { readConfig } from './read.ts';
import { loadTrained } from './trained-weights.ts';

/**
 * Creates the network of a run with the weights that it saved.
 * @param run - the run folder, or a checkpoint in it
 * @param config - configuration of the run, possibly with another device or precision
 * @throws `ERR_HOROBALL_RUN` if the run has no weights yet; `ERR_HOROBALL_WEIGHTS` if they do not match its configuration
 */
export async function restoredEmbedder(run: string, config: RunConfig): Promise<Embedder> {
  const path = await runPathOf(run);
  await checkWeights(path);
  const file = path.weights;
  await checkSize(file, config);
  const embedder = await newEmbedder(config);
  try {
    await restore(file, embedder, config);
    return embedder;
  } catch (error) {
    embedder.dispose();
    throw error;
  }
}

/** Throws `ERR_HOROBALL_RUN` if a run has no weights yet. */
export async function checkWeights({ folder, weights }: RunPath): Promise<void> {
  await checkInside(weights);
  if (existsSync(weights)) return;
  const message = `[run] path: expected a run with final weights, got ${withoutWeightsText(folder)}`;
  throw coded('ERR_HOROBALL_RUN', message);
}

/** A network may have twice as many weights as its file, plus this number: a larger crop has more position embeddings. */
const freeWeights = 2 ** 22;

/**
 * Throws if a network is far larger than its file of weights: a config.json of a few bytes can describe one that takes
 * hours to initialize, or does not fit into memory.
 */
async function checkSize(file: string, config: RunConfig): Promise<void> {
  await using weights = await SafetensorsFile.open(file);
  const total = (shapes: readonly (readonly number[])[]): number =>
    shapes.reduce((sum, shape) => sum + elementCount(shape), 0);
  const stored = total([...weights.entries.values()].map(({ shape }) => shape));
  const needed = total(parametersOf(config).map(({ shape }) => shape));
  if (needed <= 2 * stored + freeWeights) return;
  const [expected, got] = [needed, stored].map((count) => count.toLocaleString('en-US'));
  const message = `[run] path: expected the weights of the network that config.json describes (${expected} numbers), got ${file} with ${got}. Restore config.json from a backup.`;
  throw coded('ERR_HOROBALL_WEIGHTS', message);
}

/** Returns the parameters of the network of a run. */
function parametersOf({ model, crop, emb }: RunConfig): ParameterShape[] {
  const config = resolveViT({ ...resolveViT(model), imgSize: crop });
  return [
    ...backboneParameters(config),
    { name: 'head.weight', shape: [emb, config.embedDim] },
    { name: 'head.bias', shape: [emb] },
  ];
}

async function restore(file: string, embedder: Embedder, config: RunConfig): Promise<void> {
  const { missing } = await loadTrained(file, embedder, config);
  if (missing.length === 0) return;
  const message = `[run] path: expected all parameters of the network that config.json describes, got ${file}, which lacks ${missing.length} of them (the first is ${missing[0]}). Restore the file from a backup.`;
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
