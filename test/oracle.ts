// Float64 formulas, written the plain way: the only second copy of any formula. Test points keep away from the
// cancellations that the core avoids, or compare with 60-digit values from a file instead.

import { dot, minus, norm, type Table } from './vectors.ts';

export * from './oracle-ops.ts';
export * from './vectors.ts';

const guard = 1e-5;

/** Distances by the metric's name. */
export const distances: Record<string, (x: readonly number[], y: readonly number[], c: number) => number> = {
  poincare: (x, y, c) => {
    const s = dot(minus(x, y), minus(x, y));
    return (2 / Math.sqrt(c)) * Math.asinh(Math.sqrt((c * s) / ((1 - c * dot(x, x)) * (1 - c * dot(y, y)))));
  },
  // arcosh(-c <x,y>)/sqrt(c) on the sheet; off it too, where derivatives look, a function of the difference alone.
  lorentz: (x, y, c) => {
    const [time = 0, ...space] = minus(x, y);
    return (2 / Math.sqrt(c)) * Math.asinh(Math.sqrt((c / 4) * (dot(space, space) - time * time)));
  },
  euclidean: (x, y) => norm(minus(x, y)),
  cosine: (x, y) => 1 - dot(x, y) / (norm(x) * norm(y)),
  chordal: (x, y) => 2 * norm(minus(x, y)),
  hypmix: hypmixDistance,
};

/** The published distance: Mobius addition with its guards, then a clamped artanh. */
export function hypmixDistance(x: readonly number[], y: readonly number[], c: number): number {
  return (2 / Math.sqrt(c)) * Math.atanh(Math.min(hypmixRatio(x, y, c), 1 - guard));
}

/** What its artanh is of, before the clamp. */
export function hypmixRatio(x: readonly number[], y: readonly number[], c: number): number {
  const xy = -dot(x, y);
  const xx = dot(x, x);
  const yy = dot(y, y);
  const divisor = 1 + 2 * c * xy + c * c * xx * yy + guard;
  const sum = x.map((value, k) => ((1 + 2 * c * xy + c * yy) * -value + (1 - c * xx) * y[k]!) / divisor);
  return Math.sqrt(c) * norm(sum);
}

/** Every distance between two tables. */
export function pairwise(metric: string, x: Table, y: Table, c: number): number[][] {
  return x.map((a) => y.map((b) => distances[metric]!(a, b, c)));
}

export interface LossCase {
  geometry: string;
  views: number;
  tauE: number;
  tauH: number;
  lambda: number;
  c: number;
}

/**
 * The hybrid loss, pair of views by pair of views, as published; rows class by class. A row's cross entropy is
 * log(1 + the sum over its negatives of exp(logit - the positive's)), which is right however small it is.
 */
export function hybridLoss(e: Table, h: Table, options: LossCase): number {
  const { geometry, views, tauE, tauH, lambda, c } = options;
  const logit = (i: number, j: number) => {
    const near = dot(e[i]!, e[j]!) / tauE;
    const far = distances[geometry === 'chordal' ? 'chordal' : 'poincare']!(h[i]!, h[j]!, c) / tauH;
    if (geometry === 'hybrid') return near - lambda * far;
    return geometry === 'euclidean' ? near : -far;
  };
  const classes = e.length / views;
  let loss = 0;
  for (let a = 0; a < views; ++a) {
    for (let b = 0; b < views; ++b) {
      for (let i = 0; i < classes && a !== b; ++i) {
        const anchor = i * views + a;
        const positive = logit(anchor, i * views + b);
        const gaps: number[] = [];
        for (let j = 0; j < classes; ++j) {
          if (j === i) continue;
          gaps.push(logit(anchor, j * views + a) - positive, logit(anchor, j * views + b) - positive);
        }
        const top = Math.max(0, ...gaps);
        const total = gaps.reduce((sum, gap) => sum + Math.exp(gap - top), 0);
        loss += (top === 0 ? Math.log1p(total) : top + Math.log(Math.exp(-top) + total)) / classes;
      }
    }
  }
  return loss;
}

/** The k nearest of a row of distances: ties to the lower index, NaN never. */
export function nearest(row: readonly number[], k: number, excluded = -1): number[] {
  const order = row.map((_, j) => j).filter((j) => j !== excluded && !Number.isNaN(row[j]!));
  return order.sort((a, b) => row[a]! - row[b]! || a - b).slice(0, k);
}

/** Gromov's delta from base point 0, all triples. */
export function delta(m: Table): number {
  const n = m.length;
  const g = m.map((row, i) => row.map((d, j) => (m[i]![0]! + m[j]![0]! - d) / 2));
  let most = 0;
  for (let i = 0; i < n; ++i) {
    for (let j = 0; j < n; ++j) {
      let best = -Infinity;
      for (let k = 0; k < n; ++k) best = Math.max(best, Math.min(g[i]![k]!, g[k]![j]!));
      most = Math.max(most, best - g[i]![j]!);
    }
  }
  return most;
}
