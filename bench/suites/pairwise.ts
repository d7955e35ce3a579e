import type { Matrix } from '../../lib/index.ts';
import { peerError } from '../../test/tolerances.ts';
import { ballPoints, type Type, unitRows } from '../inputs.ts';
import { type JsPeers, needed, plainDistances, simsimdDistances, tfjsDistances } from '../js-peers.ts';
import type { Labels } from '../results.ts';
import type { MatrixShape } from '../shapes.ts';
import type { Derived, OwnSide, PeerSide, Suite } from '../suite.ts';
import { corner } from './corner.ts';
import { checkAll } from './pairwise-check.ts';
import { type Cards, type Checked, metrics, Sides } from './pairwise-sides.ts';
import { input, productNames, products } from './product.ts';

const c = 0.1;
/** From this size on, a B x B x D tensor or a loop over pairs takes seconds. */
const slowRows = 1000;
/** From this size on, a call takes a tenth of a second; a quick run must finish within three minutes. */
const largeRows = 4000;

/** Returns the suite of distance matrices between two sets, forward and backward. */
export function pairwiseSuite(shape: MatrixShape, threads: number, js: JsPeers): Suite {
  const { rows: n, dim } = shape;
  const x = ballPoints(unitRows(n, dim, 2, 1, 'float32'), c, 2);
  const y = ballPoints(unitRows(n, dim, 2, 3, 'float32'), c, 4);
  const sides = new Sides(shape, { x, y }, c, threads);
  const own: Checked[] = [
    ...cards(sides, n),
    { ...sides.fresh('poincare'), against: 'poincare' },
    sides.withItself(),
    { ...sides.compat(), against: 'poincare' },
    { ...sides.nearPairs(), against: 'poincare' },
  ];
  return {
    name: `pairwise ${shape.name}`,
    arrays: { x: input(x), y: input(y) },
    own: [...own, ...(n < slowRows ? javascriptSides(x, y, sides, js) : [])],
    peers: pairwisePeers(n, sides),
    peakRate: productNames,
    derived: costOfCurvature(own, sides),
    check: () => checkAll(own, c),
  };
}

/** Returns the sides to time: as many cards, types and passes as time permits for n rows. */
function cards(sides: Sides, n: number): Checked[] {
  const isLarge = n >= largeRows;
  const all: Cards = isLarge ? ['poincare', 'euclidean', 'cosine'] : metrics;
  const wide: Cards = isLarge ? ['poincare'] : metrics;
  const none: Cards = [];
  const many = (list: Cards, make: (metric: Cards[number], type: Type) => Checked, type: Type) =>
    list.map((metric) => ({
      ...make(metric, type),
      ...(metric === 'poincare' ? {} : { against: make('poincare', type).name }),
    }));
  const forward = sides.forward.bind(sides);
  const backward = sides.backward.bind(sides);
  const both = sides.both.bind(sides);
  return [
    ...many(metrics, forward, 'float32').map((side) =>
      side.name === 'poincare' && !isLarge ? { ...side, peak: true } : side,
    ),
    ...many(wide, forward, 'float64'),
    ...many(all, backward, 'float32'),
    ...many(n < slowRows ? metrics : none, backward, 'float64'),
    ...many(isLarge ? none : ['poincare', 'euclidean', 'cosine'], both, 'float32'),
  ];
}

/** Returns the cost of curvature: the time with the Poincaré card divided by that with the Euclidean or cosine card. */
function costOfCurvature(own: readonly OwnSide[], { labels }: Sides): Derived[] {
  const has = (name: string) => own.some((side) => side.name === name);
  const passes = ['', ' backward', ' both'].filter((pass) => has(`poincare${pass}`));
  return passes.flatMap((pass) =>
    ['euclidean', 'cosine'].map((flat): Derived => {
      const named = pass === '' ? 'forward' : (pass.trim() as Labels['pass']);
      return {
        labels: labels({ op: 'price of curvature', pass: named }),
        side: 'horoball',
        unit: `x ${flat}`,
        value: (of) => of.ratio(`poincare${pass}`, `${flat}${pass}`),
      };
    }),
  );
}

/** Alternatives in a Node program, in this process. */
function javascriptSides(x: Matrix, y: Matrix, { labels }: Sides, js: JsPeers): OwnSide[] {
  const out = new Float32Array(x.rows * y.rows);
  const side = (name: string, run: () => Float32Array): OwnSide => ({
    name,
    side: name,
    labels: labels({}),
    run,
    probe: () => corner({ data: run(), rows: x.rows, cols: y.rows }),
    against: 'poincare',
    same: { as: 'poincare', within: peerError.distances },
  });
  return [
    side('plain TypeScript loops', () => plainDistances(x, y, c, out)),
    side('simsimd, one pair per call', () => simsimdDistances(needed(js.simsimd), x, y, c, out)),
    side('tfjs (wasm)', () => tfjsDistances(needed(js.tfjs), x, y, c)),
  ];
}

function pairwisePeers(n: number, { labels, flops }: Sides): PeerSide[] {
  const peer = (name: string, as: string, over: Partial<PeerSide> & { labels?: Labels } = {}): PeerSide => ({
    name,
    labels: labels({
      geometry: as === 'compat' ? 'poincare' : as,
      guards: as === 'compat' ? 'compat' : 'clean',
    }),
    params: { c },
    inputs: { x: 'x', y: 'y' },
    against: as === 'euclidean' || as === 'poincare' ? 'poincare, new result' : as,
    same: { as, within: peerError.distances },
    ...over,
  });
  const gradients = (name: string, geometry: string) =>
    peer(name, 'poincare both', {
      labels: labels({ geometry, pass: 'both' }),
      same: { as: `${geometry} both`, within: peerError.distances },
    });
  const quick = [
    peer('torch.compile gram + arsinh', 'poincare'),
    peer('published dist_matrix', 'compat', { peak: true }),
    peer('geoopt PoincareBall.dist', 'poincare', { peak: true }),
    gradients('torch.cdist with gradients', 'euclidean'),
    gradients('torch gram + arsinh with gradients', 'poincare'),
  ];
  return [
    ...products(labels({ op: 'sgemm', geometry: '' }), { x: 'x', y: 'y' }, flops, {
      against: 'poincare',
      bar: { of: 'ratio', atLeast: 0.75 },
    }),
    peer('torch.cdist', 'euclidean', { bar: { of: 'ratio', atLeast: 1 } }),
    peer('torch gram + arsinh', 'poincare'),
    ...(n < slowRows ? quick : []),
  ];
}
