import {
  boolean,
  checkMap,
  checkOptions,
  choice,
  curvature,
  guards,
  instance,
  integer,
  isTyped,
  positive,
  readOptions,
} from '../../check.ts';
import { describeList, quoted, shapeError, typeError } from '../../errors.ts';
import { sides } from '../../model/sides.ts';
import { heads } from '../../model/types.ts';
import { resolveViT } from '../../model/vit.ts';
import { headCards, rowCards } from '../../row/card.ts';
import type { EmbedderNumbers, Handle } from './addon-types.ts';
import { cancelOf, native, waitFor } from './native.ts';
import { Batch, elements, Resource, Tensor } from './tensor.ts';
import {
  type AnyTensor,
  type Device,
  type EmbedderConfig,
  type EmbedderOptions,
  type NamedTensor,
  type Parameter,
  type Precision,
  precisions,
  type WaitOptions,
} from './types.ts';

/** Options of a forward pass. */
export interface ForwardOptions extends WaitOptions {
  /** Whether to build the graph for a backward pass; default true. */
  train?: boolean;
  /**
   * Purpose of the embeddings; default `training` if `train`. Only matters for a distilled backbone with compat `hypmix`:
   * the published code trains on the class token alone, but evaluates the mean of the class and distillation tokens.
   */
  purpose?: 'training' | 'evaluation';
}

/** Mismatches when loading a state. */
export interface LoadReport {
  /** Parameters missing from the state; they keep their values. */
  missing: string[];
  /** Entries of the state without a matching parameter. */
  unexpected: string[];
}

/** The outputs of one forward pass, one row per image. */
export class Embeddings implements Disposable {
  /** Unnormalized features of the backbone: count x embedDim. */
  readonly body: Tensor;
  /** Unit vectors: count x dim. */
  readonly euclidean: Tensor;
  /** Points of the ball of curvature -c: count x dim. */
  readonly hyperbolic: Tensor;

  /** @internal */
  constructor(
    handles: Readonly<Record<'body' | 'euclidean' | 'hyperbolic', Handle<'Tensor'>>>,
    count: number,
    width: number,
    dim: number,
  ) {
    this.body = new Tensor(handles.body, [count, width]);
    this.euclidean = new Tensor(handles.euclidean, [count, dim]);
    this.hyperbolic = new Tensor(handles.hyperbolic, [count, dim]);
  }

  /** Frees the outputs. A graph that queued work needs is kept until that work has finished. */
  dispose(): void {
    this.body.dispose();
    this.euclidean.dispose();
    this.hyperbolic.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Options of {@link Embedder.load}. */
export interface LoadRunOptions {
  /** Default `cpu`; `auto` is `cuda` if libtorch can use a GPU. */
  device?: Device | 'auto' | undefined;
  /** Precision of the backbone; by default the precision of the run. */
  precision?: Precision | undefined;
}

type RunLoader = (run: string, options: LoadRunOptions) => Promise<Embedder>;
let runLoader: RunLoader | undefined;

/** @internal Registers the function that loads run folders, which this file cannot import, because it is in a higher layer. */
export function setRunLoader(loader: RunLoader): void {
  runLoader = loader;
}

/**
 * A backbone and a head. Calls queue work on the training thread (the lane) and return immediately; only
 * promises wait for it.
 *
 * @example
 * using embedder = await Embedder.create({ model: 'vit_nano', head: 'hypmix', dim: 32, clipR: 2.3, c: 0.1, seed: 1 });
 * using embeddings = embedder.forward(batch);
 */
export class Embedder extends Resource<'Embedder'> {
  /** The options with all defaults filled in. */
  readonly config: EmbedderConfig;
  readonly #parameters: readonly Parameter[];
  #c: number;

  private constructor(handle: Handle<'Embedder'>, config: EmbedderConfig, parameters: readonly Parameter[]) {
    super('embedder', handle);
    for (const part of [config.model.mean, config.model.std, config.model, config]) Object.freeze(part);
    for (const each of parameters) {
      Object.freeze(each.shape);
      Object.freeze(each);
    }
    this.config = config;
    this.#parameters = parameters;
    this.#c = config.c;
  }

  /**
   * Creates the model, with the backbone initialized as in timm and an orthogonal head.
   * @throws RangeError `ERR_HOROBALL_RANGE` or TypeError `ERR_HOROBALL_TYPE` for an invalid option; `ERR_HOROBALL_OPTION`
   * for a model in invalid JSON; `ERR_HOROBALL_NO_TRAIN` and related codes if the training layer is unavailable
   */
  static async create(options: EmbedderOptions): Promise<Embedder> {
    const config = resolveOptions(options);
    const handle = native().embedder({ ...config, toBall: operationsOf(config) });
    try {
      return new Embedder(handle, config, await native().describeModel(handle));
    } catch (error) {
      native().dispose(handle);
      throw error;
    }
  }

  /**
   * Loads the network of a run, with its learned curvature.
   * @param run - the folder of a finished run, or a checkpoint in a run folder, for example `best.safetensors`
   * @throws `ERR_HOROBALL_RUN` if it is neither; the errors of `loadWeights` and `create`
   * @example
   * using embedder = await Embedder.load('runs/shapes-hybrid-1', { device: 'auto' });
   */
  static load(run: string, options: LoadRunOptions = {}): Promise<Embedder> {
    return runLoader!(run, options); // every public entry point that exports this class registers a loader
  }

  /** Whether both outputs are functions of the same unit vector; pass this to HybridLoss. */
  get tied(): boolean {
    return Embedder.#checked(this).config.head === 'hypmix';
  }

  /** The current c: `config.c`, or the value of the last `setCurvature`. The ball's curvature is -c. */
  get c(): number {
    return Embedder.#checked(this).#c;
  }

  /** Returns `embedder`; throws a coded error for an object that inherits from the prototype, but has no private fields. */
  static #checked(embedder: Embedder): Embedder {
    if (#c in embedder) return embedder;
    throw typeError('embedder', 'this', 'an Embedder that horoball created', embedder);
  }

  /**
   * Queues a new curvature for subsequent forward passes.
   * @param c - above 0; the ball's curvature is -c
   * @param options - `learnable`: backward passes accumulate the gradient for `curvatureGradient`; `learnt` is its
   * deprecated name
   * @throws RangeError `ERR_HOROBALL_RANGE`
   */
  setCurvature(c: number, options: { learnable?: boolean; learnt?: boolean } = {}): void {
    const operation = 'embedder.setCurvature';
    const { learnt = false, learnable = learnt } = readOptions(operation, options, ['learnable', 'learnt']);
    native().setCurvature(
      this.handle,
      curvature(operation, c),
      boolean(operation, 'learnable', learnable, false),
    );
    this.#c = c;
  }

  /**
   * Returns the gradient with respect to c through the ball points, accumulated over backward passes since `setCurvature`.
   * Add the loss's own `gradParams.c` to get the total; for a tied head, the result is 0 and `gradParams.c` is the total.
   */
  curvatureGradient(options: WaitOptions = {}): Promise<number> {
    return waitFor('embedder.curvatureGradient', options, (cancel) =>
      native().curvatureGradient(this.handle, cancel),
    );
  }

  /**
   * Returns where the first non-finite value is: in the images, in a weight, or in the output of a part of the network
   * (`blocks.3.attn`, `head.expmap0`); null if all values are finite.
   */
  async firstNotFinite(batch: Batch): Promise<string | null> {
    instance('embedder.firstNotFinite', 'batch', batch, Batch);
    const where = await native().firstNotFinite(this.handle, batch.handle);
    return where === '' ? null : where;
  }

  /** Returns every tensor of the model, with timm's names; the head's are `head.weight` and `head.bias`. */
  parameters(): readonly Parameter[] {
    return [...this.#parameters]; // optimizers rely on the order of the list, which a caller may sort
  }

  /**
   * Queues a forward pass of a batch of the configured size.
   * @throws RangeError `ERR_HOROBALL_SHAPE` if the images do not have the model's input size.
   */
  forward(batch: Batch, options: ForwardOptions = {}): Embeddings {
    const operation = 'embedder.forward';
    instance(operation, 'batch', batch, Batch);
    const {
      train = true,
      purpose = train ? 'training' : 'evaluation',
      signal,
    } = readOptions(operation, options, ['train', 'purpose', 'signal']);
    boolean(operation, 'train', train, true);
    choice(operation, 'purpose', purpose, ['training', 'evaluation']);
    const { imgSize, embedDim } = this.config.model;
    const [wanted, got] = [imgSize, batch.size].map((size) => `images of ${sides(size).join(' x ')}`);
    if (got !== wanted) throw shapeError(operation, 'batch', wanted!, got);
    const { model, compat } = this.config;
    const classAlone = model.distilled && compat === 'hypmix' && purpose === 'training';
    const handles = native().forward(
      this.handle,
      batch.handle,
      train,
      classAlone,
      cancelOf(operation, signal),
    );
    return new Embeddings(handles, batch.count, embedDim, this.config.dim);
  }

  /** Returns all weights by timm's names. */
  state(options: WaitOptions = {}): Promise<Map<string, NamedTensor>> {
    return this.#read(this.#parameters, false, options);
  }

  /** Returns the gradients of the trainable parameters; zeros if no gradient has been computed. */
  gradients(options: WaitOptions = {}): Promise<Map<string, NamedTensor>> {
    const trainable = this.#parameters.filter((p) => p.trainable);
    return this.#read(trainable, true, options);
  }

  /**
   * Copies weights into the model by name; copies none if one is invalid.
   * @throws RangeError `ERR_HOROBALL_SHAPE` naming the first entry of the wrong shape.
   */
  async loadState(state: ReadonlyMap<string, AnyTensor>, options: WaitOptions = {}): Promise<LoadReport> {
    checkMap('embedder.loadState', 'state', state);
    const known = this.#parameters.filter((p) => state.has(p.name));
    const names = known.map((p) => p.name);
    const arrays = known.map(({ name, shape }) =>
      shapedValues('embedder.loadState', name, shape, state.get(name)!),
    );
    await waitFor('embedder.loadState', options, (cancel) =>
      native().writeModel(this.handle, names, arrays, cancel),
    );
    const has = new Set(this.#parameters.map((p) => p.name));
    return {
      missing: this.#parameters.map((p) => p.name).filter((name) => !state.has(name)),
      unexpected: [...state.keys()].filter((name) => !has.has(name)),
    };
  }

  async #read(
    parameters: readonly Parameter[],
    gradients: boolean,
    options: WaitOptions,
  ): Promise<Map<string, NamedTensor>> {
    const names = parameters.map((p) => p.name);
    const arrays = parameters.map((p) => new Float32Array(elements(p.shape)));
    await waitFor('embedder.state', options, (cancel) =>
      native().readModel(this.handle, gradients, names, arrays, cancel),
    );
    return new Map(parameters.map((p, i) => [p.name, { shape: p.shape, data: arrays[i]! }]));
  }
}

/**
 * Returns the row-wise operations of the head, as indices and parameters for the core. The first one clips; if
 * `clipR` is null, its radius is infinite.
 */
function operationsOf({ clipR }: EmbedderConfig): EmbedderNumbers['toBall'] {
  return headCards().map((card, index) => ({
    index: rowCards().indexOf(card),
    parameter: index === 0 ? (clipR ?? Infinity) : (card.parameter?.start ?? 0),
  }));
}

/** Returns the entry's values as float32; throws unless it has the expected shape. */
export function shapedValues(
  operation: string,
  name: string,
  shape: readonly number[],
  entry: AnyTensor,
): Float32Array {
  const { shape: got, data } = checkOptions(operation, entry, name);
  if (!Array.isArray(got)) throw typeError(operation, name, 'a shape', quoted(got));
  const isFloat = isTyped<Float32Array | Float64Array>(data, Float32Array, Float64Array);
  if (!isFloat) throw typeError(operation, name, 'floating-point values', quoted(data));
  const same = got.length === shape.length && got.every((d, i) => d === shape[i]);
  if (!same || data.length !== elements(shape)) {
    throw shapeError(operation, name, `shape [${shape}]`, describeList(got));
  }
  return data instanceof Float32Array ? data : Float32Array.from(data);
}

const optionNames = [
  'model',
  'head',
  'dim',
  'clipR',
  'c',
  'seed',
  'device',
  'freezePatchEmbed',
  'freezeBlocks',
  'freezeHead',
  'compat',
  'precision',
] as const satisfies (keyof EmbedderOptions)[];

function resolveOptions(given: EmbedderOptions): EmbedderConfig {
  const operation = 'embedder.create';
  const options = readOptions(operation, given, optionNames);
  const model = resolveViT(options.model);
  const { freezeBlocks = 0, clipR, c, dim, seed } = options;
  integer(operation, 'dim', dim, 1, Number.MAX_SAFE_INTEGER);
  integer(operation, 'seed', seed, 0, Number.MAX_SAFE_INTEGER);
  integer(operation, 'freezeBlocks', freezeBlocks, 0, model.depth);
  curvature(operation, c);
  if (clipR !== null) positive(operation, 'clipR', clipR);
  choice(operation, 'head', options.head, heads);
  const { head, device = 'cpu', freezePatchEmbed = false, freezeHead = false } = options;
  const { compat = null, precision = 'float32' } = options;
  choice(operation, 'precision', precision, precisions);
  boolean(operation, 'freezePatchEmbed', freezePatchEmbed, false);
  boolean(operation, 'freezeHead', freezeHead, false);
  if (compat !== null) guards(operation, compat);
  const frozen = { freezePatchEmbed, freezeBlocks, freezeHead };
  return { model, head, dim, clipR, c, seed, device, ...frozen, compat, precision };
}
