// Generated from the cards in native/ops/ by `npm run ops`: edit those instead.

/** The metric cards, in the core's order. */
export const metrics = ['poincare', 'lorentz', 'euclidean', 'cosine', 'chordal'] as const;

/**
 * The distance between two rows x and y, by name; {@link metricCard} describes each.
 *
 * - `poincare`: `2/sqrt(c) arsinh(sqrt(c|x-y|^2/((1-c|x|^2)(1-c|y|^2))))`
 * - `lorentz`: `2/sqrt(c) arsinh(sqrt(c <x-y,x-y>/4))`
 * - `euclidean`: `|x-y|`
 * - `cosine`: `1 - <x,y>/(|x||y|)`
 * - `chordal`: `2|x-y|`
 */
export type Metric = (typeof metrics)[number];

/** Whether a metric depends on c. */
export const metricCurved = {
  poincare: true,
  lorentz: true,
  euclidean: false,
  cosine: false,
  chordal: false,
} as const;

/** The geometry cards, in the core's order. */
export const geometries = ['hybrid', 'euclidean', 'hyperbolic', 'chordal', 'lorentz'] as const;

/**
 * The logit of two samples, by name: e and e' are unit rows, h and h' points. {@link geometryCard} describes each.
 *
 * - `hybrid`: `<e,e'>/tauE - lambda d_c(h,h')/tauH`
 * - `euclidean`: `<e,e'>/tauE`
 * - `hyperbolic`: `-d_c(h,h')/tauH`
 * - `chordal`: `-2|h-h'|/tauH`
 * - `lorentz`: `-d_c(h,h')/tauH on the hyperboloid`
 */
export type Geometry = (typeof geometries)[number];

/** The pair loss cards, in the core's order. */
export const contrastiveLosses = [
  'ntxent',
  'supcon',
  'supcon-in',
  'dcl',
  'multi-similarity',
  'proxy-anchor',
] as const;

/**
 * One term of the loss of an anchor, by name: p and q are its positives, n its negatives, S the logits.
 *
 * - `ntxent`: `-log(exp S_p / (exp S_p + sum_n exp S_n))`
 * - `supcon`: `-mean_p log(exp S_p / (sum_q exp S_q + sum_n exp S_n))`
 * - `supcon-in`: `-log mean_p (exp S_p / (sum_q exp S_q + sum_n exp S_n))`
 * - `dcl`: `-S_p + log sum_n exp S_n`
 * - `multi-similarity`: `log(1 + sum_p exp(-alpha (S_p - base)))/alpha + log(1 + sum_n exp(beta (S_n - base)))/beta`
 * - `proxy-anchor`: `log(1 + sum_p exp(-alpha (S_p - base - margin))) + log(1 + sum_n exp(beta (S_n - base + margin)))`
 */
export type ContrastiveLossName = (typeof contrastiveLosses)[number];

/** The parameters of the logit, in the core's order. */
export const logitParameters = ['tauE', 'tauH', 'lambda', 'c'] as const;

/**
 * Published defaults of the logit's parameters, and of the norm at which the head clips. The loss functions require c, so they
 * do not use its default.
 */
export const logitDefaults = { tauE: 0.1, tauH: 0.2, lambda: 0.5, c: 0.1, clipR: 2.3 } as const;

/**
 * Constants of the head. `unitFloor` is the smallest norm by which it divides a feature to get a unit row, `margin` the
 * fraction of the ball's radius that the projection leaves free; the others are guards of the published code.
 */
export const headConstants = {
  unitFloor: 1e-12,
  margin: 0.001,
  bias: 0.00001,
  leastNorm: 0.00001,
  topTanh: 15,
  topArtanh: 0.99999,
} as const;

/**
 * Properties of each geometry's logit, available without the core, which the full cards in lib/cards.ts need.
 *
 * - `inner`, `distance`, `weighted`: whether the logit has an inner product, a distance, and the factor lambda
 * - `curved`, `slope`: with a tied head (one head for both spaces), whether the distance depends on c, and the norm of
 *   its gradient (0 if it is not constant)
 * - `points`: with two heads, the space of the points; null without a distance
 */
export const geometryTerms = {
  hybrid: { inner: true, distance: true, weighted: true, curved: true, slope: 1, points: 'ball' },
  euclidean: { inner: true, distance: false, weighted: false, curved: false, slope: 0, points: null },
  hyperbolic: { inner: false, distance: true, weighted: false, curved: true, slope: 1, points: 'ball' },
  chordal: { inner: false, distance: true, weighted: false, curved: false, slope: 2, points: 'anywhere' },
  lorentz: { inner: false, distance: true, weighted: false, curved: true, slope: 1, points: 'hyperboloid' },
} as const;
