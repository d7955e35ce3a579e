import {
  type ContrastiveLossOptions,
  type ContrastiveLossResult,
  contrastiveLoss,
  hybridContrastiveLoss,
  matrix,
} from '../../lib/index.ts';
import { peerError } from '../../test/tolerances.ts';
import { ballPoints, reals, uniform, unitRows } from '../inputs.ts';
import type { Labels } from '../results.ts';
import { lossSettings, type RaggedShape } from '../shapes.ts';
import type { OwnSide, PeerSide, Suite } from '../suite.ts';
import { dot } from './loss-check.ts';
import { type CheckedPairLoss, checkPairLoss, type PairLossNumbers } from './pair-loss-check.ts';
import { asType, input } from './product.ts';

/** Returns a label per row: classes of 1 to `most` rows, in random order. */
function raggedLabels({ rows, most }: RaggedShape): Int32Array {
  const next = uniform(31);
  const labels = new Int32Array(rows);
  let [label, left] = [0, 1];
  for (let i = 0; i < rows; ++i, --left) {
    if (left === 0) [label, left] = [label + 1, 1 + Math.floor(most * next())];
    labels[i] = label;
  }
  for (let i = rows - 1; i > 0; --i) {
    const j = Math.floor((i + 1) * next());
    [labels[i], labels[j]] = [labels[j]!, labels[i]!];
  }
  return labels;
}

/** Parameters for the oracle; the losses of this suite do not use alpha, beta, base and margin. */
const numbers: PairLossNumbers = { ...lossSettings, alpha: 2, beta: 50, base: 0.5, margin: 0.1 };

/** Returns the suite of pair losses of a batch with all gradients. Its side `hybrid views` times the loss over views. */
export function pairLossSuite(
  shape: RaggedShape,
  losses: readonly ('ntxent' | 'supcon')[],
  threads: number,
): Suite {
  const { rows, dim } = shape;
  const e = unitRows(rows, dim, 1, 11, 'float32');
  const h = ballPoints(unitRows(rows, dim, 1, 12, 'float32'), lossSettings.c, 13);
  const labels = raggedLabels(shape);
  const about = (over: Partial<Labels>): Labels => ({
    op: 'contrastiveLoss',
    shape: shape.name,
    n: rows,
    m: rows,
    dim,
    views: 0,
    type: 'float32',
    geometry: 'hybrid',
    heads: 'untied',
    guards: 'clean',
    pass: 'both',
    ...over,
  });
  const out = (type: 'float32' | 'float64') => ({
    gradEuclidean: matrix(reals(type, rows * dim), rows, dim),
    gradHyperbolic: matrix(reals(type, rows * dim), rows, dim),
  });
  const side = (
    name: string,
    options: Pick<ContrastiveLossOptions, 'euclidean' | 'hyperbolic' | 'geometry' | 'out'> & {
      readonly loss: 'ntxent' | 'supcon';
    },
    over: Partial<Labels> = {},
  ): CheckedPairLoss => {
    const all = {
      euclidean: e,
      hyperbolic: h,
      ...lossSettings,
      threads,
      out: out('float32'),
      ...options,
      labels,
    };
    return {
      name,
      labels: about({ ...over, op: `contrastiveLoss ${options.loss}` }),
      run: () => contrastiveLoss.sync(all),
      probe: () => summary(contrastiveLoss.sync(all)),
      options: all,
      numbers,
    };
  };
  const own: CheckedPairLoss[] = losses.flatMap((loss) => [
    {
      ...side(`hybrid ${loss}`, { loss }),
      against: 'hybrid views',
      bar: { of: 'ratio' as const, atMost: 1.3 },
    },
    side(
      `euclidean ${loss}`,
      {
        loss,
        geometry: 'euclidean',
        hyperbolic: undefined,
        out: { gradEuclidean: out('float32').gradEuclidean },
      },
      { geometry: 'euclidean', heads: '' },
    ),
    {
      ...side(
        `float64 ${loss}`,
        { loss, euclidean: asType(e, 'float64'), hyperbolic: asType(h, 'float64'), out: out('float64') },
        { type: 'float64' },
      ),
      against: `hybrid ${loss}`,
    },
  ]);
  const views: OwnSide = {
    name: 'hybrid views',
    labels: about({ op: 'hybridContrastiveLoss', views: 2 }),
    run: () =>
      hybridContrastiveLoss.sync({
        euclidean: e,
        hyperbolic: h,
        views: 2,
        ...lossSettings,
        threads,
        out: out('float32'),
      }),
  };
  return {
    name: `pair loss ${shape.name}`,
    arrays: { e: input(e), h: input(h), labels: { data: labels, shape: [rows] } },
    own: [views, ...own],
    peers: losses.flatMap((loss) => peersOf(loss, rows, about)),
    check: () => {
      for (const each of own) checkPairLoss(each);
    },
  };
}

/** Maximum rows for NT-Xent of pytorch-metric-learning, whose memory grows with positive pairs x negative pairs. */
const mostRows = 300;

function peersOf(loss: string, rows: number, about: (over: Partial<Labels>) => Labels): PeerSide[] {
  const peer = (name: string, geometry: 'hybrid' | 'euclidean', atLeast?: number): PeerSide => ({
    name,
    labels: about({
      op: `contrastiveLoss ${loss}`,
      ...(geometry === 'euclidean' ? { geometry, heads: '' as const } : {}),
    }),
    params: { ...lossSettings, loss, geometry },
    inputs: { labels: 'labels', e: 'e', ...(geometry === 'hybrid' ? { h: 'h' } : {}) },
    same: { as: `${geometry} ${loss}`, within: peerError.loss },
    against: `${geometry} ${loss}`,
    ...(atLeast === undefined ? {} : { bar: { of: 'ratio', atLeast } }),
  });
  const library = [
    peer('pytorch-metric-learning', 'euclidean', 2),
    peer('pytorch-metric-learning, compiled', 'euclidean'),
  ];
  return [
    peer('torch eager, masked matrix', 'hybrid'),
    peer('torch.compile, masked matrix', 'hybrid', 2),
    peer('torch.compile, masked matrix', 'euclidean', 1),
    ...(loss === 'ntxent' && rows > mostRows ? [] : library),
  ];
}

/** Returns the loss and the norms of the gradients. */
function summary({ loss, gradEuclidean, gradHyperbolic }: ContrastiveLossResult): number[] {
  const sizes = [gradEuclidean, gradHyperbolic].flatMap((g) =>
    g === undefined ? [] : [Math.sqrt(dot(g.data, g.data))],
  );
  return [loss, ...sizes];
}
