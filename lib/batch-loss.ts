/** The losses of a batch, and what distinguishes some of them from the others. */
import { contrastiveLosses } from './card-names.ts';

/**
 * The losses of a batch with the same number of views per class: `views`, that of `hybridContrastiveLoss`, those of
 * `contrastiveLoss`, and ProxyNCA++.
 */
export const batchLosses: readonly ['views', ...typeof contrastiveLosses, 'proxy-nca'] = [
  'views',
  ...contrastiveLosses,
  'proxy-nca',
];
export type BatchLoss = (typeof batchLosses)[number];

/** The parameters of `multi-similarity` and `proxy-anchor`. */
export interface SimilarityNumbers {
  readonly alpha: number;
  readonly beta: number;
  readonly base: number;
  readonly margin: number;
}

interface LossFacts {
  /** The parameters that it has, with their published defaults. */
  readonly numbers?: SimilarityNumbers;
  /** Whether it has one scale for positives and negatives, which is `alpha`, when it trains a network. */
  readonly oneScale?: true;
  /** The side of `contrastiveLoss` on which it has proxies. */
  readonly proxies?: 'anchors' | 'references';
  /** The loss of `contrastiveLoss` that it is, under another name. */
  readonly computedAs?: (typeof contrastiveLosses)[number];
}

const facts: Readonly<Partial<Record<BatchLoss, LossFacts>>> = {
  'multi-similarity': { numbers: { alpha: 2, beta: 50, base: 0.5, margin: 0.1 } },
  'proxy-anchor': {
    numbers: { alpha: 32, beta: 32, base: 0, margin: 0.1 },
    oneScale: true,
    proxies: 'anchors',
  },
  'proxy-nca': { proxies: 'references', computedAs: 'ntxent' },
};

const none: LossFacts = {};

/** What distinguishes a loss from the others; nothing for most. */
export function factsOf(loss: BatchLoss): LossFacts {
  return facts[loss] ?? none;
}

/** The default parameters of a loss. One without parameters ignores them. */
export function similarityNumbersOf(loss: BatchLoss): SimilarityNumbers {
  return factsOf(loss).numbers ?? facts['multi-similarity']!.numbers!;
}

/** Whether a loss compares a batch with proxies. */
export function needsProxies(loss: BatchLoss): boolean {
  return factsOf(loss).proxies !== undefined;
}

/** The losses that have a fact. */
export function lossesWith(fact: keyof LossFacts): BatchLoss[] {
  return batchLosses.filter((loss) => factsOf(loss)[fact] !== undefined);
}

/** The index among the cards of `contrastiveLoss`; -1 for `views`. */
export function cardIndex(loss: BatchLoss): number {
  return (contrastiveLosses as readonly string[]).indexOf(factsOf(loss).computedAs ?? loss);
}
