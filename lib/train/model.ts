import { type Compat, choice, curvature, integer, positive } from '../check.ts';
import { shapeError, typeError } from '../errors.ts';
import { cancelOf, type Device, type Handle, native, waitFor } from './native.ts';
import {
  type AnyTensor,
  type Batch,
  elements,
  type NamedTensor,
  Resource,
  Tensor,
  type WaitOptions,
} from './tensor.ts';
import { resolveViT, type ViTConfig } from './vit.ts';

export { type ViTConfig, vitConfigs } from './vit.ts';

/**
 * What follows the backbone's linear projection to z. `hypmix`: e = z / |z|, h = project(expmap0(clip(e))), so
 * both outputs are functions of the same direction (tied). `hyp-vit`: h = project(expmap0(clip(z))), so the
 * radius is free; e = z / |z| as before.
 */
export type Head = 'hypmix' | 'hyp-vit';

export interface EmbedderOptions {
  model: string | ViTConfig;
  head: Head;
  /** Dimension of the embedding. */
  dim: number;
  /** Largest norm before expmap0, or null for no limit. */
  clipR: number | null;
  /** The ball's curvature is -c; c > 0. */
  c: number;
  /** Of the initial weights; the same seed gives the same weights. */
  seed: number;
  device?: Device;
  /** Keep the patch embedding as it is. */
  freezePatchEmbed?: boolean;
  /** Keep the first n blocks as they are. */
  freezeBlocks?: number;
  /** Keep the head's projection as it is. */
  freezeHead?: boolean;
  /** `hypmix`: the published guards of clip, expmap0 and project. */
  compat?: Compat | null;
  /** What the backbone computes in, where libtorch's autocast allows; the head is always float32, the default. */
  precision?: Precision;
}

/** Element type of the backbone's products; weights, geometry and loss stay float32. */
export type Precision = 'float32' | 'bfloat16' | 'float16';

/** The options with every default filled in. */
export type EmbedderConfig = Readonly<Required<Omit<EmbedderOptions, 'model'>>> & {
  readonly model: Readonly<Required<ViTConfig>>;
};

export interface ForwardOptions extends WaitOptions {
  /** Build the graph that a backward pass needs (true by default). */
  train?: boolean;
  /**
   * What the embeddings are for; by default `training` where `train`. It matters for a distilled backbone under compat
   * `hypmix` only: the published code trains the class token alone and evaluates the mean of it and the distillation
   * token.
   */
  purpose?: 'training' | 'evaluation';
}

/** A trainable or frozen tensor of the model, by timm's name. */
export interface Parameter {
  name: string;
  shape: readonly number[];
  trainable: boolean;
}

/** What loading a state left over. */
export interface LoadReport {
  /** Parameters that the state does not have; they keep their values. */
  missing: string[];
  /** Entries of the state that no parameter has. */
  unexpected: string[];
}

/** The outputs of one forward pass, a row a picture. */
export class Embeddings implements Disposable {
  /** The backbone's feature, not normalised: count x embedDim. */
  readonly body: Tensor;
  /** Unit vectors: count x dim. */
  readonly euclidean: Tensor;
  /** Points of the ball of curvature -c: count x dim. */
  readonly hyperbolic: Tensor;

  /** @internal */
  constructor(handles: readonly [Handle, Handle, Handle], count: number, width: number, dim: number) {
    this.body = new Tensor(handles[0], [count, width]);
    this.euclidean = new Tensor(handles[1], [count, dim]);
    this.hyperbolic = new Tensor(handles[2], [count, dim]);
  }

  dispose(): void {
    this.body.dispose();
    this.euclidean.dispose();
    this.hyperbolic.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Backbone and head. Calls are queued on the lane and return at once; only promises wait. */
export class Embedder extends Resource {
  readonly config: EmbedderConfig;
  readonly #parameters: readonly Parameter[];
  #c: number;

  private constructor(handle: Handle, config: EmbedderConfig, parameters: readonly Parameter[]) {
    super('embedder', handle);
    this.config = config;
    this.#parameters = parameters;
    this.#c = config.c;
  }

  /**
   * Builds the model with timm's initial weights and an orthogonal head.
   * @throws RangeError `ERR_HOROBALL_OPTION` for an option out of its range.
   */
  static async create(options: EmbedderOptions): Promise<Embedder> {
    const config = resolveOptions(options);
    const { handle, ready } = native().embedder(config);
    try {
      return new Embedder(handle, config, await ready);
    } catch (error) {
      native().dispose(handle);
      throw error;
    }
  }

  /** True when both outputs are functions of the same unit vector, as HybridLoss wants to know. */
  get tied(): boolean {
    return this.config.head === 'hypmix';
  }

  /** The ball's curvature is -c: `config.c`, until `setCurvature` says otherwise. */
  get c(): number {
    return this.#c;
  }

  /**
   * Queues another curvature for the forward passes from here on.
   * @param options - `learnt`: backward passes leave the gradient for `curvatureGradient`
   */
  setCurvature(c: number, { learnt = false }: { learnt?: boolean } = {}): void {
    this.#c = curvature('embedder.setCurvature', c);
    native().setCurvature(this.handle, c, learnt);
  }

  /**
   * The gradient in c, through the points of the ball, of all that went backwards since `setCurvature`. The loss's own
   * `gradParams.c` comes on top; where the head is tied that is all, and this is 0.
   */
  curvatureGradient(options: WaitOptions = {}): Promise<number> {
    return waitFor(options.signal, (cancel) => native().curvatureGradient(this.handle, cancel));
  }

  /**
   * Looks for the first value that is not finite: in the pictures, in a weight, or in what a part of the network makes
   * of them (`blocks.3.attn`, `head.expmap0`); null when there is none.
   */
  async firstNotFinite(batch: Batch): Promise<string | null> {
    const where = await native().firstNotFinite(this.handle, batch.handle);
    return where === '' ? null : where;
  }

  parameters(): readonly Parameter[] {
    return this.#parameters;
  }

  /**
   * Embeds a batch of the configured size.
   * @throws RangeError `ERR_HOROBALL_SHAPE` when the pictures have another size than the model's.
   */
  forward(batch: Batch, options: ForwardOptions = {}): Embeddings {
    const { imgSize, embedDim } = this.config.model;
    if (batch.size !== imgSize) {
      const [wanted, got] = [imgSize, batch.size].map((side) => `pictures of ${side} x ${side}`);
      throw shapeError('embedder.forward', 'batch', wanted!, got);
    }
    const { train = true, purpose = train ? 'training' : 'evaluation', signal } = options;
    const { model, compat } = this.config;
    const classAlone = model.distilled && compat === 'hypmix' && purpose === 'training';
    const handles = native().forward(this.handle, batch.handle, train, classAlone, cancelOf(signal));
    return new Embeddings(handles, batch.count, embedDim, this.config.dim);
  }

  /** All weights by timm's names; the head's are `head.weight` and `head.bias`. */
  state(options: WaitOptions = {}): Promise<Map<string, NamedTensor>> {
    return this.#read(this.#parameters, 'value', options);
  }

  /** The gradients of the trainable parameters; zeros where nothing has flowed back. */
  gradients(options: WaitOptions = {}): Promise<Map<string, NamedTensor>> {
    const trainable = this.#parameters.filter((p) => p.trainable);
    return this.#read(trainable, 'gradient', options);
  }

  /**
   * Copies weights in by name, all or nothing.
   * @throws RangeError `ERR_HOROBALL_SHAPE` naming the first entry of the wrong shape.
   */
  async loadState(state: ReadonlyMap<string, AnyTensor>, options: WaitOptions = {}): Promise<LoadReport> {
    const known = this.#parameters.filter((p) => state.has(p.name));
    const names = known.map((p) => p.name);
    const arrays = known.map(({ name, shape }) =>
      shapedValues('embedder.loadState', name, shape, state.get(name)!),
    );
    await waitFor(options.signal, (cancel) => native().writeModel(this.handle, names, arrays, cancel));
    const has = new Set(this.#parameters.map((p) => p.name));
    return {
      missing: this.#parameters.map((p) => p.name).filter((name) => !state.has(name)),
      unexpected: [...state.keys()].filter((name) => !has.has(name)),
    };
  }

  async #read(
    parameters: readonly Parameter[],
    what: 'value' | 'gradient',
    options: WaitOptions,
  ): Promise<Map<string, NamedTensor>> {
    const names = parameters.map((p) => p.name);
    const arrays = parameters.map((p) => new Float32Array(elements(p.shape)));
    await waitFor(options.signal, (cancel) => native().readModel(this.handle, what, names, arrays, cancel));
    return new Map(parameters.map((p, i) => [p.name, { shape: p.shape, data: arrays[i]! }]));
  }
}

/** The entry's values as float32; throws unless it has the shape that `name` wants. */
export function shapedValues(
  operation: string,
  name: string,
  shape: readonly number[],
  { shape: got, data }: AnyTensor,
): Float32Array {
  const same = got.length === shape.length && got.every((d, i) => d === shape[i]);
  if (!same || data.length !== elements(shape)) {
    throw shapeError(operation, name, `shape [${shape}]`, `[${got}]`);
  }
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  throw typeError(operation, name, 'floating-point values', data);
}

function resolveOptions(options: EmbedderOptions): EmbedderConfig {
  const model = resolveViT(options.model);
  const { freezeBlocks = 0, clipR, c, dim, seed } = options;
  const operation = 'embedder.create';
  integer(operation, 'dim', dim, 1, Number.MAX_SAFE_INTEGER);
  integer(operation, 'seed', seed, 0, Number.MAX_SAFE_INTEGER);
  integer(operation, 'freezeBlocks', freezeBlocks, 0, model.depth);
  curvature(operation, c);
  if (clipR !== null) positive(operation, 'clipR', clipR);
  choice(operation, 'head', options.head, ['hypmix', 'hyp-vit']);
  const { head, device = 'cpu', freezePatchEmbed = false, freezeHead = false } = options;
  const { compat = null, precision = 'float32' } = options;
  choice(operation, 'precision', precision, ['float32', 'bfloat16', 'float16']);
  const frozen = { freezePatchEmbed, freezeBlocks, freezeHead };
  return { model, head, dim, clipR, c, seed, device, ...frozen, compat, precision };
}
