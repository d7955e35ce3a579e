import test from 'ava';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { dueOf } from '../../../lib/train/run/due.ts';
import { iterableSource, type Source } from '../../../lib/train/run/source.ts';
import { startState } from '../../../lib/train/run/state.ts';

const steps = (count: number): number[] => Array.from({ length: count + 1 }, (_, step) => step);
const none = iterableSource((async function* () {})());
/** A source with three steps per epoch and a test set. */
const source: Source = { ...none, epochSteps: 3, test: {} as Source['test'] };

for (const [eval_ep, expected] of [
  ['[]', []],
  ['[0]', [0]],
  ['[1]+[3]', [3, 9]],
  ['r(0,4,2)', [0, 6]],
] as const) {
  test(`eval_ep ${eval_ep} evaluates at the ends of its epochs`, (t) => {
    const due = dueOf(parseConfig({ ep: 4, eval_ep }), source);
    t.deepEqual(
      steps(12).filter((step) => due.evaluate(step)),
      [...expected],
    );
  });
}

test('without a test set nothing is evaluated', (t) => {
  const due = dueOf(parseConfig({ ep: 4, eval_ep: '[0]+[1]' }), none);
  t.false(steps(100).some((step) => due.evaluate(step)));
});

test('health is checked at the end of each epoch, or every 50 steps in a run without epochs', (t) => {
  const config = parseConfig();
  const at = (given: Source): number[] => steps(100).filter((step) => dueOf(config, given).health(step));
  t.deepEqual(at(source).slice(0, 4), [0, 3, 6, 9]);
  t.deepEqual(at(none), [0, 50, 100]);
});

test('checkpoints follow evaluations and the clock, but not with save_every None', (t) => {
  const now = performance.now();
  const state = { ...startState(null), step: 3 };
  const due = (save_every: unknown, changes: object): boolean =>
    dueOf(parseConfig({ save_every }), source).checkpoint({ ...state, ...changes });
  t.false(due(60, { savedAt: now }));
  t.true(due(60, { savedAt: now, evaluatedAt: 3 }));
  t.false(due(60, { savedAt: now, evaluatedAt: 2 }));
  t.true(due(60, { savedAt: now - 60_000 }));
  t.true(due(0, { savedAt: now }));
  t.false(due('None', { savedAt: now - 1e9, evaluatedAt: 3 }));
});
