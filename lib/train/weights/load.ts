import { existsSync } from 'node:fs';
import { coded } from '../../errors.ts';
import { PthFile } from '../../io/pth.ts';
import { readSafetensors, type SafeTensor } from '../../io/safetensors.ts';
import type { LoadReport, Parameter } from '../model.ts';
import type { NamedTensor, WaitOptions } from '../tensor.ts';
import { resamplePositions } from './interpolate.ts';
import { findStateDict, listed, plainNames } from './names.ts';
import { findPulled } from './pull.ts';

/** What loading weights did, and what it left over. */
export interface WeightsReport extends LoadReport {
  /** How the file was brought to fit and what was left over, a sentence each, for people. */
  notices: string[];
}

/** The network that weights are read into: an `Embedder`. */
export interface WeightsTarget {
  readonly config: {
    readonly model: { readonly imgSize: number; readonly patchSize: number; readonly distilled: boolean };
  };
  parameters(): readonly Pick<Parameter, 'name' | 'shape'>[];
  loadState(state: ReadonlyMap<string, NamedTensor>, options?: WaitOptions): Promise<LoadReport>;
}

/** The tensors of a file, by the names in the file. */
interface WeightsFile {
  names: Iterable<string>;
  read(name: string): Promise<SafeTensor>;
  /** The file's head is an embedding head of ours, not a classifier. */
  ownHead: boolean;
  notices: string[];
  close(): Promise<void>;
}

/**
 * Reads weights into a network: safetensors or PyTorch's `.pth`, with timm's or DINO's names. Wrappers and prefixes are
 * stripped, classifier heads dropped (a head that `saveWeights` wrote is kept), positions resampled where the network
 * sees pictures of another size.
 *
 * @param path - `.safetensors`, or anything else for a PyTorch file
 * @returns what the file lacked (those parameters keep their values), what the network has no place for, and notices
 * @throws ERR_HOROBALL_WEIGHTS where nothing fits, ERR_HOROBALL_SHAPE where a parameter has another shape, the reader's
 * errors for a damaged or unsafe file
 */
export async function loadWeights(
  path: string,
  embedder: WeightsTarget,
  options: WaitOptions = {},
): Promise<WeightsReport> {
  const file = await openWeights(path);
  try {
    const { names, stripped, dropped } = plainNames(file.names, file.ownHead);
    const notices = [...file.notices];
    if (stripped.length > 0) notices.push(`Stripped from the names: ${stripped.join(' ')}`);
    if (dropped.length > 0) notices.push(`Dropped with the file's own head: ${listed(dropped)}.`);
    const state = new Map<string, NamedTensor>();
    for (const parameter of embedder.parameters()) {
      const stored = names.get(parameter.name);
      if (stored === undefined) continue;
      const tensor = asFloat32(await file.read(stored));
      state.set(parameter.name, fit(parameter.name, tensor, parameter.shape, embedder, notices));
    }
    if (state.size === 0) throw nothingFits(path, [...names.keys()]);
    const { missing } = await embedder.loadState(state, options);
    const unexpected = [...names.keys()].filter((name) => !state.has(name));
    if (missing.length > 0) notices.push(`Not in the file, so left as they were: ${listed(missing)}.`);
    if (unexpected.length > 0) notices.push(`In the file, but not of this network: ${listed(unexpected)}.`);
    return { missing, unexpected, notices };
  } finally {
    await file.close();
  }
}

/**
 * The file that a person means: a path, or the name or URL of weights that were pulled.
 *
 * @throws ERR_HOROBALL_WEIGHTS saying what to pull, ERR_HOROBALL_OPTION for what is neither
 */
export async function findWeights(source: string, cache?: string): Promise<string> {
  if (existsSync(source)) return source;
  const pulled = await findPulled(source, cache);
  if (pulled !== null) return pulled.path;
  throw coded('ERR_HOROBALL_WEIGHTS', `the weights are not there yet; run: horoball weights pull ${source}`);
}

function openWeights(path: string): Promise<WeightsFile> {
  return path.endsWith('.safetensors') ? openSafetensors(path) : openPth(path);
}

async function openSafetensors(path: string): Promise<WeightsFile> {
  const { tensors, metadata } = await readSafetensors(path);
  return {
    names: [...tensors.keys()].filter((name) => !name.includes('/')), // with one: the rest of a checkpoint
    read: async (name) => tensors.get(name)!,
    ownHead: metadata['horoball'] !== undefined,
    notices: [],
    close: async () => {},
  };
}

async function openPth(path: string): Promise<WeightsFile> {
  const file = await PthFile.open(path);
  try {
    const { tensors, wrappers } = findStateDict(file.root);
    return {
      names: tensors.keys(),
      read: (name) => file.read(tensors.get(name)!),
      ownHead: false,
      notices: wrappers.length > 0 ? [`Taken from the file's entry ${wrappers.join('.')}.`] : [],
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function asFloat32({ shape, data }: SafeTensor): NamedTensor {
  return { shape, data: data instanceof Float32Array ? data : Float32Array.from(data, Number) };
}

/** Position embeddings of another grid are resampled; anything else must have the right shape already. */
function fit(
  name: string,
  tensor: NamedTensor,
  shape: readonly number[],
  embedder: WeightsTarget,
  notices: string[],
): NamedTensor {
  if (name !== 'pos_embed' || tensor.shape[1] === shape[1]) return tensor;
  const { imgSize, patchSize, distilled } = embedder.config.model;
  const side = imgSize / patchSize;
  const prefix = distilled ? 2 : 1;
  const fitted = resamplePositions(tensor, prefix, [side, side]);
  const was = Math.sqrt((tensor.shape[1] ?? 0) - prefix);
  notices.push(`Positions resampled from ${was} x ${was} to ${side} x ${side} patches.`);
  return fitted;
}

function nothingFits(path: string, names: string[]): Error {
  const has = names.length > 0 ? `it has ${listed(names)}` : 'it has no other than a head';
  return coded('ERR_HOROBALL_WEIGHTS', `${path}: none of its parameters is one of the network's; ${has}`);
}
