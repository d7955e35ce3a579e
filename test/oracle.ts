// Float64 formulas without optimizations, with which tests compare the core. Test points avoid the cancellations that only
// the core handles; at other points, tests compare with 60-digit values from a file.

import { dot, minus, norm, type Table } from './vectors.ts';

export * from './oracle-ops.ts';
export * from './vectors.ts';

const guard = 1e-5;

/** The distance of two rows, by the name of the metric. */
export const distances: Record<string, (x: readonly number[], y: readonly number[], c: number) => number> = {
  poincare: (x, y, c) => {
    const s = dot(minus(x, y), minus(x, y));
    return (2 / Math.sqrt(c)) * Math.asinh(Math.sqrt((c * s) / ((1 - c * dot(x, x)) * (1 - c * dot(y, y)))));
  },
  // arcosh(-c <x,y>)/sqrt(c) on the hyperboloid. Written with the difference x - y only, because finite differences also
  // evaluate it off the hyperboloid.
  lorentz: (x, y, c) => {
    const [time = 0, ...space] = minus(x, y);
    return (2 / Math.sqrt(c)) * Math.asinh(Math.sqrt((c / 4) * (dot(space, space) - time * time)));
  },
  euclidean: (x, y) => norm(minus(x, y)),
  cosine: (x, y) => 1 - dot(x, y) / (norm(x) * norm(y)),
  chordal: (x, y) => 2 * norm(minus(x, y)),
  hypmix: hypmixDistance,
};

/** The published distance: Möbius addition with its guards, then a clamped artanh. */
export function hypmixDistance(x: readonly number[], y: readonly number[], c: number): number {
  return (2 / Math.sqrt(c)) * Math.atanh(Math.min(hypmixRatio(x, y, c), 1 - guard));
}

/** Returns the argument of the artanh in {@link hypmixDistance}, before the clamp. */
export function hypmixRatio(x: readonly number[], y: readonly number[], c: number): number {
  const xy = -dot(x, y);
  const xx = dot(x, x);
  const yy = dot(y, y);
  const divisor = 1 + 2 * c * xy + c * c * xx * yy + guard;
  const sum = x.map((value, k) => ((1 + 2 * c * xy + c * yy) * -value + (1 - c * xx) * y[k]!) / divisor);
  return Math.sqrt(c) * norm(sum);
}

/** All distances between the rows of two tables. */
export function pairwise(metric: string, x: Table, y: Table, c: number): number[][] {
  return x.map((a) => y.map((b) => distances[metric]!(a, b, c)));
}

/** A sample: its unit row and its point. */
export interface Heads {
  e: readonly number[];
  h: readonly number[];
}

/** The parameters of a logit. */
export interface LogitNumbers {
  tauE: number;
  tauH: number;
  lambda: number;
  c: number;
}

export interface LossCase extends LogitNumbers {
  geometry: string;
  views: number;
}

const inner = (x: Heads, y: Heads, { tauE }: LogitNumbers): number => dot(x.e, y.e) / tauE;
const away = (metric: string, x: Heads, y: Heads, { tauH, c }: LogitNumbers): number =>
  distances[metric]!(x.h, y.h, c) / tauH;

/** Logits of two samples by the name of the geometry. */
export const logits: Record<string, (x: Heads, y: Heads, numbers: LogitNumbers) => number> = {
  hybrid: (x, y, n) => inner(x, y, n) - n.lambda * away('poincare', x, y, n),
  euclidean: inner,
  hyperbolic: (x, y, n) => -away('poincare', x, y, n),
  chordal: (x, y, n) => -away('chordal', x, y, n),
  lorentz: (x, y, n) => -away('lorentz', x, y, n),
};

/**
 * The hybrid loss for every pair of views, as published, with rows ordered by class. The cross entropy of a row is log(1 +
 * sum over its negatives of exp(logit - logit of the positive)), which stays accurate for small losses.
 */
export function hybridLoss(e: Table, h: Table, options: LossCase): number {
  const { geometry, views, ...numbers } = options;
  const logit = (i: number, j: number) =>
    logits[geometry]!({ e: e[i]!, h: h[i]! }, { e: e[j]!, h: h[j]! }, numbers);
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

/** Parameters of the multi-similarity and Proxy-Anchor losses. */
export interface SimilarityNumbers {
  alpha: number;
  beta: number;
  base: number;
  margin: number;
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
/** log(1 + sum exp x). */
const softPlus = (values: readonly number[]): number => {
  const top = Math.max(0, ...values);
  const rest = total(values.map((value) => Math.exp(value - top)));
  return top === 0 ? Math.log1p(rest) : top + Math.log(Math.exp(-top) + rest);
};
const logSum = (values: readonly number[]): number => {
  const top = Math.max(...values);
  return top + Math.log(total(values.map((value) => Math.exp(value - top))));
};

/** The positive and the negative term of a proxy in the Proxy-Anchor loss. */
function proxyAnchor(
  p: readonly number[],
  n: readonly number[],
  { alpha, beta, base, margin }: SimilarityNumbers,
): [positive: number, negative: number] {
  return [
    softPlus(p.map((s) => -alpha * (s - base - margin))),
    softPlus(n.map((s) => beta * (s - base + margin))),
  ];
}

/** The terms of an anchor by loss name, from the logits of its positives and negatives. */
export const pairLosses: Record<
  string,
  (p: readonly number[], n: readonly number[], numbers: SimilarityNumbers) => number[]
> = {
  ntxent: (p, n) => p.map((s) => softPlus(n.map((other) => other - s))),
  dcl: (p, n) => (n.length === 0 ? [] : p.map((s) => logSum(n) - s)),
  // The mean over p of log sum exp(S - S_p); softPlus adds the term of S_p itself, which is 1.
  supcon: (p, n) => {
    const others = p.map((s, i) => softPlus([...p.filter((_, j) => j !== i), ...n].map((each) => each - s)));
    return p.length === 0 ? [] : [total(others) / p.length];
  },
  'supcon-in': (p, n) =>
    p.length === 0 ? [] : [softPlus(n.map((each) => each - logSum(p))) + Math.log(p.length)],
  'proxy-anchor': (p, n, numbers) => (p.length + n.length === 0 ? [] : [total(proxyAnchor(p, n, numbers))]),
  'multi-similarity': (p, n, { alpha, beta, base }) =>
    p.length + n.length === 0
      ? []
      : [
          softPlus(p.map((s) => -alpha * (s - base))) / alpha +
            softPlus(n.map((s) => beta * (s - base))) / beta,
        ],
};

export interface PairLossCase extends LogitNumbers, SimilarityNumbers {
  geometry: string;
  loss: string;
  reduction: string;
  weights?: readonly number[];
  isPositive: (anchor: number, candidate: number) => boolean;
}

/** Returns a pair loss of the anchors against the `given` references; if null, against each other. */
export function pairLoss(
  anchors: readonly Heads[],
  given: readonly Heads[] | null,
  options: PairLossCase,
): number {
  const candidates = given ?? anchors;
  const logit = logits[options.geometry]!;
  let [sum, weight] = [0, 0];
  // The positive term of the Proxy-Anchor loss is averaged over the proxies with positives.
  let [first, withPositives] = [0, 0];
  for (const [i, anchor] of anchors.entries()) {
    const sides: [number[], number[]] = [[], []];
    for (const [j, other] of candidates.entries()) {
      if (given === null && i === j) continue;
      sides[options.isPositive(i, j) ? 0 : 1].push(logit(anchor, other, options));
    }
    const terms = pairLosses[options.loss]!(...sides, options);
    if (terms.length === 0) continue;
    const factor = (options.weights?.[i] ?? 1) / (options.reduction === 'anchor-mean' ? terms.length : 1);
    if (options.loss === 'proxy-anchor' && options.reduction !== 'sum') {
      const [positive, negative] = proxyAnchor(...sides, options);
      first += factor * positive;
      if (sides[0].length > 0) withPositives += factor;
      sum += factor * negative;
      weight += factor;
      continue;
    }
    sum += factor * total(terms);
    weight += factor * terms.length;
  }
  if (weight === 0) return 0;
  return options.reduction === 'sum' ? sum : sum / weight + (withPositives > 0 ? first / withPositives : 0);
}

/** The derivative of `value` at shift 0, by seven-point differences. */
export function slopeOf(value: (shift: number) => number, step: number = 1.5e-3): number {
  const pair = (k: number) => value(k * step) - value(-k * step);
  return (45 * pair(1) - 9 * pair(2) + pair(3)) / (60 * step);
}

/** The indices of the k smallest distances. Ties go to the lower index, and a distance of NaN is never chosen. */
export function nearest(row: readonly number[], k: number, excluded = -1): number[] {
  const order = row.map((_, j) => j).filter((j) => j !== excluded && !Number.isNaN(row[j]!));
  return order.sort((a, b) => row[a]! - row[b]! || a - b).slice(0, k);
}

/** Gromov's delta from base point 0, over all triples. */
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
