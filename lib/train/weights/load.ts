import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { checkSignal } from '../../call/run.ts';
import { boolean, checkMethods, filePath, readOptions } from '../../check.ts';
import { coded, shapeError } from '../../errors.ts';
import { readAll } from '../../io/atomic.ts';
import { shapeText } from '../../io/elements.ts';
import { PickleOpaque } from '../../io/pickle-values.ts';
import { PthFile } from '../../io/pth.ts';
import { reading } from '../../io/regular.ts';
import { networkKey, olderText, runPathOf, withoutWeightsText } from '../../io/run-path.ts';
import { type SafeTensor, SafetensorsFile } from '../../io/safetensors.ts';
import { isReals } from '../../matrix.ts';
import { gridOf, prefixTokens } from '../../model/vit.ts';
import type { LoadReport } from '../lane/embedder.ts';
import { elements } from '../lane/tensor.ts';
import type { NamedTensor, Parameter, ViTConfig, WaitOptions } from '../lane/types.ts';
import { hasLeadingOnes, type Recipe, recipeOf, withLeadingOnes } from './assemble.ts';
import { resamplePositions } from './interpolate.ts';
import { findStateDict, isBackbonePart, isHeadPart, listed, plainNames } from './names.ts';
import { verifiedPath } from './pull.ts';

/** The result of loading weights. */
export interface WeightsReport extends LoadReport {
  /** Adaptations and unused parameters, one sentence each, for display. */
  notices: string[];
}

/** Options of {@link loadWeights}. */
export interface LoadWeightsOptions extends WaitOptions {
  /** Load the matching parameters even if others differ between the file and the backbone; default false. */
  readonly partial?: boolean | undefined;
}

/** The network that weights are loaded into: an `Embedder` or a `ViT`. */
export interface WeightsTarget {
  readonly config: {
    readonly model: Pick<
      ViTConfig,
      'imgSize' | 'patchSize' | 'distilled' | 'classToken' | 'regTokens' | 'noEmbedClass'
    >;
  };
  parameters(): readonly Pick<Parameter, 'name' | 'shape'>[];
  loadState(state: ReadonlyMap<string, NamedTensor>, options?: WaitOptions): Promise<LoadReport>;
}

/** The tensors of a file, by the names in the file. */
interface WeightsFile {
  names: Iterable<string>;
  /** Undefined for a value that is not a tensor. */
  shape(name: string): readonly number[] | undefined;
  read(name: string): Promise<SafeTensor>;
  /** Whether the file's head is an embedding head of horoball instead of a classifier. */
  ownHead: boolean;
  notices: string[];
  close(): Promise<void>;
}

/**
 * Loads weights into a network, from safetensors or PyTorch files, with the parameter names of timm, of the official DINO,
 * DINOv2, DINOv3, EVA-02 and CLIP releases, or of Hugging Face's ViT, DINOv2, DINOv3, CLIP and SigLIP. Strips wrappers and
 * prefixes, drops text towers and classifier heads (but keeps a head that `saveWeights` wrote), joins or splits the
 * matrices of queries, keys and values, and resamples position embeddings to the network's input size. Nothing in a PyTorch
 * file is executed.
 *
 * @param path - `.safetensors`; any other extension means a PyTorch file
 * @returns parameters missing from the file (which keep their values), unused tensors of the file, and notices
 * @throws `ERR_HOROBALL_WEIGHTS` if no parameter matches or, without `partial`, if only part of the backbone does, or if a
 * parameter has integers or values that are not finite; `ERR_HOROBALL_SHAPE` if a parameter has another shape;
 * `ERR_HOROBALL_FORMAT` or `ERR_HOROBALL_PICKLE_REFUSED` for a damaged or unsafe file; file system errors
 * @example
 * const { notices } = await loadWeights(await findWeights('dino_vits16'), embedder);
 */
export async function loadWeights(
  path: string,
  embedder: WeightsTarget,
  options: LoadWeightsOptions = {},
): Promise<WeightsReport> {
  const operation = 'loadWeights';
  const { partial, ...wait } = readOptions(operation, options, ['partial', 'signal']);
  boolean(operation, 'partial', partial, false);
  checkSignal(operation, wait.signal);
  filePath(operation, 'path', path);
  checkMethods(operation, 'embedder', embedder, ['parameters', 'loadState']);
  const file = await openWeights(path);
  try {
    const { names, stripped, dropped } = plainNames(file.names, file.ownHead);
    const parameters = embedder.parameters();
    const read = async (name: string): Promise<NamedTensor> =>
      asFloat32(path, name, await file.read(names.get(name)!));
    const recipes = new Map<string, Recipe>();
    for (const { name } of parameters) {
      const recipe = recipeOf(name, (source) => names.has(source));
      if (recipe !== undefined) recipes.set(name, recipe);
    }
    if (recipes.size === 0) throw nothingFits(path, [...names.keys()]);
    const used = new Set([...recipes.values()].flatMap(({ sources }) => sources));
    const rest = [...names.keys()].filter((name) => !used.has(name));
    const zeros = await allZero(
      biasesOf(rest, parameters, (name) => file.shape(names.get(name)!)),
      read,
    );
    const unexpected = rest.filter((name) => !zeros.has(name));
    if (!partial) checkWhole(path, parameters, recipes, [...unexpected, ...dropped]);
    const notices = [...file.notices];
    const older = await olderText(await runPathOf(path));
    if (older !== null) notices.push(`${older}.`);
    if (stripped.length > 0)
      notices.push(
        `Prefixes removed from the parameter names: ${stripped.map((each) => `'${each}'`).join(', ')}.`,
      );
    const isOwnHead = (name: string): boolean => file.ownHead && isHeadPart(name);
    const isRandom = parameters.some(({ name }) => isHeadPart(name) && !recipes.has(name));
    notices.push(...headNotices({ dropped, isRandom, isUnused: unexpected.some(isOwnHead) }));
    if (zeros.size > 0) notices.push(`Dropped because all values are 0: ${listed([...zeros])}.`);
    const state = new Map<string, NamedTensor>();
    for (const { name, shape } of parameters) {
      const recipe = recipes.get(name);
      if (recipe === undefined) continue;
      for (const source of recipe.sources) checkShape(name, shape, source, file.shape(names.get(source)!));
      const tensor = withLeadingOnes(recipe.make(await Promise.all(recipe.sources.map(read))), shape);
      state.set(name, fit(name, tensor, shape, embedder, notices));
    }
    addClassPosition(state, recipes, await positionOfClass(embedder, recipes, read));
    const { missing } = await embedder.loadState(state, wait);
    const others = missing.filter((name) => !isHeadPart(name));
    if (others.length > 0) notices.push(`Not in the file, so unchanged: ${listed(others)}.`);
    const unused = unexpected.filter((name) => !isOwnHead(name));
    if (unused.length > 0) notices.push(`In the file, but not in this network: ${listed(unused)}.`);
    return { missing, unexpected, notices };
  } finally {
    await file.close();
  }
}

/** Returns notices on the file's head and on the network's head. */
function headNotices({
  dropped,
  isRandom,
  isUnused,
}: {
  /** Names of the dropped parts of a classifier or projection head. */
  dropped: readonly string[];
  /** Whether the file has no values for the network's head. */
  isRandom: boolean;
  /** Whether the file has an embedding head that the network does not have. */
  isUnused: boolean;
}): string[] {
  if (isUnused)
    return [
      "The file's embedding head is not used. To use it, omit --model and --weights and pass the run (its folder or its best.safetensors); in code, call Embedder.load.",
    ];
  const random = isRandom ? ['the embedding head starts from random values'] : [];
  const kind = dropped.some((name) => /^head(_dist)?\.(weight|bias)$/.test(name)) ? 'classifier' : 'head';
  const parts = dropped.length > 0 ? [`the ${kind} of the file is not used`, ...random] : random;
  return parts.length === 0 ? [] : [`T${parts.join('; ').slice(1)}.`];
}

const qkvBias = /^(blocks\.\d+\.)attn\.(qkv\.bias|[qkv]_proj\.bias|[qkv]_bias)$/;
/** Maximum total number of values of the biases that are read and may be dropped; the largest networks have a million. */
const maxBiases = 2 ** 22;

/**
 * Returns the biases of queries, keys and values in the network's blocks. Limits the values to read, because in a PyTorch
 * file, any number of names can refer to one tensor.
 */
function biasesOf(
  names: readonly string[],
  parameters: readonly { readonly name: string }[],
  shapeOf: (name: string) => readonly number[] | undefined,
): string[] {
  const blocks = new Set(parameters.map(({ name }) => /^blocks\.\d+\./.exec(name)?.[0]));
  let left = maxBiases;
  return names.filter((name) => {
    const block = qkvBias.exec(name)?.[1];
    const shape = shapeOf(name);
    if (block === undefined || !blocks.has(block) || shape === undefined || elements(shape) > left)
      return false;
    left -= elements(shape);
    return true;
  });
}

/** Returns the names whose values are all 0. DINOv3 stores such biases, which timm omits. */
async function allZero(
  names: readonly string[],
  read: (name: string) => Promise<NamedTensor>,
): Promise<ReadonlySet<string>> {
  const zeros = new Set<string>();
  for (const name of names) if ((await read(name)).data.every((value) => value === 0)) zeros.add(name);
  return zeros;
}

/**
 * Returns the position embedding of the class token if the file has one and the network only has position embeddings of
 * patches. The caller adds it to the class token, as timm does for DINOv2 with registers.
 */
async function positionOfClass(
  { config: { model } }: WeightsTarget,
  recipes: ReadonlyMap<string, Recipe>,
  read: (name: string) => Promise<NamedTensor>,
): Promise<Float32Array | null> {
  const source = recipes.get('pos_embed')?.sources[0];
  if (!model.noEmbedClass || source === undefined || !recipes.has('cls_token')) return null;
  const { shape, data } = await read(source);
  return hasClassPosition(shape) ? data.subarray(0, shape.at(-1)) : null;
}

function addClassPosition(
  state: Map<string, NamedTensor>,
  recipes: ReadonlyMap<string, Recipe>,
  position: Float32Array | null,
): void {
  const token = state.get('cls_token');
  if (position === null || token === undefined || !recipes.has('pos_embed')) return;
  state.set('cls_token', { shape: token.shape, data: token.data.map((value, i) => value + position[i]!) });
}

/** Whether there is one more position than in a square grid. */
function hasClassPosition(shape: readonly number[]): boolean {
  return Number.isInteger(Math.sqrt(shape.at(-2)! - 1));
}

/** Rejects weights of another backbone, because a network with partly random weights would train without an error. */
function checkWhole(
  path: string,
  parameters: readonly { readonly name: string }[],
  found: ReadonlyMap<string, Recipe>,
  left: readonly string[],
): void {
  const lacking = parameters.map(({ name }) => name).filter((name) => !found.has(name) && !isHeadPart(name));
  const unused = left.filter(isBackbonePart);
  const faults: string[] = [];
  if (lacking.length > 0) faults.push(`the file lacks ${listed(lacking)}`);
  if (unused.length > 0) faults.push(`the network does not have ${listed(unused)}`);
  if (faults.length === 0) return;
  throw coded(
    'ERR_HOROBALL_WEIGHTS',
    `[loadWeights] ${path}: expected weights of this backbone, got weights that match only partly: ${faults.join(', and ')}. ` +
      'Choose the model that the weights belong to, or pass --partial (partial: true) to load what matches.',
  );
}

/**
 * Returns the path of a weights file.
 *
 * @param source - a file, the folder of a run (its `model.safetensors`), or the name or URL of weights downloaded by
 * `pullWeights`
 * @param cache - the cache folder, as in `pullWeights`
 * @throws `ERR_HOROBALL_WEIGHTS` if the run has no weights yet or the weights have not been downloaded;
 * `ERR_HOROBALL_HASH` if they were changed after the download; RangeError `ERR_HOROBALL_OPTION` for an unknown name
 */
export async function findWeights(source: string, cache?: string): Promise<string> {
  filePath('findWeights', 'source', source);
  if (cache !== undefined) filePath('findWeights', 'cache', cache);
  return await weightsFile(source, { cache });
}

/**
 * Returns the path of a weights file, as {@link findWeights} does.
 * @param options - `at`: the operation and the argument, for errors
 */
export async function weightsFile(
  source: string,
  { cache, at = '[weights] source' }: { cache?: string | undefined; at?: string } = {},
): Promise<string> {
  const inRun = join(source, 'model.safetensors');
  if (existsSync(inRun)) return inRun;
  if (existsSync(join(source, 'config.json'))) {
    const message = `${at}: expected a run with final weights, got ${withoutWeightsText(source)}`;
    throw coded('ERR_HOROBALL_WEIGHTS', message);
  }
  if (existsSync(source)) return source;
  const pulled = await verifiedPath(source, cache, at);
  if (pulled !== null) return pulled;
  const message = `${at}: expected a file, a run or downloaded weights, got '${source}'. Run npx horoball weights pull ${source}.`;
  throw coded('ERR_HOROBALL_WEIGHTS', message);
}

/** Bytes read at a time. */
const part = 1 << 22;

/** Returns the CRC-32 of a weights file. */
export async function checksumOf(path: string): Promise<number> {
  return await reading(path, 'loadWeights', async (file) => {
    const { size } = await file.stat();
    const buffer = Buffer.allocUnsafe(Math.min(part, size));
    let crc = 0;
    for (let at = 0; at < size; at += part)
      crc = crc32(buffer.subarray(0, await readAll(file, buffer, at)), crc);
    return crc;
  });
}

function openWeights(path: string): Promise<WeightsFile> {
  return path.endsWith('.safetensors') ? openSafetensors(path) : openPth(path);
}

async function openSafetensors(path: string): Promise<WeightsFile> {
  const file = await SafetensorsFile.open(path);
  return {
    names: [...file.entries.keys()].filter((name) => !name.includes('/')), // names with a slash are other state of a checkpoint
    shape: (name) => file.entries.get(name)?.shape,
    read: (name) => file.read(name),
    ownHead: file.metadata[networkKey] !== undefined,
    notices: [],
    close: () => file.close(),
  };
}

async function openPth(path: string): Promise<WeightsFile> {
  const file = await PthFile.open(path);
  try {
    const { tensors, wrappers } = findStateDict(file.root);
    return {
      names: tensors.keys(),
      shape: (name) => {
        const tensor = tensors.get(name);
        return tensor instanceof PickleOpaque ? undefined : tensor?.shape;
      },
      read: async (name) => {
        const tensor = tensors.get(name)!;
        if (!(tensor instanceof PickleOpaque)) return await file.read(tensor);
        throw coded(
          'ERR_HOROBALL_PICKLE_REFUSED',
          `[loadWeights] ${path}: expected a dense tensor of floating-point values for '${name}', got ${tensor.name}. Convert it in PyTorch, or use another file.`,
        );
      },
      ownHead: false,
      notices:
        wrappers.length > 0
          ? [`The weights were read from the entry ${wrappers.join('.')} of the file.`]
          : [],
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Returns the float32 values of a parameter. Integers are rejected, because they are quantized values, whose scale is
 * stored elsewhere.
 */
function asFloat32(path: string, name: string, { dtype, shape, data }: SafeTensor): NamedTensor {
  const refuse = (expected: string, got: unknown): Error =>
    coded(
      'ERR_HOROBALL_WEIGHTS',
      `[loadWeights] ${path}: expected ${expected} of ${name}, got ${got}. Use another file.`,
    );
  if (!isReals(data)) throw refuse('floating-point values', dtype);
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw refuse('finite float32 values', data[at]);
  return { shape, data: values };
}

/** Maximum number of equal parts of a stored tensor: queries, keys and values. */
const maxParts = 3;

/** Checks sizes before reading, so that a file cannot cause larger allocations than the network needs. */
function checkShape(
  name: string,
  shape: readonly number[],
  source: string,
  stored: readonly number[] | undefined,
): void {
  if (stored === undefined) return;
  const whole = source === name && name !== 'pos_embed';
  const matches = whole
    ? hasLeadingOnes(stored, shape)
    : name === 'pos_embed'
      ? stored.at(-1) === shape.at(-1) && elements(stored) === elements(stored.slice(-2))
      : elements(stored) <= maxParts * elements(shape);
  if (matches) return;
  const error = shapeError('loadWeights', name, `shape ${shapeText(shape)}`, shapeText(stored));
  if (isHeadPart(name) && stored.length === shape.length && stored.at(1) === shape.at(1))
    error.message += `. The embedding head of the file has dimension ${stored[0]}: pass --emb ${stored[0]} (dim: ${stored[0]}).`;
  throw error;
}

/**
 * Adapts position embeddings: drops the position of the class token if the network does not have it, and resamples another
 * grid of patches. Returns other tensors unchanged.
 */
function fit(
  name: string,
  tensor: NamedTensor,
  shape: readonly number[],
  { config: { model } }: WeightsTarget,
  notices: string[],
): NamedTensor {
  if (name !== 'pos_embed' || tensor.shape.at(-2) === shape[1]) return tensor;
  const [rows, columns] = gridOf(model);
  const { noEmbedClass = false } = model;
  const without = noEmbedClass && hasClassPosition(tensor.shape);
  const positions = without ? withoutFirst(tensor) : withLeadingOnes(tensor, [1, ...tensor.shape.slice(-2)]);
  if (positions.shape[1] === shape[1]) return positions;
  const prefix = noEmbedClass ? 0 : prefixTokens(model);
  const fitted = resamplePositions(positions, prefix, [rows, columns]);
  const was = Math.sqrt((positions.shape[1] ?? 0) - prefix);
  notices.push(`Position embeddings resampled from ${was} x ${was} to ${rows} x ${columns} patches.`);
  return fitted;
}

function withoutFirst({ shape, data }: NamedTensor): NamedTensor {
  const [count = 0, width = 0] = shape.slice(-2);
  return { shape: [1, count - 1, width], data: data.subarray(width) };
}

function nothingFits(path: string, names: string[]): Error {
  const got = names.length > 0 ? listed(names) : 'only a head';
  const message = `[loadWeights] ${path}: expected parameters of this network, got ${got}. Choose the model that the weights belong to.`;
  return coded('ERR_HOROBALL_WEIGHTS', message);
}
