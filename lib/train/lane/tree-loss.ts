import { contrastiveLosses, geometries } from '../../card-names.ts';
import { type RowCard, rowCards } from '../../row/card.ts';
import type { BatchTree } from '../data/class-tree.ts';
import type { ConeNumbers, Handle, LevelNumbers } from './addon-types.ts';
import type { LossInputs } from './inputs.ts';
import type { HybridLoss, LossHandle } from './loss.ts';
import { native } from './native.ts';
import { Tensor } from './tensor.ts';

/** The values of the losses on a class tree, before weighting. */
export interface TreeValues {
  /** Mean loss over the levels of the {@link BatchTree}; 0 if it has no levels. */
  levels?: number;
  cones?: number;
  radius?: number;
}

/** Options of {@link TreeLoss}. */
export interface TreeLossOptions {
  /** The weight of each term that is trained. */
  weights: Readonly<TreeValues>;
  /** Factor by which the temperatures grow per level above the classes. */
  temperature: number;
  /** Constant K of the half-aperture of the cones. */
  k: number;
  /** Distance from the origin at which the `radius` term is 0 for images of the deepest classes. */
  reach: number;
}

/** The tree losses of one batch. */
export class TreeTerms implements Disposable {
  readonly #tensors: { readonly [Name in keyof TreeValues]-?: readonly Tensor[] | null };

  /** @internal The tensors of each term; null for a term that is not trained. */
  constructor(tensors: { readonly [Name in keyof TreeValues]-?: readonly Tensor[] | null }) {
    this.#tensors = tensors;
  }

  /** Reads the values; rejects with the error of the first queued operation that failed. */
  async read(): Promise<TreeValues> {
    const read = async (tensors: readonly Tensor[]): Promise<number> => {
      const values = await Promise.all(tensors.map(async (tensor) => (await tensor.data())[0]!));
      return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
    };
    const entries = Object.entries(this.#tensors).filter(([, tensors]) => tensors !== null);
    return Object.fromEntries(
      await Promise.all(entries.map(async ([name, tensors]) => [name, await read(tensors!)] as const)),
    );
  }

  [Symbol.dispose](): void {
    for (const tensors of Object.values(this.#tensors)) for (const each of tensors ?? []) each.dispose();
  }
}

/**
 * Losses on a class tree, added to the loss of a batch:
 *
 * - `levels`: for each level above the classes, the SupCon loss whose positives have the same ancestor on that level
 *   (Zhang et al. 2022, arXiv 2204.13207), computed by the fused kernel in O(rows dim) memory. Its temperatures are
 *   `tauE` and `tauH` of `HybridLoss` times `temperature ** height`, so that larger groups are pulled together less tightly.
 * - `cones`: `max(0, exteriorAngle(a, x) - halfAperture(a))`, averaged over images x and their ancestors a, from the class up
 *   (MERU, Desai et al. 2023, arXiv 2304.09172; HyCoCLIP, Pal et al. 2024, arXiv 2410.06912).
 * - `radius`: the mean squared difference between d / `reach`, where d is the distance from the origin, and the relative
 *   depth, over images and ancestors.
 *
 * An ancestor is represented by the hyperbolic midpoint of its images in the batch. A learned prototype would only be updated
 * by batches with its images, and would not carry over to the classes of the test split. A midpoint needs no state, and tends
 * to be nearer to the origin than its images, as an ancestor should be.
 */
export class TreeLoss {
  readonly #weights: Readonly<TreeValues>;
  readonly #temperature: number;
  readonly #logits: LevelNumbers;
  readonly #cones: ConeNumbers;

  constructor({ options }: HybridLoss, { weights, temperature, k, reach }: TreeLossOptions) {
    this.#weights = weights;
    this.#temperature = temperature;
    this.#logits = {
      ...options,
      geometryIndex: geometries.indexOf(options.geometry),
      lossIndex: contrastiveLosses.indexOf('supcon'),
    };
    this.#cones = {
      aperture: operationOf('halfAperture', k),
      angle: operationOf('exteriorAngle'),
      distance: operationOf('dist0'),
      c: options.c,
      reach,
    };
  }

  /** Queues the terms of a batch, and adds them to `objective`, each multiplied by `scale` and its weight. */
  addTo(objective: LossHandle, inputs: LossInputs, tree: BatchTree, scale: number): TreeTerms {
    const { levels, cones, radius } = this.#weights;
    const perLevel = levels === undefined ? null : tree.levels.map((level) => this.#level(inputs, level));
    for (const term of perLevel ?? []) objective.add(term, (scale * levels!) / perLevel!.length);
    if (cones === undefined && radius === undefined)
      return new TreeTerms({ levels: perLevel, cones: null, radius: null });
    const { nodes, rows, nodeDepths, rowDepths } = tree;
    const numbers = this.#cones;
    const terms = native().coneLoss(inputs.hyperbolic.handle, numbers, nodes, rows, nodeDepths, rowDepths);
    const trained = (handle: Handle<'Tensor'>, weight: number | undefined): readonly Tensor[] | null => {
      const term = new Tensor(handle, [1]);
      if (weight !== undefined) objective.add(term, scale * weight);
      else term.dispose();
      return weight === undefined ? null : [term];
    };
    return new TreeTerms({
      levels: perLevel,
      cones: trained(terms.cones, cones),
      radius: trained(terms.radius, radius),
    });
  }

  #level({ euclidean, hyperbolic }: LossInputs, { height, groups }: BatchTree['levels'][number]): Tensor {
    const factor = this.#temperature ** height;
    const numbers = { ...this.#logits, tauE: factor * this.#logits.tauE, tauH: factor * this.#logits.tauH };
    return new Tensor(native().levelLoss(euclidean.handle, hyperbolic.handle, numbers, groups), [1]);
  }
}

/** Returns a row-wise operation of the core; `parameter` defaults to the operation's own default. */
function operationOf(name: string, parameter?: number): ConeNumbers['angle'] {
  const index = rowCards().findIndex((card: RowCard) => card.name === name);
  return { index, parameter: parameter ?? rowCards()[index]!.parameter?.start ?? 0 };
}
