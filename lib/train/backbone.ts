import {
  Embedder,
  type EmbedderOptions,
  type ForwardOptions,
  type LoadReport,
  type Parameter,
} from './model.ts';
import type { Handle } from './native.ts';
import type { AnyTensor, Batch, NamedTensor, Tensor, WaitOptions } from './tensor.ts';
import type { ViTConfig } from './vit.ts';

/** Options of {@link createViT}. */
export interface ViTOptions
  extends Pick<EmbedderOptions, 'device' | 'precision' | 'freezePatchEmbed' | 'freezeBlocks'> {
  /** Of the initial weights; 0 by default. */
  seed?: number;
}

/** A vision transformer by itself, without an embedding head: pictures in, features out. */
export class ViT implements Disposable {
  /** The model, with every default filled in. */
  readonly config: { readonly model: Readonly<Required<ViTConfig>> };
  // Every native model has a head; here it is one small frozen matrix that nobody sees.
  readonly #embedder: Embedder;

  /** @internal */
  constructor(embedder: Embedder) {
    this.#embedder = embedder;
    this.config = { model: embedder.config.model };
  }

  /** @internal */
  get handle(): Handle {
    return this.#embedder.handle;
  }

  /** Every tensor of the model, by timm's names. */
  parameters(): readonly Parameter[] {
    return this.#embedder.parameters().filter(({ name }) => isOwn(name));
  }

  /**
   * Queues a forward pass.
   * @returns the features, not normalised: count x embedDim. `backward(cotangent)` leaves gradients in `gradients()`.
   * @throws RangeError `ERR_HOROBALL_SHAPE` when the pictures have another size than the model's.
   */
  forward(batch: Batch, options: ForwardOptions = {}): Tensor {
    const { body, euclidean, hyperbolic } = this.#embedder.forward(batch, options);
    euclidean.dispose();
    hyperbolic.dispose();
    return body;
  }

  /** All weights by timm's names. */
  async state(options: WaitOptions = {}): Promise<Map<string, NamedTensor>> {
    return own(await this.#embedder.state(options));
  }

  /** The gradients of the trainable parameters; zeros where nothing has flowed back. */
  async gradients(options: WaitOptions = {}): Promise<Map<string, NamedTensor>> {
    return own(await this.#embedder.gradients(options));
  }

  /**
   * Copies weights in by name, all or nothing.
   * @throws RangeError `ERR_HOROBALL_SHAPE` naming the first entry of the wrong shape.
   */
  async loadState(state: ReadonlyMap<string, AnyTensor>, options: WaitOptions = {}): Promise<LoadReport> {
    const { missing, unexpected } = await this.#embedder.loadState(own(state), options);
    const heads = [...state.keys()].filter((name) => !isOwn(name));
    return { missing: missing.filter(isOwn), unexpected: [...unexpected, ...heads] };
  }

  dispose(): void {
    this.#embedder.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Builds a vision transformer with timm's initial weights; `loadWeights` reads pretrained ones into it.
 *
 * @param model - a name of `vitConfigs`, timm's own JSON, or a configuration
 * @throws RangeError `ERR_HOROBALL_RANGE` for an unknown name or an option out of its range; `ERR_HOROBALL_NO_TRAIN` and
 * its like where the training layer cannot be used
 * @example
 * using vit = await createViT('vit_nano');
 * using features = vit.forward(Batch.from(images, { count, size: 48 }, vit.config.model.mean, vit.config.model.std));
 */
export async function createViT(
  model: string | ViTConfig,
  { seed = 0, ...options }: ViTOptions = {},
): Promise<ViT> {
  return new ViT(await Embedder.create({ model, ...hidden, seed, ...options }));
}

const hidden = { head: 'hypmix', dim: 1, clipR: null, c: 1, freezeHead: true } as const;

const isOwn = (name: string): boolean => !name.startsWith('head.');

function own<T>(tensors: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...tensors].filter(([name]) => isOwn(name)));
}
