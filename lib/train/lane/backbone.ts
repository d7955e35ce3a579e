import { checkMap, instance, readOptions } from '../../check.ts';
import type { Handle } from './addon-types.ts';
import { Embedder, type ForwardOptions, type LoadReport } from './embedder.ts';
import type { Batch, Tensor } from './tensor.ts';
import type { AnyTensor, EmbedderOptions, NamedTensor, Parameter, ViTConfig, WaitOptions } from './types.ts';

/** Options of {@link createViT}. */
export interface ViTOptions
  extends Pick<EmbedderOptions, 'device' | 'precision' | 'freezePatchEmbed' | 'freezeBlocks'> {
  /** Seed of the initial weights; default 0. */
  seed?: number;
}

/** A vision transformer without an embedding head: images in, features out. */
export class ViT implements Disposable {
  /** The model's configuration with all defaults filled in. */
  readonly config: { readonly model: Readonly<Required<ViTConfig>> };
  // Native models always have a head; here, it is a small frozen matrix that is never exposed.
  readonly #embedder: Embedder;

  /** @internal */
  constructor(embedder: Embedder) {
    this.#embedder = instance('vit', 'embedder', embedder, Embedder);
    this.config = { model: embedder.config.model };
  }

  /** @internal */
  get handle(): Handle<'Embedder'> {
    return this.#embedder.handle;
  }

  /** Returns every tensor of the model, with timm's names. */
  parameters(): readonly Parameter[] {
    return this.#embedder.parameters().filter(({ name }) => isOfBackbone(name));
  }

  /**
   * Queues a forward pass.
   * @returns the unnormalized features: count x embedDim; call `backward(cotangent)` on the tensor before `gradients()`.
   * @throws RangeError `ERR_HOROBALL_SHAPE` if the images do not have the model's input size.
   */
  forward(batch: Batch, options: ForwardOptions = {}): Tensor {
    const { body, euclidean, hyperbolic } = this.#embedder.forward(batch, options);
    euclidean.dispose();
    hyperbolic.dispose();
    return body;
  }

  /** Returns all weights by timm's names. */
  async state(options: WaitOptions = {}): Promise<Map<string, NamedTensor>> {
    return ofBackbone(await this.#embedder.state(options));
  }

  /** Returns the gradients of the trainable parameters; zeros if no gradient has been computed. */
  async gradients(options: WaitOptions = {}): Promise<Map<string, NamedTensor>> {
    return ofBackbone(await this.#embedder.gradients(options));
  }

  /**
   * Copies weights into the model by name; copies none if one is invalid.
   * @throws RangeError `ERR_HOROBALL_SHAPE` naming the first entry of the wrong shape.
   */
  async loadState(state: ReadonlyMap<string, AnyTensor>, options: WaitOptions = {}): Promise<LoadReport> {
    checkMap('vit.loadState', 'state', state);
    const { missing, unexpected } = await this.#embedder.loadState(ofBackbone(state), options);
    const heads = [...state.keys()].filter((name) => !isOfBackbone(name));
    return { missing: missing.filter(isOfBackbone), unexpected: [...unexpected, ...heads] };
  }

  /** Frees the model once queued work has finished with it. */
  dispose(): void {
    this.#embedder.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Creates a vision transformer (Dosovitskiy et al. 2021, arXiv 2010.11929) initialized as in timm; `loadWeights` loads
 * pretrained weights.
 *
 * @param model - a name in `vitConfigs`, JSON text with the arguments of a timm model, or a configuration
 * @throws RangeError `ERR_HOROBALL_RANGE` for an unknown name or an option out of range, `ERR_HOROBALL_OPTION` for invalid
 * JSON; `ERR_HOROBALL_NO_TRAIN` and related codes if the training layer is unavailable
 * @example
 * using vit = await createViT('vit_nano');
 * using features = vit.forward(Batch.from(images, { count, size: 48 }, vit.config.model.mean, vit.config.model.std));
 */
export async function createViT(model: string | ViTConfig, options: ViTOptions = {}): Promise<ViT> {
  const { seed = 0, ...others } = readOptions('createViT', options, [
    'seed',
    'device',
    'precision',
    'freezePatchEmbed',
    'freezeBlocks',
  ]);
  return new ViT(await Embedder.create({ model, ...hidden, seed, ...others }));
}

const hidden = { head: 'hypmix', dim: 1, clipR: null, c: 1, freezeHead: true } as const;

const isOfBackbone = (name: string): boolean => !name.startsWith('head.');

function ofBackbone<T>(tensors: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...tensors].filter(([name]) => isOfBackbone(name)));
}
