// Straightforward formulas of the row-wise operations, keyed by the name of the card. Test points avoid inputs at which
// these formulas suffer from cancellation.
import { dot, norm, type Table } from './vectors.ts';

type Row = readonly number[];

/** The curvature c, and the card's parameter. */
export interface Parameters {
  readonly c: number;
  readonly t: number;
}

/** Maps a card's inputs to its result, for all rows. */
export type Formula = (inputs: readonly Table[], parameters: Parameters) => number[][];

/** Returns a formula that applies `formula` to every row; an input with a single row is broadcast. */
function each(formula: (p: Parameters, ...rows: Row[]) => number | number[]): Formula {
  return (inputs, parameters) => {
    const n = inputs.map((rows) => rows.length).find((rows) => rows !== 1) ?? 1;
    return Array.from({ length: n }, (_, i) => {
      const out = formula(parameters, ...inputs.map((rows) => rows[rows.length === 1 ? 0 : i] as Row));
      return typeof out === 'number' ? [out] : out;
    });
  };
}

function times(k: number, x: Row): number[] {
  return x.map((value) => k * value);
}

function plus(x: Row, y: Row): number[] {
  return x.map((value, k) => value + y[k]!);
}

function lambda(x: Row, c: number): number {
  return 2 / (1 - c * dot(x, x));
}

function add(x: Row, y: Row, c: number, bias = 0): number[] {
  const [xx, yy, xy] = [dot(x, x), dot(y, y), dot(x, y)];
  const divisor = 1 + 2 * c * xy + c * c * xx * yy + bias;
  return times(1 / divisor, plus(times(1 + 2 * c * xy + c * yy, x), times(1 - c * xx, y)));
}

function multiple(t: number, x: Row, c: number): number[] {
  const r = Math.sqrt(c) * norm(x);
  return times(Math.tanh(t * Math.atanh(r)) / r, x);
}

function exp0(u: Row, c: number): number[] {
  const r = Math.sqrt(c) * norm(u);
  return times(Math.tanh(r) / r, u);
}

function log0(y: Row, c: number): number[] {
  const r = Math.sqrt(c) * norm(y);
  return times(Math.atanh(r) / r, y);
}

function gyr(x: Row, y: Row, w: Row, c: number): number[] {
  const [xx, yy, xy, xw, yw] = [dot(x, x), dot(y, y), dot(x, y), dot(x, w), dot(y, w)];
  const alongX = -c * c * xw * yy + c * yw + 2 * c * c * xy * yw;
  const alongY = -c * c * yw * xx - c * xw;
  const divisor = 1 + 2 * c * xy + c * c * xx * yy;
  return plus(w, times(2 / divisor, plus(times(alongX, x), times(alongY, y))));
}

function planeDistance(x: Row, p: Row, a: Row, c: number): number {
  const w = add(times(-1, p), x, c);
  const height = (2 * Math.sqrt(c) * dot(w, a)) / ((1 - c * dot(w, w)) * norm(a));
  return Math.asinh(height) / Math.sqrt(c);
}

/** MERU's half aperture, from space coordinates on the hyperboloid. */
function halfAperture(x: Row, c: number, minRadius: number): number {
  return Math.asin(Math.min(1, (2 * minRadius) / (Math.sqrt(c) * norm(x))));
}

/** The angle between the tangent vector from x to y and the direction away from the origin, from space coordinates. */
function exteriorAngle(x: Row, y: Row, c: number): number {
  const [here, there] = [x, y].map((each) => Math.sqrt(1 / c + dot(each, each))) as [number, number];
  const inner = c * (dot(x, y) - here * there);
  const [time, space] = [there + inner * here, plus(y, times(inner, x))];
  const outward = times(1 / norm(x), x);
  const along = dot(space, outward);
  return Math.atan2(
    norm(plus(space, times(-along, outward))),
    Math.sqrt(c) * (here * along - time * norm(x)),
  );
}

function weighted(rows: Table, weights: Row): number[] {
  const sum = rows.reduce((total: Row, row, i) => plus(total, times(weights[i]!, row)), times(0, rows[0]!));
  return [...sum];
}

function total(weights: Row): number {
  return weights.reduce((sum, weight) => sum + weight, 0);
}

function shortened(x: Row, most: number, length: number): number[] {
  return length > most ? times(most / length, x) : [...x];
}

/** The formula of every card. */
export const operations: Readonly<Record<string, Formula>> = {
  mobiusAdd: each(({ c }, x, y) => add(x!, y!, c)),
  mobiusSub: each(({ c }, x, y) => add(x!, times(-1, y!), c)),
  mobiusScalarMul: each(({ c, t }, x) => multiple(t, x!, c)),
  mobiusMatvec: ([m, points], { c }) =>
    points!.map((x) =>
      exp0(
        m!.map((row) => dot(row, log0(x, c))),
        c,
      ),
    ),
  gyration: each(({ c }, x, y, u) => gyr(x!, y!, u!, c)),
  expmap0: each(({ c }, u) => exp0(u!, c)),
  logmap0: each(({ c }, y) => log0(y!, c)),
  expmap: each(({ c }, x, u) => add(x!, exp0(times(lambda(x!, c) / 2, u!), c), c)),
  logmap: each(({ c }, x, y) => times(2 / lambda(x!, c), log0(add(times(-1, x!), y!, c), c))),
  dist: each(({ c }, x, y) => 2 * norm(log0(add(times(-1, x!), y!, c), c))),
  dist0: each(({ c }, x) => 2 * norm(log0(x!, c))),
  conformalFactor: each(({ c }, x) => lambda(x!, c)),
  project: each(({ c, t }, x) => shortened(x!, (1 - t) / Math.sqrt(c), norm(x!))),
  clip: each(({ t }, x) => shortened(x!, t, norm(x!))),
  geodesic: each(({ c, t }, x, y) => add(x!, multiple(t, add(times(-1, x!), y!, c), c), c)),
  parallelTransport: each(({ c }, x, y, u) =>
    times(lambda(x!, c) / lambda(y!, c), gyr(y!, times(-1, x!), u!, c)),
  ),
  parallelTransport0: each(({ c }, y, u) => times(2 / lambda(y!, c), u!)),
  poincareToKlein: each(({ c }, x) => times(2 / (1 + c * dot(x!, x!)), x!)),
  kleinToPoincare: each(({ c }, x) => times(1 / (1 + Math.sqrt(1 - c * dot(x!, x!))), x!)),
  poincareToLorentz: each(({ c }, x) => [(lambda(x!, c) - 1) / Math.sqrt(c), ...times(lambda(x!, c), x!)]),
  lorentzToPoincare: each(({ c }, x) => times(1 / (1 + Math.sqrt(c) * x![0]!), x!.slice(1))),
  lorentzFactor: each(({ c }, x) => 1 / Math.sqrt(1 - c * dot(x!, x!))),
  einsteinMidpoint: ([points], { c }) => {
    const klein = points!.map((x) => times(2 / (1 + c * dot(x, x)), x));
    const factors = klein.map((x) => 1 / Math.sqrt(1 - c * dot(x, x)));
    const mean = times(1 / total(factors), weighted(klein, factors));
    return [times(1 / (1 + Math.sqrt(1 - c * dot(mean, mean))), mean)];
  },
  weightedMidpoint: ([points, weights], { c }) => {
    const w = points!.map((_, i) => weights?.[i]?.[0] ?? 1);
    const factors = points!.map((x) => lambda(x, c));
    const sum = weighted(
      points!,
      factors.map((factor, i) => w[i]! * factor),
    );
    return [multiple(0.5, times(1 / total(factors.map((factor, i) => w[i]! * (factor - 1))), sum), c)];
  },
  distToPlane: each(({ c }, x, p, a) => planeDistance(x!, p!, a!, c)),
  hyperbolicSoftmax: ([points, p, a], { c }) =>
    points!.map((x) => p!.map((q, k) => lambda(q, c) * norm(a![k]!) * planeDistance(x, q, a![k]!, c))),
  riemannianGradient: each(({ c }, x, g) => times(1 / lambda(x!, c) ** 2, g!)),
  halfAperture: each(({ c, t }, x) => halfAperture(times(lambda(x!, c), x!), c, t)),
  lorentzHalfAperture: each(({ c, t }, x) => halfAperture(x!, c, t)),
  exteriorAngle: each(({ c }, x, y) => exteriorAngle(times(lambda(x!, c), x!), times(lambda(y!, c), y!), c)),
  lorentzExteriorAngle: each(({ c }, x, y) => exteriorAngle(x!, y!, c)),
};

const guard = 1e-5;

function atanhClamped(r: number): number {
  return Math.atanh(Math.min(r, 1 - guard));
}

function tanhClamped(r: number): number {
  return Math.tanh(Math.min(r, 15));
}

function guardedNorm(x: Row): number {
  return Math.max(norm(x), guard);
}

function guardedExp0(u: Row, c: number, factor = 1): number[] {
  const n = guardedNorm(u);
  return times(tanhClamped(Math.sqrt(c) * factor * n) / (Math.sqrt(c) * n), u);
}

/** Formulas with the published guards, for the cards that have them. */
export const hypmixOperations: Readonly<Record<string, Formula>> = {
  mobiusAdd: each(({ c }, x, y) => add(x!, y!, c, guard)),
  mobiusSub: each(({ c }, x, y) => add(x!, times(-1, y!), c, guard)),
  mobiusMatvec: ([m, points], { c }) =>
    points!.map((x) => {
      const mx = m!.map((row) => dot(row, x));
      const n = guardedNorm(x);
      const length = tanhClamped((norm(mx) / n) * atanhClamped(Math.sqrt(c) * n)) / Math.sqrt(c);
      return shortened(times(length / norm(mx), mx), (1 - 1e-3) / Math.sqrt(c), Math.max(length, guard));
    }),
  expmap0: each(({ c }, u) => guardedExp0(u!, c)),
  logmap0: each(({ c }, y) => {
    const r = Math.sqrt(c) * guardedNorm(y!);
    return times(atanhClamped(r) / r, y!);
  }),
  expmap: each(({ c }, x, u) => add(x!, guardedExp0(u!, c, lambda(x!, c) / 2), c, guard)),
  logmap: each(({ c }, x, y) => {
    const w = add(times(-1, x!), y!, c, guard);
    return times((2 * atanhClamped(Math.sqrt(c) * norm(w))) / (Math.sqrt(c) * lambda(x!, c) * norm(w)), w);
  }),
  dist: each(({ c }, x, y) => {
    const r = Math.sqrt(c) * norm(add(times(-1, x!), y!, c, guard));
    return (2 / Math.sqrt(c)) * atanhClamped(r);
  }),
  dist0: each(({ c }, x) => (2 / Math.sqrt(c)) * atanhClamped(Math.sqrt(c) * norm(x!))),
  project: each(({ c, t }, x) => shortened(x!, (1 - t) / Math.sqrt(c), guardedNorm(x!))),
  clip: each(({ t }, x) => shortened(x!, t, norm(x!) + guard)),
  hyperbolicSoftmax: ([points, p, a], { c }) =>
    points!.map((x) =>
      p!.map((q, k) => {
        const w = add(times(-1, q), x, c, guard);
        const height = (2 * Math.sqrt(c) * dot(w, a![k]!)) / ((1 - c * dot(w, w)) * norm(a![k]!));
        const log = Math.log(Math.max(height + Math.sqrt(1 + height * height), guard));
        return ((lambda(q, c) * norm(a![k]!)) / Math.sqrt(c)) * log;
      }),
    ),
};

/** Parameters of the head. */
export interface HeadCase {
  readonly c: number;
  /** null: features are not clipped */
  readonly clip: number | null;
  /** Whether to use the published guards; default false. */
  readonly hypmix?: boolean;
}

/** Applies the head, project(expmap0(clip z)), to every row of z. */
export function head(z: Table, { c, clip, hypmix = false }: HeadCase): number[][] {
  const { clip: clipped, expmap0, project } = hypmix ? hypmixOperations : operations;
  const u = clip === null ? z : clipped!([z], { c, t: clip });
  return project!([expmap0!([u], { c, t: 0 })], { c, t: 1e-3 });
}
