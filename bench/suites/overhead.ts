import { dist, matrix } from '../../lib/index.ts';
import { rowCards } from '../../lib/row/card.ts';
import { distances, table } from '../../test/oracle.ts';
import { allowed, referenceError } from '../../test/tolerances.ts';
import { ballPoints, unitRows } from '../inputs.ts';
import type { Labels } from '../results.ts';
import { difference, type OwnSide, type Suite } from '../suite.ts';
import { within } from './loss-check.ts';

const c = 0.1;
const dim = 8;
const many = 1001;

/** Returns the suite of the overhead per call: the time of one pair of 8-vectors, minus the time per pair among many. */
export function overheadSuite(): Suite {
  const x = ballPoints(unitRows(many, dim, 1, 61, 'float64'), c, 62);
  const y = ballPoints(unitRows(many, dim, 1, 63, 'float64'), c, 64);
  const labels = (n: number): Labels => ({
    op: 'dist, one call',
    shape: 'two 8-vectors',
    n,
    m: 1,
    dim,
    views: 0,
    type: 'float64',
    geometry: 'poincare',
    heads: '',
    guards: 'clean',
    pass: 'forward',
  });
  const side = (name: string, n: number): OwnSide => {
    const [a, b] = [x, y].map(({ data }) => matrix(data.subarray(0, n * dim), n, dim));
    const options = { c, threads: 1, out: new Float64Array(n) };
    return { name, labels: labels(n), run: () => dist.sync(a!, b!, options) };
  };
  const own = [side('one pair', 1), side('many pairs', many)];
  return {
    name: 'overhead',
    arrays: {},
    own,
    peers: [],
    derived: [
      {
        labels: labels(1),
        side: 'horoball, over the kernel',
        unit: 'us per call',
        bar: { of: 'value', atMost: 1 },
        value: (of) => {
          const [one, all] = [of.ms('one pair'), of.ms('many pairs')];
          return 1000 * (one - (all - one) / (many - 1));
        },
      },
    ],
    check: () => {
      const found = dist.sync(x, y, { c });
      const [xs, ys] = [table(x.data, dim), table(y.data, dim)];
      const truth = xs.map((row, i) => distances['poincare']!(row, ys[i]!, c));
      const error = difference([...found.data], truth);
      const { value } = rowCards().find(({ name }) => name === 'dist')!.tolerance;
      within('dist', error, allowed(Float64Array, value, referenceError.closedForms));
    },
  };
}
