import {
  type Geometry,
  geometryCards,
  hybridContrastiveLoss,
  type LossOptions,
  type LossResult,
  type Matrix,
  type Metric,
  matrix,
  metricCard,
  poincareToLorentz,
} from '../../lib/index.ts';
import { peerError } from '../../test/tolerances.ts';
import { ballPoints, reals, unitRows } from '../inputs.ts';
import type { Bar, Labels } from '../results.ts';
import { type BatchShape, lossSettings } from '../shapes.ts';
import type { PeerSide, Suite } from '../suite.ts';
import { type CheckedLoss, checkLosses, dot } from './loss-check.ts';
import { asType, input, productNames, products } from './product.ts';

/** Target ratios: times of the published code and of the best torch.compile formulation, divided by horoball's. */
export interface LossBars {
  readonly published: number;
  readonly compiled: number;
}

/** Returns the suite of the loss of one batch: with all gradients in every geometry, and forward only. */
export function lossSuite(shape: BatchShape, bars: LossBars, threads: number, full = false): Suite {
  const { classes, views, dim } = shape;
  const rows = classes * views;
  const e = unitRows(rows, dim, views, 11, 'float32');
  const h = ballPoints(unitRows(rows, dim, views, 12, 'float32'), lossSettings.c, 13);
  const settings = { ...lossSettings, views, threads };
  const product = 2 * rows * rows * dim;
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
  const side = (name: string, options: LossOptions, over: Partial<Labels> = {}): CheckedLoss => {
    const out = { gradEuclidean: like(e, options), gradHyperbolic: like(options.hyperbolic ?? h, options) };
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
      options: all,
    };
  };
  const wide = { euclidean: asType(e, 'float64'), hyperbolic: asType(h, 'float64') };
  const own: CheckedLoss[] = [
    { ...side('untied', {}), peak: true, against: 'tied', bar: { of: 'ratio', atLeast: 1.7 } },
    { ...side('tied', { tied: true }, { heads: 'tied' }), peak: true },
    { ...side('forward', { grad: false }, { pass: 'forward' }), against: 'untied' },
    {
      ...side('tied forward', { tied: true, grad: false }, { heads: 'tied', pass: 'forward' }),
      against: 'tied',
    },
    { ...side('compat', { compat: 'hypmix' }, { guards: 'compat' }), against: 'untied' },
    { ...side('float64', wide, { type: 'float64' }), against: 'untied' },
    {
      ...side('tied float64', { tied: true, euclidean: wide.euclidean }, { heads: 'tied', type: 'float64' }),
      against: 'tied',
    },
    side('euclidean', { geometry: 'euclidean' }, { geometry: 'euclidean' }),
    ...distanceGeometries().map(([geometry, distance]) => ({
      ...side(geometry, { geometry, hyperbolic: headOf(distance, h) }, { geometry }),
      against: 'euclidean',
    })),
  ];
  return {
    name: `loss ${shape.name}`,
    arrays: { e: input(e), h: input(h) },
    own,
    peers: [
      ...lossPeers(shape, bars, labels, full),
      ...products(
        labels({ op: 'sgemm', geometry: '', heads: '', pass: 'forward' }),
        { x: 'e', y: 'h' },
        product,
      ),
    ],
    peakRate: productNames,
    check: () => checkLosses(own, views),
  };
}

/** Returns the geometries whose logit is a distance alone, each with the metric of that distance. */
function distanceGeometries(): [Geometry, Metric][] {
  return geometryCards().flatMap(({ name, inner, distance }) =>
    inner || distance === null ? [] : [[name, distance]],
  );
}

/** Converts points of the ball to the space of a metric: the ball, or the hyperboloid. */
function headOf(metric: Metric, inBall: Matrix): Matrix {
  const { points } = metricCard(metric);
  return points === 'hyperboloid' ? poincareToLorentz.sync(inBall, { c: lossSettings.c }) : inBall;
}

function like(of: Matrix, options: LossOptions): Matrix {
  const type = options.euclidean?.data instanceof Float64Array ? 'float64' : 'float32';
  return matrix(reals(type, of.data.length), of.rows, of.cols);
}

/**
 * Operations of the matrix products in one call. Values: the upper triangle of one Gram matrix per space. Gradients: per
 * space, also the product of the n x n derivatives of the loss by the inner products with the rows. Excludes the elementwise
 * formulas, and the parts of a Gram matrix that are computed again because they do not fit in scratch memory.
 */
export function lossFlops({ n, dim, heads, geometry, pass }: Labels): number {
  const spaces = geometry === 'hybrid' && heads === 'untied' ? 2 : 1;
  return n * n * dim * spaces * (pass === 'forward' ? 1 : 3);
}

function lossPeers(
  shape: BatchShape,
  bars: LossBars,
  labels: (over: Partial<Labels>) => Labels,
  full: boolean,
): PeerSide[] {
  const params = { ...lossSettings, views: shape.views };
  const peer = (name: string, as: string, bar?: Bar): PeerSide => ({
    name,
    labels: labels(
      as === 'compat' ? { guards: 'compat' } : as === 'euclidean' ? { geometry: as, heads: '' } : {},
    ),
    params,
    inputs: { e: 'e', h: 'h' },
    same: { as, within: peerError.loss },
    against: as,
    ...(bar === undefined ? {} : { bar }),
  });
  return [
    // The memory of the published loss does not depend on the number of views, so it is measured for two views only.
    {
      ...peer('published loss', 'compat', { of: 'ratio', atLeast: bars.published }),
      peak: shape.views === 2,
    },
    peer('torch eager, one matrix', 'untied'),
    peer('torch.compile, one matrix', 'untied', { of: 'ratio', atLeast: bars.compiled }),
    peer('torch.compile, explicit gradients', 'untied', { of: 'ratio', atLeast: bars.compiled }),
    // `pair blocks` takes twenty seconds to compile and was never faster than `one matrix`; with more views, it unrolls
    // more pairs than a compiler can handle.
    ...(shape.views === 2 && full
      ? [peer('torch.compile, pair blocks', 'untied', { of: 'ratio', atLeast: bars.compiled })]
      : []),
    ...(shape.views === 2 ? [peer('pytorch-metric-learning SupConLoss', 'euclidean')] : []),
  ];
}

/** Returns the loss and the norms of the nonzero gradients. */
function summary({ loss, gradEuclidean, gradHyperbolic }: LossResult): number[] {
  const sizes = [gradEuclidean, gradHyperbolic].filter((g) => g !== undefined && dot(g.data, g.data) > 0);
  return [loss, ...sizes.map((g) => Math.sqrt(dot(g!.data, g!.data)))];
}
