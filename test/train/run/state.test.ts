import test from 'ava';
import type { Best } from '../../../lib/train/run/checkpoint.ts';
import { LearnableScalars } from '../../../lib/train/run/learnable.ts';
import type { EvaluationRow } from '../../../lib/train/run/record.ts';
import {
  addEvaluation,
  epochOf,
  hasStalled,
  positionOf,
  secondsOf,
  startState,
  stepRow,
} from '../../../lib/train/run/state.ts';
import { evaluationRow } from '../fake-run.ts';

const best = { step: 4, epoch: 2, recall: 0.5 };
const position = { step: 7, seconds: 30, metricsBytes: 99, best, baselines: [], complete: false };

test('a resumed state continues at its position, a new one at 0', (t) => {
  t.is(startState(null).step, 0);
  const state = startState(position, [evaluationRow(2, 0.5)]);
  t.deepEqual([state.step, state.earlierSeconds, state.evaluations.length], [7, 30, 1]);
  t.true(secondsOf(state) >= 30 && secondsOf(state) < 31);
});

test('epochOf returns the epoch that contains a step', (t) => {
  t.deepEqual(
    [0, 1, 3, 4, 6, 7].map((step) => epochOf(step, 3)),
    [0, 1, 1, 2, 2, 3],
  );
  t.is(epochOf(1000, null), 1);
});

function bestOf(rows: readonly EvaluationRow[], geometry: 'hybrid' | 'euclidean'): Best | null {
  const state = startState(null);
  for (const row of rows) addEvaluation(state, row, geometry);
  return state.best;
}

test('a run has stalled after `patience` evaluations without a better one', (t) => {
  const stalled = (recalls: readonly number[], patience: number | null): boolean => {
    const state = startState(null);
    for (const [epoch, recall] of recalls.entries()) {
      state.step = epoch;
      addEvaluation(state, evaluationRow(epoch, recall), 'hybrid');
    }
    return hasStalled(state, patience);
  };
  t.false(stalled([], 1));
  t.false(stalled([0.9], 1), 'the untrained network does not count');
  t.false(stalled([0.9, 0.5], 1));
  t.true(stalled([0.9, 0.5, 0.5], 1));
  t.false(stalled([0.1, 0.5, 0.4, 0.6], 1));
  t.false(stalled([0.1, 0.5, 0.4], 2));
  t.true(stalled([0.1, 0.5, 0.4, 0.45], 2));
  t.false(stalled([0.1, 0.5, 0.4, 0.45], null));
});

test('a damaged or edited log does not change when a resumed run stops', (t) => {
  const state = startState(null);
  for (const [epoch, recall] of [0.1, 0.5, 0.4].entries())
    addEvaluation(state, evaluationRow(epoch, recall), 'hybrid');
  state.step = 3;
  const made = positionOf(state, { metricsBytes: 120, metricsCrc32: 1, complete: false });
  t.is(made.evaluated?.length, 3);
  for (const rows of [[], state.evaluations, [...state.evaluations, evaluationRow(9, 0.1)]]) {
    const resumed = startState(made, rows);
    t.false(hasStalled(resumed, 2));
    addEvaluation(resumed, evaluationRow(2, 0.4), 'hybrid'); // repeated, because its row was lost
    t.false(hasStalled(resumed, 2));
    addEvaluation(resumed, evaluationRow(3, 0.45), 'hybrid');
    t.true(hasStalled(resumed, 2));
  }
  const { evaluated: _, ...earlier } = made;
  t.true(hasStalled(startState(earlier, state.evaluations), 1));
  // Rows of later steps, for example in an edited log, do not count.
  const later = [evaluationRow(4, 0.1), evaluationRow(5, 0.1)];
  t.deepEqual([...startState({ ...earlier, step: 3 }, later).evaluated], []);
});

test('the best evaluation is the first with the highest recall, without the untrained network', (t) => {
  const rows = [evaluationRow(0, 0.9), evaluationRow(1, 0.5), evaluationRow(2, 0.7), evaluationRow(3, 0.7)];
  t.deepEqual(bestOf(rows, 'hybrid'), { step: 2, epoch: 2, recall: 0.7 });
  t.is(bestOf(rows.slice(0, 1), 'hybrid'), null);
  t.is(bestOf([evaluationRow(1, Number.NaN)], 'hybrid'), null);
  t.is(bestOf(rows, 'euclidean')!.recall, 0.69); // with the recall by cosine
});

test('a position restores the state from which it was created', (t) => {
  const state = startState(position, [evaluationRow(2, 0.5)]);
  const made = positionOf(state, { metricsBytes: 120, metricsCrc32: 1, complete: true });
  t.deepEqual([made.step, made.metricsBytes, made.complete, made.best], [7, 120, true, best]);
  // The evaluations come from the log, but the best evaluation comes from the position.
  addEvaluation(state, evaluationRow(8, 0.4), 'hybrid');
  t.deepEqual(state.best, best);
  t.deepEqual(startState(made).step, state.step);
});

test("a row has the learnable scalars and the scaler's values of the step", (t) => {
  const initial = { t_e: 0.1, t_h: 0.2, hyp_c: 0.3 };
  const row = (names: 't_h'[], outcome: object) =>
    stepRow(startState(position), {
      outcome: {
        loss: { loss: 2, min: -1, mean: 0, max: 1, accuracy: 0.5 },
        gradNorm: 3,
        scaler: null,
        points: null,
        ...outcome,
      },
      lr: 0.01,
      epoch: 3,
      scalars: { tauE: 0.1, tauH: 0.25, c: 0.3 },
      learnables: new LearnableScalars({ names, initial, range: 10 }),
      count: 8,
      waitMs: 1.26,
      tookMs: 40,
    });
  const plain = row([], {});
  t.deepEqual([plain.step, plain.gradNorm, plain.imagesPerSecond, plain.waitMs], [7, 3, 200, 1.3]);
  t.false('t_h' in plain || 'scale' in plain || 'skipped' in plain);
  const scaler = { scale: 512, goodSteps: 0, skipped: 1, overflowed: true };
  const scaled = row(['t_h'], { scaler, gradNorm: null });
  t.deepEqual([scaled.t_h, scaled.t_e, scaled.scale, scaled.skipped], [0.25, undefined, 512, true]);
  t.false('gradNorm' in scaled);
});
