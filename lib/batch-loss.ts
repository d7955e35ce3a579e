/** The losses of a batch: their names, default parameters and special properties. */
import { contrastiveLosses } from './card-names.ts';

/** The losses that have parameters, with the published defaults. */
export const lossParameters = {
  'multi-similarity': { alpha: 2, beta: 50, base: 0.5 },
  'proxy-anchor': { alpha: 32, beta: 32, base: 0, margin: 0.1 },
} as const;

export type LossWithParameters = keyof typeof lossParameters;
/** The names of a loss's parameters. */
export type ParameterOf<L extends LossWithParameters> = L extends unknown
  ? keyof (typeof lossParameters)[L]
  : never;

/**
 * Losses of a batch with the same number of views per class: `views` (the loss of `hybridContrastiveLoss`), the losses
 * of `contrastiveLoss`, and ProxyNCA++.
 */
export const batchLosses: readonly ['views', ...typeof contrastiveLosses, 'proxy-nca'] = [
  'views',
  ...contrastiveLosses,
  'proxy-nca',
];
export type BatchLoss = (typeof batchLosses)[number];

/** The parameters of all losses: the core expects all of them, whatever the loss. */
export type SimilarityNumbers = Record<ParameterOf<LossWithParameters>, number>;

interface LossFacts {
  /** Whether training uses `alpha` for the negatives too, in place of `beta`. */
  readonly oneScale?: true;
  /** Which rows of `contrastiveLoss` are proxies: the anchors or the references. */
  readonly proxies?: 'anchors' | 'references';
  /** The name of the loss in `contrastiveLoss`, if it differs. */
  readonly computedAs?: (typeof contrastiveLosses)[number];
}

const facts: Readonly<Partial<Record<BatchLoss, LossFacts>>> = {
  'proxy-anchor': { oneScale: true, proxies: 'anchors' },
  'proxy-nca': { proxies: 'references', computedAs: 'ntxent' },
};

const noFacts: LossFacts = {};

/** Returns the special properties of a loss; most losses have none. */
export function factsOf(loss: BatchLoss): LossFacts {
  return facts[loss] ?? noFacts;
}

/** Returns the parameters of a loss, with their published defaults; empty for most. */
export function parametersOf(loss: BatchLoss): Readonly<Partial<SimilarityNumbers>> {
  return (lossParameters as Partial<Record<BatchLoss, Partial<SimilarityNumbers>>>)[loss] ?? {};
}

/** Returns a value for every parameter: the default if the loss has the parameter, otherwise a value that it ignores. */
export function similarityNumbersOf(loss: BatchLoss): SimilarityNumbers {
  const any = { ...lossParameters['proxy-anchor'], ...lossParameters['multi-similarity'] };
  return { ...any, ...parametersOf(loss) };
}

/** Whether a loss compares a batch with proxies. */
export function needsProxies(loss: BatchLoss): boolean {
  return factsOf(loss).proxies !== undefined;
}

/** Returns the losses that have this special property. */
export function lossesWith(fact: keyof LossFacts): BatchLoss[] {
  return batchLosses.filter((loss) => factsOf(loss)[fact] !== undefined);
}

/**
 * Returns the core's number for a loss: the index in `contrastiveLosses` of the loss itself or of the one that computes
 * it; -1 for `views`.
 */
export function cardIndex(loss: BatchLoss): number {
  return (contrastiveLosses as readonly string[]).indexOf(factsOf(loss).computedAs ?? loss);
}
