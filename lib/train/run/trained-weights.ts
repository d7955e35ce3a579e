import { isDeepStrictEqual } from 'node:util';
import { filePath, instance } from '../../check.ts';
import { coded, describe, quoted, typeError } from '../../errors.ts';
import { maxOptionValues, parsedJson } from '../../io/json.ts';
import {
  type Inputs,
  inputsKey,
  networkKey,
  optionsKey,
  stepKey,
  temperaturesKey,
} from '../../io/run-path.ts';
import { readSafetensors, writeSafetensors } from '../../io/safetensors.ts';
import type { DataIdentity } from '../data/fingerprint.ts';
import { ViT } from '../lane/backbone.ts';
import { Embedder } from '../lane/embedder.ts';
import { isTemperature, keptOptions, type Learnable, learnable, type RunConfig } from '../options/options.ts';
import { learnableNames } from '../options/resolve.ts';
import { loadWeights, type WeightsReport } from '../weights/load.ts';
import { type SavedNetwork, savedNetwork, savedTemperatures } from './checkpoint-schema.ts';
import type { LearnableScalars } from './learnable.ts';
import type { Learner } from './learner.ts';

/**
 * Writes a network as safetensors with timm's parameter names. The file is written atomically; its metadata describes an
 * `Embedder`, but not a `ViT`. `loadWeights` reads it.
 * @throws file system errors
 */
export async function saveWeights(path: string, model: Embedder | ViT): Promise<void> {
  filePath('saveWeights', 'path', path);
  if (!(model instanceof ViT)) instance('saveWeights', 'model', model, Embedder);
  const metadata = model instanceof ViT ? { format: 'pt' } : weightsMetadata(model);
  await writeSafetensors(path, await model.state(), { metadata, checksums: true });
}

/** The step after which a network is saved, and the data and initial weights of its run; see `Position`. */
export interface TrainedAt {
  step: number;
  data: DataIdentity | null;
  weights: number | null | undefined;
}

/**
 * Writes the network of a run as {@link saveWeights} does. The metadata also has the learnable temperatures, the options that
 * a resumed run keeps, the step, the fingerprint of the data and the CRC-32 of the initial weights.
 */
export async function saveTrained(
  path: string,
  { embedder, learnables }: Learner,
  config: RunConfig,
  { step, data, weights }: TrainedAt,
): Promise<void> {
  const inputs: Inputs = { data: data?.fingerprint, weights };
  const metadata = {
    ...weightsMetadata(embedder),
    ...temperaturesMetadata(learnables),
    ...optionsMetadata(config),
    [stepKey]: String(step),
    [inputsKey]: JSON.stringify(inputs),
  };
  await writeSafetensors(path, await embedder.state(), { metadata, checksums: true });
}

/**
 * Returns the learnable temperatures with which weights were saved. Constant temperatures are only in config.json.
 *
 * @param config - the configuration of the run
 * @throws `ERR_HOROBALL_FORMAT` if the file is damaged; `ERR_HOROBALL_WEIGHTS` if a temperature is not one that the run
 * can learn
 */
export async function trainedTemperatures(
  path: string,
  config: RunConfig,
): Promise<{ tauE?: number; tauH?: number }> {
  const { metadata } = await readSafetensors(path, { names: [] });
  const text = metadata[temperaturesKey];
  if (text === undefined) return {};
  const { t_e: tauE, t_h: tauH } = savedTemperatures(parsedJson(text, path, maxOptionValues), path);
  checkScalar(path, 't_e', tauE, config);
  checkScalar(path, 't_h', tauH, config);
  return { ...(tauE !== undefined && { tauE }), ...(tauH !== undefined && { tauH }) };
}

/**
 * Loads the weights of a run into its network, and the final value of a learnable curvature.
 * @throws `ERR_HOROBALL_WEIGHTS` if the weights were saved from a network with other settings; `ERR_HOROBALL_RUN_BUSY` if
 * another program replaced the file in the meantime
 */
export async function loadTrained(
  path: string,
  embedder: Embedder,
  config: RunConfig,
): Promise<WeightsReport> {
  const read = async () => (await readSafetensors(path, { names: [] })).metadata;
  const metadata = await read();
  const report = await loadWeights(path, embedder, { partial: true }); // the caller reports missing parameters
  if (!isDeepStrictEqual(await read(), metadata)) throw replacedWeights(path);
  const saved = savedNetwork(parsedJson(metadata[networkKey] ?? '{}', path, maxOptionValues), path);
  checkSettings(path, saved, embedder);
  checkScalar(path, 'hyp_c', saved.c, config);
  if (learnableNames(config).includes('hyp_c') && saved.c !== undefined) embedder.setCurvature(saved.c);
  return report;
}

/** Tolerance for the rounding errors of logarithms. */
const rounding = 1e-9;

/**
 * Checks the saved value of a scalar: the initial value or, if it is learnable, one that is within `learn_range` of it.
 * @param saved - undefined in files of earlier versions
 */
function checkScalar(path: string, name: Learnable, saved: number | undefined, config: RunConfig): void {
  const { [name]: initial, learn_range: range } = config;
  if (!learnableNames(config).includes(name)) {
    checkSetting(path, name, saved, initial);
    return;
  }
  if (saved === undefined || Math.abs(Math.log(saved / initial)) <= Math.log(range) + rounding) return;
  const message = `[run] ${name}: expected a value within a factor of ${range} (learn_range) of ${initial}, got ${saved} in ${path}. Restore the run from a backup.`;
  throw coded('ERR_HOROBALL_WEIGHTS', message);
}

/** Returns the error for a weights file that another program replaced while it was read. */
export function replacedWeights(path: string): Error {
  const message = `[run] path: expected weights that stay the same while they are read, got ${path}, which another program replaced. Run the command again.`;
  return coded('ERR_HOROBALL_RUN_BUSY', message);
}

/**
 * Checks that a network has the settings with which its weights were saved: config.json has no checksum, and a changed
 * setting would change the embeddings.
 */
function checkSettings(path: string, saved: SavedNetwork, { config }: Embedder): void {
  const model = Object.entries(config.model).filter(([name]) => name !== 'imgSize'); // may differ in an evaluation
  for (const [name, value] of model) checkSetting(path, `model.${name}`, saved.model?.[name], value);
  checkSetting(path, 'head', saved.head, config.head);
  checkSetting(path, 'emb', saved.dim, config.dim);
  checkSetting(path, 'clip_r', saved.clipR, config.clipR);
}

/**
 * Throws if a setting of a network differs from that of its weights.
 * @param saved - undefined in files of earlier versions
 */
function checkSetting(path: string, name: string, saved: unknown, value: unknown): void {
  if (saved === undefined || isDeepStrictEqual(saved, value)) return;
  const [was, is] = [saved, value].map((each) => describe(quoted(each)));
  const message = `[run] ${name}: expected ${was}, with which ${path} was trained, got ${is}. Restore config.json from a backup.`;
  throw coded('ERR_HOROBALL_WEIGHTS', message);
}

/** Describes a network in the metadata of its weights. */
export function weightsMetadata(embedder: Embedder): Record<string, string> {
  return { format: 'pt', [networkKey]: JSON.stringify({ ...embedder.config, c: embedder.c }) };
}

/** The learnable temperatures, for the metadata of weights; empty if there are none. */
export function temperaturesMetadata(learnables: LearnableScalars): Record<string, string> {
  const names = learnable.filter((name) => isTemperature(name) && learnables.has(name));
  if (names.length === 0) return {};
  return {
    [temperaturesKey]: JSON.stringify(
      Object.fromEntries(names.map((name) => [name, learnables.value(name)])),
    ),
  };
}

/**
 * The options that a resumed run keeps, for the metadata of weights.
 * @throws `TypeError` if the value of an option is an object or a function
 */
export function optionsMetadata(config: RunConfig): Record<string, string> {
  const kept = keptOptions(config);
  for (const [name, value] of Object.entries(kept))
    if (value !== null && !/^(string|number|boolean|undefined)$/.test(typeof value))
      throw typeError('checkpoint', `config.${name}`, 'text, a number, a boolean or null', quoted(value));
  return { [optionsKey]: JSON.stringify(kept) };
}
