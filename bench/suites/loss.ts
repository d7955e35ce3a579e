import {
  hybridContrastiveLoss,
  type LossOptions,
  type LossResult,
  type Matrix,
  matrix,
  type Reals,
} from '../../lib/index.ts';
import { hybridLoss, table } from '../../test/oracle.ts';
import { ballPoints, normal, reals, unitRows } from '../inputs.ts';
import type { Bar, Labels } from '../rows.ts';
import { type BatchShape, lossSettings } from '../shapes.ts';
import { difference, type OwnSide, type PeerSide, type Suite } from '../suite.ts';
import { asType, input } from './pairwise.ts';

/** How many times the published code and the best torch.compile formulation must take. */
export interface LossBars {
  readonly published: number;
  readonly compiled: number;
}

/** The loss of one batch with all gradients; `reference` is untied, clean, float32. */
export function lossSuite(shape: BatchShape, bars: LossBars, threads: number): Suite {
  const { classes, views, dim } = shape;
  const rows = classes * views;
  const e = unitRows(rows, dim, views, 11, 'float32');
  const h = ballPoints(unitRows(rows, dim, views, 12, 'float32'), lossSettings.c, 13);
  const settings = { ...lossSettings, views, threads };
  const labels = (over: Partial<Labels> = {}): Labels => ({
    op: 'hybridContrastiveLoss',
    shape: shape.name,
    n: rows,
    m: rows,
    dim,
    views,
    type: 'float32',
    geometry: 'hybrid',
    heads: 'untied',
    guards: 'clean',
    pass: 'both',
    ...over,
  });
  const side = (name: string, options: LossOptions, over: Partial<Labels> = {}): OwnSide => {
    const out = { gradEuclidean: like(e, options), gradHyperbolic: like(h, options) };
    const all: LossOptions = {
      ...settings,
      ...(options.tied ? { euclidean: e } : { euclidean: e, hyperbolic: h }),
      ...options,
    };
    if (options.grad !== false) all.out = options.tied ? { gradEuclidean: out.gradEuclidean } : out;
    const made = labels(over);
    return {
      name,
      labels: made,
      flops: lossFlops(made),
      run: () => hybridContrastiveLoss.sync(all),
      probe: () => summary(hybridContrastiveLoss.sync(all)),
    };
  };
  const wide = { euclidean: asType(e, 'float64'), hyperbolic: asType(h, 'float64') };
  const own: OwnSide[] = [
    { ...side('untied', {}), peak: true, against: 'tied', bar: { of: 'ratio', atLeast: 1.7 } },
    { ...side('tied', { tied: true }, { heads: 'tied' }), peak: true },
    { ...side('forward', { grad: false }, { pass: 'forward' }), against: 'untied' },
    { ...side('compat', { compat: 'hypmix' }, { guards: 'compat' }), against: 'untied' },
    { ...side('float64', wide, { type: 'float64' }), against: 'untied' },
    side('euclidean', { geometry: 'euclidean' }, { geometry: 'euclidean' }),
    { ...side('hyperbolic', { geometry: 'hyperbolic' }, { geometry: 'hyperbolic' }), against: 'euclidean' },
    { ...side('chordal', { geometry: 'chordal' }, { geometry: 'chordal' }), against: 'euclidean' },
  ];
  return {
    name: `loss ${shape.name}`,
    arrays: { e: input(e), h: input(h) },
    own,
    peers: lossPeers(shape, bars, labels),
    check: () => checkLoss({ ...settings, ...wide }, { ...settings, euclidean: e, hyperbolic: h }),
  };
}

function like(of: Matrix, options: LossOptions): Matrix {
  const type = options.euclidean?.data instanceof Float64Array ? 'float64' : 'float32';
  return matrix(reals(type, of.data.length), of.rows, of.cols);
}

/**
 * Matrix products of one call: the upper triangle of one Gram matrix a space for the values and once more for the
 * gradients, and a full product of the weights with the rows. The formulas on the scores are not counted.
 */
export function lossFlops({ n, dim, heads, geometry, pass }: Labels): number {
  const spaces = geometry === 'hybrid' && heads === 'untied' ? 2 : 1;
  return n * n * dim * spaces * (pass === 'forward' ? 1 : 4);
}

function lossPeers(shape: BatchShape, bars: LossBars, labels: (over: Partial<Labels>) => Labels): PeerSide[] {
  const params = { ...lossSettings, views: shape.views };
  const peer = (name: string, as: string, bar?: Bar): PeerSide => ({
    name,
    labels: labels(
      as === 'compat' ? { guards: 'compat' } : as === 'euclidean' ? { geometry: as, heads: '' } : {},
    ),
    params,
    inputs: { e: 'e', h: 'h' },
    same: { as, within: 1e-2 },
    against: as === 'compat' ? 'untied' : as,
    ...(bar === undefined ? {} : { bar }),
  });
  return [
    { ...peer('published loss', 'compat', { of: 'ratio', atLeast: bars.published }), peak: true },
    peer('torch eager, one matrix', 'untied'),
    { ...peer('torch.compile, one matrix', 'untied', { of: 'ratio', atLeast: bars.compiled }), peak: true },
    // More views mean more unrolled pairs than a compiler can be asked to read.
    ...(shape.views === 2
      ? [
          peer('torch.compile, pair blocks', 'untied', { of: 'ratio', atLeast: bars.compiled }),
          peer('pytorch-metric-learning SupConLoss', 'euclidean'),
        ]
      : []),
  ];
}

/** The value and the sizes of the gradients. */
function summary({ loss, gradEuclidean, gradHyperbolic }: LossResult): number[] {
  const sizes = [gradEuclidean, gradHyperbolic].filter((g) => g !== undefined && dot(g.data, g.data) > 0);
  return [loss, ...sizes.map((g) => Math.sqrt(dot(g!.data, g!.data)))];
}

/**
 * Float64 against the oracle (the value, and a directional derivative by central differences), then float32
 * against float64 in value and in every gradient.
 */
function checkLoss(wide: LossOptions & { views: number }, narrow: LossOptions): void {
  const { tauE, tauH, lambda, c } = lossSettings;
  const [e, h] = [wide.euclidean!, wide.hyperbolic!];
  const oracle = (step: number) =>
    hybridLoss(table(moved(e, step, 21), e.cols), table(moved(h, step, 22), h.cols), {
      geometry: 'hybrid',
      views: wide.views,
      tauE,
      tauH,
      lambda,
      c,
    });
  const truth = hybridContrastiveLoss.sync(wide);
  within('float64 value', difference([truth.loss], [oracle(0)]), 1e-9);
  const step = 1e-5;
  const slope = (oracle(step) - oracle(-step)) / (2 * step);
  const along = inner(truth.gradEuclidean!, 21) + inner(truth.gradHyperbolic!, 22);
  within('float64 gradient', difference([along], [slope]), 1e-6);
  const found = hybridContrastiveLoss.sync(narrow);
  within('float32 value', difference([found.loss], [truth.loss]), 1e-5);
  within('float32 gradient in e', apart(found.gradEuclidean!, truth.gradEuclidean!), 1e-4);
  within('float32 gradient in h', apart(found.gradHyperbolic!, truth.gradHyperbolic!), 1e-4);
  const params = (result: LossResult) => Object.values(result.gradParams!);
  within('float32 gradient in the parameters', difference(params(found), params(truth)), 1e-4);
}

function within(what: string, error: number, limit: number): void {
  if (!(error <= limit))
    throw new Error(`${what} is ${error.toExponential(1)} from the truth (limit ${limit})`);
}

function moved({ data }: Matrix, step: number, seed: number): Float64Array {
  const next = normal(seed);
  return Float64Array.from(data, (value) => value + step * next());
}

function inner({ data }: Matrix, seed: number): number {
  const next = normal(seed);
  return dot(data, Float64Array.from(data, next));
}

function dot(a: Reals, b: Reals): number {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += a[i]! * b[i]!;
  return sum;
}

/** Norm of the difference over the norm of the truth. */
function apart(found: Matrix, truth: Matrix): number {
  let [miss, size] = [0, 0];
  for (let i = 0; i < truth.data.length; ++i) {
    miss += (found.data[i]! - truth.data[i]!) ** 2;
    size += truth.data[i]! ** 2;
  }
  return Math.sqrt(miss / size);
}
