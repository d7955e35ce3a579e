/** Results of measurements, as stored in a run folder. A number that was not measured is NaN here and null in the files. */
import type { TrainedGeometry } from '../options/define.ts';

/**
 * The outputs that are evaluated, and how they are compared: the head's outputs by hyperbolic distance and by cosine,
 * the backbone's feature (`body`) by cosine, and both head outputs by the fused score cosine / tauE - lambda d / tauH.
 */
export type Space = 'hyperbolic' | 'cosine' | 'body' | 'fused';

/** Recall in one space. */
export interface Recall {
  /** Recall@k for each k, from 0 to 1. */
  at: Record<string, number>;
  /** R-Precision and MAP@R (Musgrave et al. 2020, arXiv 2003.08505), from 0 to 1; absent in runs of earlier versions. */
  rPrecision?: number;
  mapAtR?: number;
  /**
   * Strict Recall@1 per level of the class tree, from 0 to 1. On the first level, images of the same class are excluded,
   * and a neighbor with the same parent is a hit. On the second level, images with the same parent are excluded, and a
   * neighbor with the same grandparent is a hit; and so on. Empty without a tree.
   */
  strict: number[];
}

/** One evaluation of the test classes. */
export interface Evaluation {
  /** Number of images. */
  pictures: number;
  classes: number;
  spaces: Record<'hyperbolic' | 'cosine' | 'body', Recall> & { fused?: Recall };
}

/**
 * Alignment and uniformity of the embeddings (Wang and Isola 2020, arXiv 2005.10242); lower is better for both. NaN if
 * there are no pairs.
 */
export interface Spread {
  alignment: number;
  uniformity: number;
}

/** Numerical health of the points of a batch; radii are sqrt c |x|, so the boundary is at 1. */
export interface Health {
  radius: {
    min: number;
    mean: number;
    max: number;
    /** Number of points by radius, in bins of equal width from 0 to 1. */
    histogram: number[];
  };
  /** Fraction of points at the radius to which `project` clips. */
  atRim: number;
  /** Fraction of distances at or above the limit of the published formula (12.206 / sqrt c). */
  saturated: number;
}

/**
 * Distribution of an anchor's gradient over its negatives under one geometry, averaged over the anchors of a batch. q are
 * the weights of the negatives in the gradient, which sum to 1 (see `negativeWeights`).
 */
export interface NegativeProfile {
  geometry: TrainedGeometry;
  /** Number of negatives per anchor. */
  negatives: number;
  /** exp(entropy of q): the effective number of negatives. */
  effective: number;
  /** Share of q on the hardest 1% and 10% of the negatives by cosine (their number is rounded up). */
  hardest1: number;
  hardest10: number;
  /**
   * Share of q on negatives with the anchor's view index. Such a negative occurs in views - 1 ordered pairs of views, any
   * other in one.
   */
  sameView: number;
  /**
   * 1 - p, where p is the probability of the positive, averaged over the pairs of views. The total weight of the negatives
   * is proportional to it.
   */
  missed: number;
  /**
   * For the hardest 1, 2, 3, 4, 5, 7, ... negatives: their number, and the shares of q on those with the anchor's view index
   * and on the others.
   */
  byRank: { hardest: number[]; sameView: number[]; crossView: number[] };
  /**
   * In equal bins of the cosine from -1 to 1: share of the negatives, of q, and of the gradient norm (null for an untied
   * hybrid loss, whose two gradients are in different spaces).
   */
  byCosine: { count: number[]; weight: number[]; pull: number[] | null };
}

/** Profiles of the same batch under every geometry, with the run's temperatures. */
export interface NegativeProfiles {
  own: TrainedGeometry;
  tied: boolean;
  views: number;
  classes: number;
  cosineBins: number;
  profiles: NegativeProfile[];
}

/** An untrained baseline, evaluated on the same test classes. */
export interface Baseline {
  name: string;
  recall: Recall;
}

/** A test image; `thumbnail` is a data URI. */
export interface Thumbnail {
  label: number;
  thumbnail: string;
}

/** A sample anchor from the batch of the {@link NegativeProfiles}, with its hardest negatives under each geometry. */
export interface NegativeStrip {
  anchor: Thumbnail;
  /** An image of the same class. */
  positive: Thumbnail;
  /** For each geometry, the negatives with the largest share of q (from 0 to 1), in descending order. */
  hardest: { geometry: TrainedGeometry; negatives: (Thumbnail & { weight: number })[] }[];
}

/** The data that a report draws, except the curves. */
export interface Snapshot {
  dataset: string;
  /** The epoch after which the embeddings were computed. */
  epoch: number;
  classes: string[];
  /** The ancestors of each class, nearest first; empty without a class tree. */
  parents: string[][];
  /** Names of the ancestors' levels, nearest first; absent if the levels are not named. */
  levels?: readonly string[];
  disk: {
    c: number;
    /** x and y of each point in the unit disk (coordinates times sqrt c). */
    points: number[];
    labels: number[];
    /** Fraction of the tangent vectors' variance along each of the two axes. */
    explained: [number, number];
  };
  gallery: { query: Thumbnail; nearest: (Thumbnail & { distance: number })[] }[];
  baselines: Baseline[];
  /** Absent in runs of earlier versions; null if the test set is too small. */
  negatives?: NegativeProfiles | null;
  /** Absent in runs of earlier versions, and if `negatives` is null. */
  strips?: NegativeStrip[];
  /** Null if there are too few images to rank. */
  ranks?: Ranks | null;
  /** Distances from the origin per level of the class tree, from single images up; empty without a tree. */
  depth?: DepthRow[];
  /** Absent in runs of earlier versions; null without a class tree, or for fewer than three images. */
  hierarchy?: Hierarchy | null;
}

/** Metrics of how well the embeddings of a test set reflect its class tree. LCA: lowest common ancestor. */
export interface Hierarchy {
  /** Names of the levels below the root, from the class up. */
  levels: string[];
  spaces: Record<'hyperbolic' | 'cosine' | 'body', HierarchyFit>;
  /**
   * Spearman correlation, over images and groups of the tree, between depth and the distance of the midpoint from the
   * origin of the ball; from -1 to 1.
   */
  depthRadius: number;
}

/** The metrics for one space. */
export interface HierarchyFit {
  /**
   * Mean height of the LCA of an image and its nearest neighbor: 0 if they have the same class, 1 if the same parent, and
   * so on. It is the mistake severity of Bertinetto et al. 2020 (arXiv 1912.09393), but averaged over all images, so
   * correct ones count as 0.
   */
  nearestLca: number;
  /**
   * Recall@K for each K and level: the fraction of images whose K nearest neighbors include one with the same class or, on
   * higher levels, ancestor.
   */
  recall: Record<string, number[]>;
  /**
   * Normalized discounted cumulative gain (Järvelin and Kekäläinen 2002), averaged over anchors: the gain of an image is
   * the number of classes and groups below the root that contain both it and the anchor. From 0 to 1.
   */
  ndcg: number;
  /** Spearman correlation between distances and LCA heights, averaged over anchors; from -1 to 1. */
  spearman: number;
  /**
   * Mean absolute difference between an image's rank by distance and its rank by LCA height, relative to the number of
   * images and averaged over anchors. Images of equal height share their mean rank.
   */
  rankDistortion: number;
}

/** Agreement between the rankings by hyperbolic distance and by cosine, averaged over anchors. */
export interface Ranks {
  spearman: number;
  /** Fraction of the k nearest neighbors that both rankings share, with k = `nearest`. */
  overlap: number;
  nearest: number;
}

/** Distances between the origin and the group midpoints on one level. */
export interface DepthRow {
  level: string;
  groups: number;
  mean: number;
  min: number;
  max: number;
}
