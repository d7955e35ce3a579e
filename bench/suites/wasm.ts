import { peerError } from '../../test/tolerances.ts';
import { ballPoints, unitRows } from '../inputs.ts';
import { type JsPeers, needed, tfjsDistances } from '../js-peers.ts';
import type { MatrixShape } from '../shapes.ts';
import { simd128Peak } from '../simd128.ts';
import type { Suite } from '../suite.ts';
import { corner } from './corner.ts';
import { checkAll } from './pairwise-check.ts';
import { Sides } from './pairwise-sides.ts';

const c = 0.1;

/** Distances on the WebAssembly core, on one thread. tfjs uses its WebAssembly backend with SIMD. */
export function wasmSuite(shape: MatrixShape, js: JsPeers): Suite {
  const { rows: n, dim } = shape;
  const x = ballPoints(unitRows(n, dim, 2, 1, 'float32'), c, 2);
  const y = ballPoints(unitRows(n, dim, 2, 3, 'float32'), c, 4);
  const sides = new Sides(shape, { x, y }, c, 1);
  const poincare = sides.forward('poincare', 'float32');
  const { labels, flops } = sides;
  const peak = simd128Peak();
  const tfjs = () => tfjsDistances(needed(js.tfjs), x, y, c);
  return {
    name: `wasm pairwise ${shape.name}`,
    arrays: {},
    own: [
      poincare,
      {
        name: 'tfjs',
        side: 'tfjs (wasm)',
        labels: labels({}),
        run: tfjs,
        probe: () => corner({ data: tfjs(), rows: n, cols: n }),
        against: poincare.name,
        bar: { of: 'ratio', atLeast: 2 },
        same: { as: poincare.name, within: peerError.distances },
      },
    ],
    peers: [],
    derived: [
      {
        labels: labels({ op: 'share of the peak of SIMD128' }),
        side: 'horoball',
        unit: '%',
        bar: { of: 'value', atLeast: 60 },
        value: ({ ms }) => (100 * flops) / ms(poincare.name) / 1e6 / peak,
      },
    ],
    check: () => checkAll([poincare], c),
  };
}
