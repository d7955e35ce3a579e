import test from 'ava';
import { rowwiseSuite } from '../../bench/suites/rowwise.ts';
import { rowCards } from '../../lib/row/card.ts';

const suite = rowwiseSuite(1);

test('the suite times every row-wise operation, forward and backward, in both types', (t) => {
  const timed = suite.own.map(({ labels: { op, type, pass } }) => `${op} ${type} ${pass}`);
  const wanted = ['float32', 'float64'].flatMap((type) =>
    rowCards().flatMap(({ name }) => ['forward', 'backward'].map((pass) => `${name} ${type} ${pass}`)),
  );
  t.deepEqual(timed, wanted);
});

test("every operation is within its card's tolerance of the oracle", (t) => {
  t.notThrows(() => suite.check());
});
