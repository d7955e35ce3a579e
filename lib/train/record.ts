import type { RunConfig } from './config.ts';

/**
 * How embeddings are compared: the head's two outputs under their own distance, the backbone's feature, and the fused
 * score cosine / t_e - lam d / t_h.
 */
export type Space = 'hyperbolic' | 'cosine' | 'body' | 'fused';

/** Recall of one way to compare pictures. */
export interface Recall {
  /** Recall@k by k, each from 0 to 1. */
  at: Record<string, number>;
  /** R-Precision and MAP@R (Musgrave et al. 2020); absent in runs of earlier versions. */
  rPrecision?: number;
  mapAtR?: number;
  /**
   * Strict Recall@1 up the class tree. First: pictures of the same class excluded, a hit where the nearest is of
   * the same genus; second: the same genus excluded, a hit where it is of the same family. Empty without a tree.
   */
  strict: number[];
}

/** One evaluation of the test classes. */
export interface Evaluation {
  pictures: number;
  classes: number;
  spaces: Record<'hyperbolic' | 'cosine' | 'body', Recall> & { fused?: Recall };
}

/** How near a class is together and how evenly all are apart (Wang and Isola 2020); lower is better for both. */
export interface Spread {
  alignment: number;
  uniformity: number;
}

/** A line of metrics.jsonl after a training step. */
export interface StepRow {
  type: 'step';
  step: number;
  epoch: number;
  loss: number;
  /** Share of anchors whose nearest picture of another view is of their class, as the loss sees it. */
  accuracy: number;
  /** Smallest, mean and largest logit between views. */
  min: number;
  mean: number;
  max: number;
  lr: number;
  /** Norm of the gradient before clipping (with `compat: 'hypmix'` in float16: after it); absent where it overflowed. */
  gradNorm?: number;
  /** What float16 multiplies the next loss with. */
  scale?: number;
  /** The gradient overflowed in float16, and the step was left out. */
  skipped?: true;
  /** Those that are learnt, as this step had them. */
  t_e?: number;
  t_h?: number;
  hyp_c?: number;
  imagesPerSecond: number;
  /** Milliseconds for which the step waited for pictures. */
  waitMs: number;
  /** Seconds since the run began. */
  seconds: number;
}

/** A line of metrics.jsonl after an evaluation; epoch 0 is the untrained network. */
export interface EvaluationRow extends Evaluation {
  type: 'evaluation';
  step: number;
  epoch: number;
  seconds: number;
  /** Of the head's unit vectors; absent in runs of older versions. */
  spread?: Spread;
}

/** How the points of a batch stand in the ball; radii are sqrt c |x|, so that the rim is at 1. */
export interface Health {
  radius: {
    min: number;
    mean: number;
    max: number;
    /** Points by radius, in bins of equal width from 0 to 1. */
    histogram: number[];
  };
  /** Share of points at the radius within which `project` holds them. */
  atRim: number;
  /** Share of distances that the published formula would cut off (12.206 / sqrt c or more). */
  saturated: number;
}

/** A line of metrics.jsonl at the end of each epoch (every 50 steps, where there are no epochs). */
export interface HealthRow extends Health {
  type: 'health';
  step: number;
  epoch: number;
  /** The ball's curvature is -c. */
  c: number;
  /** What float16 multiplies the loss with, and the steps left out so far because a gradient overflowed. */
  scale: number | null;
  skippedSteps: number;
  seconds: number;
}

export type Row = StepRow | EvaluationRow | HealthRow;

/** How the pull on an anchor is spread over its negatives under one geometry; means over the anchors of a batch. */
export interface NegativeProfile {
  geometry: RunConfig['geometry'];
  /** Negatives of an anchor. */
  negatives: number;
  /** exp(entropy of q): the number of equal negatives that would be as spread. */
  effective: number;
  /** Shares of q on the hardest ceil(1 %) and ceil(10 %) by cosine. */
  hardest1: number;
  hardest10: number;
  /** Share of q on negatives of the anchor's own view, of which each stands in views - 1 rows of the loss. */
  sameView: number;
  /** 1 - p of the positive, averaged over the pairs of views: what the whole push is multiplied with. */
  missed: number;
  /** Share of q on the hardest 1, 2, 3, 5, ... negatives, those of the anchor's own view and the others apart. */
  byRank: { hardest: number[]; sameView: number[]; crossView: number[] };
  /**
   * In equal bins of the cosine from -1 to 1: share of the negatives, of q, and of the pull (null where an untied hybrid
   * has two that do not add).
   */
  byCosine: { count: number[]; weight: number[]; pull: number[] | null };
}

/** The same batch under every geometry, with the run's temperatures. */
export interface NegativeProfiles {
  own: RunConfig['geometry'];
  tied: boolean;
  views: number;
  classes: number;
  cosineBins: number;
  profiles: NegativeProfile[];
}

/** A way to compare pictures that was not trained, measured on the same test classes. */
export interface Baseline {
  name: string;
  recall: Recall;
}

/** A test picture in the gallery: `thumbnail` is a data URI. */
export interface Thumbnail {
  label: number;
  thumbnail: string;
}

/** What the drawings of a report need beside the curves: made once, at the end of a run. */
export interface Snapshot {
  dataset: string;
  /** The epoch after which the embeddings were made. */
  epoch: number;
  classes: string[];
  /** Per class its ancestors, nearest first; empty without a class tree. */
  parents: string[][];
  disk: {
    c: number;
    /** x and y in the unit disk (coordinates times sqrt c), point after point. */
    points: number[];
    labels: number[];
    /** Share of the tangent vectors' variance along the two directions. */
    explained: [number, number];
  };
  gallery: { query: Thumbnail; nearest: (Thumbnail & { distance: number })[] }[];
  baselines: Baseline[];
  /** Absent in runs of older versions, null where the test set is too small. */
  negatives?: NegativeProfiles | null;
  ranks?: Ranks;
  /** By level of the class tree, from pictures up; empty without a tree. */
  depth?: DepthRow[];
}

/** How alike hyperbolic distance and cosine rank the pictures; means over anchors. */
export interface Ranks {
  spearman: number;
  /** Shared part of the `nearest` nearest. */
  overlap: number;
  nearest: number;
}

/** Distances from the origin of the midpoints of a level's groups. */
export interface DepthRow {
  level: string;
  groups: number;
  mean: number;
  min: number;
  max: number;
}

/** All that a run folder says. */
export interface RunRecord {
  name: string;
  config: RunConfig;
  rows: Row[];
  snapshot: Snapshot | null;
}

/** The rows of one kind, in the order in which they were written. */
export function stepsOf(rows: readonly Row[]): StepRow[] {
  return rows.filter((row) => row.type === 'step');
}

export function healthRowsOf(rows: readonly Row[]): HealthRow[] {
  return rows.filter((row) => row.type === 'health');
}

export function evaluationsOf(rows: readonly Row[]): EvaluationRow[] {
  return rows.filter((row) => row.type === 'evaluation');
}
