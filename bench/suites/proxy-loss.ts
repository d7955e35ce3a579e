import { type ContrastiveLossResult, contrastiveLoss, type Matrix } from '../../lib/index.ts';
import type { LogitNumbers, SimilarityNumbers } from '../../test/oracle.ts';
import { peerError } from '../../test/tolerances.ts';
import { ballPoints, uniform, unitRows } from '../inputs.ts';
import type { Labels } from '../results.ts';
import { lossSettings, type ProxyShape } from '../shapes.ts';
import type { PeerSide, Suite } from '../suite.ts';
import { dot } from './loss-check.ts';
import { type CheckedPairLoss, checkPairLoss } from './pair-loss-check.ts';
import { input } from './product.ts';

const scale = 32;
const margin = 0.1;

/** Returns the suite of proxy losses with all gradients. Anchors are the proxies in Proxy-Anchor, the rows in NT-Xent. */
export function proxyLossSuite({ name, rows, proxies, dim }: ProxyShape, threads: number): Suite {
  const next = uniform(41);
  const labels = Int32Array.from({ length: rows }, () => Math.floor(proxies * next()));
  const classes = Int32Array.from({ length: proxies }, (_, i) => i);
  const batch = { euclidean: unitRows(rows, dim, 1, 42, 'float32'), labels };
  const own = { euclidean: unitRows(proxies, dim, 1, 43, 'float32'), labels: classes };
  const inBall = (seed: number, { euclidean }: { euclidean: Matrix }) =>
    ballPoints(euclidean, lossSettings.c, seed);
  const [batchPoints, ownPoints] = [inBall(44, batch), inBall(45, own)];
  const about = (over: Partial<Labels>): Labels => ({
    op: 'proxy loss',
    shape: name,
    n: rows,
    m: proxies,
    dim,
    views: 0,
    type: 'float32',
    geometry: 'euclidean',
    heads: '',
    guards: 'clean',
    pass: 'both',
    ...over,
  });
  const optionsOf = (loss: Loss, isHybrid: boolean): CheckedPairLoss['options'] => {
    const sides = isHybrid
      ? [
          { ...batch, hyperbolic: batchPoints },
          { ...own, hyperbolic: ownPoints },
        ]
      : [batch, own];
    const [anchors, ref] = loss === 'proxy-anchor' ? [sides[1]!, sides[0]!] : [sides[0]!, sides[1]!];
    return {
      ...anchors,
      ref,
      geometry: isHybrid ? 'hybrid' : 'euclidean',
      ...logitOf(loss),
      ...(loss === 'proxy-anchor' ? { loss, ...anchorParameters } : { loss }),
      threads,
    };
  };
  const side = (loss: Loss, isHybrid: boolean): CheckedPairLoss => {
    const options = optionsOf(loss, isHybrid);
    const geometry = isHybrid ? 'hybrid' : 'euclidean';
    return {
      name: `${geometry} ${loss}`,
      labels: about({ op: `proxy loss ${loss}`, geometry, heads: isHybrid ? 'untied' : '' }),
      run: () => contrastiveLoss.sync(options),
      probe: () => summary(contrastiveLoss.sync(options), options),
      peak: true,
      options,
      numbers: { ...logitOf(loss), ...anchorParameters },
    };
  };
  const sides = losses.flatMap((loss) => [side(loss, false), side(loss, true)]);
  return {
    name: `proxy loss ${name}`,
    arrays: {
      e: input(batch.euclidean),
      p: input(own.euclidean),
      labels: { data: labels, shape: [rows] },
    },
    own: sides,
    peers: losses.map((loss) => peerOf(loss, about)),
    check: () => {
      for (const each of sides) checkPairLoss(each);
    },
  };
}

const losses = ['proxy-anchor', 'ntxent'] as const;
type Loss = (typeof losses)[number];

const logitOf = (loss: Loss): LogitNumbers => ({
  ...lossSettings,
  tauE: loss === 'proxy-anchor' ? 1 : 1 / scale,
});
const anchorParameters: SimilarityNumbers = { alpha: scale, beta: scale, base: 0, margin };

function peerOf(loss: Loss, about: (over: Partial<Labels>) => Labels): PeerSide {
  return {
    name: 'pytorch-metric-learning, proxies',
    labels: about({ op: `proxy loss ${loss}` }),
    params: { loss, scale, margin },
    inputs: { labels: 'labels', e: 'e', p: 'p' },
    same: { as: `euclidean ${loss}`, within: peerError.proxyLoss },
    against: `euclidean ${loss}`,
    peak: true,
  };
}

/** Returns the loss, and the norms of the gradients with respect to the batch and the proxies. */
function summary(
  { loss, gradEuclidean, gradRefEuclidean }: ContrastiveLossResult,
  { loss: name, euclidean, ref }: CheckedPairLoss['options'],
): number[] {
  const sizes = [
    tangentialSize(gradEuclidean!, euclidean!),
    tangentialSize(gradRefEuclidean!, ref!.euclidean!),
  ];
  return [loss, ...(name === 'proxy-anchor' ? sizes.reverse() : sizes)];
}

/** Returns the norm of a gradient without its radial part. The gradients of a peer that normalizes its rows have none. */
function tangentialSize({ data, rows, cols }: Matrix, { data: points }: Matrix): number {
  let size = 0;
  for (let i = 0; i < rows; ++i) {
    const [g, x] = [data, points].map((all) => all.subarray(i * cols, (i + 1) * cols));
    size += dot(g!, g!) - dot(g!, x!) ** 2 / dot(x!, x!);
  }
  return Math.sqrt(size);
}
