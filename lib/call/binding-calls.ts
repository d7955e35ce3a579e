// Generated from native/bind/calls.h by `npm run ops`: edit that file instead.
//
// device: -2 for a CUDA device if there is one, -1 for the CPU, otherwise the index of a CUDA device. threads: 0 for all.
// job: 0 for a synchronous call, otherwise the number by which it is canceled.
import type { Reals } from '../matrix.ts';

/** A row-major matrix for the core. An omitted matrix has a shape, but no data. */
export interface CallMatrix {
  readonly data: Reals | null;
  readonly rows: number;
  readonly cols: number;
}

/** The result of starting a call: undefined if it ran synchronously (job 0), otherwise the promise of the job. */
export type Outcome = Promise<undefined> | undefined;

type Placed = (...given: readonly (Reals | Int32Array | Uint8Array | number | boolean | null)[]) => Outcome;

/** The exports of the core that take positional arguments. */
export interface PlacedCalls {
  pairwise: Placed;
  pairwiseVjp: Placed;
  contrast: Placed;
  pairLoss: Placed;
  select: Placed;
  centers: Placed;
  encode: Placed;
  probe: Placed;
  delta: Placed;
  decodeJpeg: Placed;
  resample: Placed;
  augment: Placed;
}

export interface PairwiseCall {
  metric: number;
  guards: number;
  c: number;
  x: CallMatrix;
  y: CallMatrix;
  out: CallMatrix;
  device: number;
  threads: number;
  job: number;
}

export function pairwise(core: Pick<PlacedCalls, 'pairwise'>, a: PairwiseCall): Outcome {
  // biome-ignore format: one argument per line
  return core.pairwise(
    a.metric,
    a.guards,
    a.c,
    a.x.data, a.x.rows, a.x.cols,
    a.y.data, a.y.rows, a.y.cols,
    a.out.data, a.out.rows, a.out.cols,
    a.device,
    a.threads,
    a.job,
  );
}

export interface PairwiseVjpCall {
  metric: number;
  guards: number;
  c: number;
  x: CallMatrix;
  y: CallMatrix;
  cotangent: CallMatrix;
  gradX: CallMatrix;
  gradY: CallMatrix;
  gradC: Float64Array | null;
  device: number;
  threads: number;
  job: number;
}

export function pairwiseVjp(core: Pick<PlacedCalls, 'pairwiseVjp'>, a: PairwiseVjpCall): Outcome {
  // biome-ignore format: one argument per line
  return core.pairwiseVjp(
    a.metric,
    a.guards,
    a.c,
    a.x.data, a.x.rows, a.x.cols,
    a.y.data, a.y.rows, a.y.cols,
    a.cotangent.data, a.cotangent.rows, a.cotangent.cols,
    a.gradX.data, a.gradX.rows, a.gradX.cols,
    a.gradY.data, a.gradY.rows, a.gradY.cols,
    a.gradC,
    a.device,
    a.threads,
    a.job,
  );
}

export interface ContrastCall {
  geometry: number;
  guards: number;
  tied: boolean;
  mean: boolean;
  views: number;
  tauE: number;
  tauH: number;
  lambda: number;
  c: number;
  clip: number;
  euclidean: CallMatrix;
  hyperbolic: CallMatrix;
  order: Int32Array | null;
  loss: Float64Array | null;
  gradEuclidean: CallMatrix;
  gradHyperbolic: CallMatrix;
  gradParams: Float64Array | null;
  stats: Float64Array | null;
  device: number;
  threads: number;
  job: number;
}

export function contrast(core: Pick<PlacedCalls, 'contrast'>, a: ContrastCall): Outcome {
  // biome-ignore format: one argument per line
  return core.contrast(
    a.geometry,
    a.guards,
    a.tied,
    a.mean,
    a.views,
    a.tauE,
    a.tauH,
    a.lambda,
    a.c,
    a.clip,
    a.euclidean.data, a.euclidean.rows, a.euclidean.cols,
    a.hyperbolic.data, a.hyperbolic.rows, a.hyperbolic.cols,
    a.order,
    a.loss,
    a.gradEuclidean.data, a.gradEuclidean.rows, a.gradEuclidean.cols,
    a.gradHyperbolic.data, a.gradHyperbolic.rows, a.gradHyperbolic.cols,
    a.gradParams,
    a.stats,
    a.device,
    a.threads,
    a.job,
  );
}

export interface PairLossCall {
  variant: number;
  geometry: number;
  guards: number;
  tied: boolean;
  reduction: number;
  tauE: number;
  tauH: number;
  lambda: number;
  c: number;
  clip: number;
  alpha: number;
  beta: number;
  base: number;
  margin: number;
  euclidean: CallMatrix;
  hyperbolic: CallMatrix;
  refEuclidean: CallMatrix;
  refHyperbolic: CallMatrix;
  columns: number;
  labels: Int32Array | null;
  refLabels: Int32Array | null;
  positiveCount: number;
  starts: Int32Array | null;
  positives: Int32Array | null;
  weights: Float64Array | null;
  loss: Float64Array | null;
  losses: Float64Array | null;
  gradEuclidean: CallMatrix;
  gradHyperbolic: CallMatrix;
  gradRefEuclidean: CallMatrix;
  gradRefHyperbolic: CallMatrix;
  gradParams: Float64Array | null;
  device: number;
  threads: number;
  job: number;
}

export function pairLoss(core: Pick<PlacedCalls, 'pairLoss'>, a: PairLossCall): Outcome {
  // biome-ignore format: one argument per line
  return core.pairLoss(
    a.variant,
    a.geometry,
    a.guards,
    a.tied,
    a.reduction,
    a.tauE,
    a.tauH,
    a.lambda,
    a.c,
    a.clip,
    a.alpha,
    a.beta,
    a.base,
    a.margin,
    a.euclidean.data, a.euclidean.rows, a.euclidean.cols,
    a.hyperbolic.data, a.hyperbolic.rows, a.hyperbolic.cols,
    a.refEuclidean.data, a.refEuclidean.rows, a.refEuclidean.cols,
    a.refHyperbolic.data, a.refHyperbolic.rows, a.refHyperbolic.cols,
    a.columns,
    a.labels,
    a.refLabels,
    a.positiveCount,
    a.starts,
    a.positives,
    a.weights,
    a.loss,
    a.losses,
    a.gradEuclidean.data, a.gradEuclidean.rows, a.gradEuclidean.cols,
    a.gradHyperbolic.data, a.gradHyperbolic.rows, a.gradHyperbolic.cols,
    a.gradRefEuclidean.data, a.gradRefEuclidean.rows, a.gradRefEuclidean.cols,
    a.gradRefHyperbolic.data, a.gradRefHyperbolic.rows, a.gradRefHyperbolic.cols,
    a.gradParams,
    a.device,
    a.threads,
    a.job,
  );
}

export interface SelectCall {
  metric: number;
  guards: number;
  c: number;
  k: number;
  queries: CallMatrix;
  gallery: CallMatrix;
  exclude: Int32Array | null;
  allowed: Uint8Array | null;
  indices: Int32Array | null;
  distances: CallMatrix;
  device: number;
  threads: number;
  job: number;
}

export function select(core: Pick<PlacedCalls, 'select'>, a: SelectCall): Outcome {
  // biome-ignore format: one argument per line
  return core.select(
    a.metric,
    a.guards,
    a.c,
    a.k,
    a.queries.data, a.queries.rows, a.queries.cols,
    a.gallery.data, a.gallery.rows, a.gallery.cols,
    a.exclude,
    a.allowed,
    a.indices,
    a.distances.data, a.distances.rows, a.distances.cols,
    a.device,
    a.threads,
    a.job,
  );
}

export interface CentersCall {
  metric: number;
  guards: number;
  c: number;
  rows: CallMatrix;
  centers: CallMatrix;
  lists: Int32Array | null;
  counts: Int32Array | null;
  device: number;
  threads: number;
  job: number;
}

export function centers(core: Pick<PlacedCalls, 'centers'>, a: CentersCall): Outcome {
  // biome-ignore format: one argument per line
  return core.centers(
    a.metric,
    a.guards,
    a.c,
    a.rows.data, a.rows.rows, a.rows.cols,
    a.centers.data, a.centers.rows, a.centers.cols,
    a.lists,
    a.counts,
    a.device,
    a.threads,
    a.job,
  );
}

export interface EncodeCall {
  metric: number;
  guards: number;
  c: number;
  rows: CallMatrix;
  centers: CallMatrix;
  slots: number;
  lists: Int32Array | null;
  starts: Int32Array | null;
  ids: Int32Array | null;
  codes: Uint8Array | null;
  facts: Float32Array | null;
  panels: Float32Array | null;
  bounds: Float32Array | null;
  device: number;
  threads: number;
  job: number;
}

export function encode(core: Pick<PlacedCalls, 'encode'>, a: EncodeCall): Outcome {
  // biome-ignore format: one argument per line
  return core.encode(
    a.metric,
    a.guards,
    a.c,
    a.rows.data, a.rows.rows, a.rows.cols,
    a.centers.data, a.centers.rows, a.centers.cols,
    a.slots,
    a.lists,
    a.starts,
    a.ids,
    a.codes,
    a.facts,
    a.panels,
    a.bounds,
    a.device,
    a.threads,
    a.job,
  );
}

export interface ProbeCall {
  metric: number;
  guards: number;
  c: number;
  k: number;
  queries: CallMatrix;
  rows: CallMatrix;
  lists: number;
  slots: number;
  probes: number;
  starts: Int32Array | null;
  ids: Int32Array | null;
  codes: Uint8Array | null;
  facts: Float32Array | null;
  panels: Float32Array | null;
  bounds: Float32Array | null;
  exclude: Int32Array | null;
  allowed: Uint8Array | null;
  indices: Int32Array | null;
  distances: CallMatrix;
  proven: Uint8Array | null;
  device: number;
  threads: number;
  job: number;
}

export function probe(core: Pick<PlacedCalls, 'probe'>, a: ProbeCall): Outcome {
  // biome-ignore format: one argument per line
  return core.probe(
    a.metric,
    a.guards,
    a.c,
    a.k,
    a.queries.data, a.queries.rows, a.queries.cols,
    a.rows.data, a.rows.rows, a.rows.cols,
    a.lists,
    a.slots,
    a.probes,
    a.starts,
    a.ids,
    a.codes,
    a.facts,
    a.panels,
    a.bounds,
    a.exclude,
    a.allowed,
    a.indices,
    a.distances.data, a.distances.rows, a.distances.cols,
    a.proven,
    a.device,
    a.threads,
    a.job,
  );
}

export interface DeltaCall {
  distances: CallMatrix;
  base: number;
  delta: Float64Array | null;
  diameter: Float64Array | null;
  device: number;
  threads: number;
  job: number;
}

export function delta(core: Pick<PlacedCalls, 'delta'>, a: DeltaCall): Outcome {
  // biome-ignore format: one argument per line
  return core.delta(
    a.distances.data, a.distances.rows, a.distances.cols,
    a.base,
    a.delta,
    a.diameter,
    a.device,
    a.threads,
    a.job,
  );
}
