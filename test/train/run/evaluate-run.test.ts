import test from 'ava';
import { singleProcess } from '../../../lib/train/lane/group.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { checkHealth, measureBaselines } from '../../../lib/train/run/evaluate-run.ts';
import { Listeners } from '../../../lib/train/run/hooks.ts';
import type { Run } from '../../../lib/train/run/open.ts';
import type { Row } from '../../../lib/train/run/record.ts';
import { openSource } from '../../../lib/train/run/source.ts';
import { startState } from '../../../lib/train/run/state.ts';
import { Stop } from '../../../lib/train/run/stop.ts';
import { nullStore } from '../../../lib/train/run/store.ts';
import { temporary, writeClasses } from '../data/support.ts';

/**
 * Returns a run without a neural network (no `learner`) on a folder of images, and the rows and events that it will
 * record.
 */
async function runOn(path: string) {
  const config = parseConfig({ ds: 'folder', path, emb: 2, bs: 8, num_samples: 2, crop: 16, resize: 16 });
  const [rows, notified]: [Row[], string[]] = [[], []];
  const listeners = new Listeners([
    {
      onHealth: (row) => void notified.push(row.type),
      onBaseline: ({ name }) => void notified.push(name),
    },
  ]);
  const run = {
    config,
    source: await openSource(config),
    store: { ...nullStore, append: (row: Row) => void rows.push(row) },
    state: { ...startState(null), step: 2 },
    listeners,
    stop: new Stop(singleProcess),
  } as unknown as Run;
  return { run, rows, notified };
}

test('measures baselines on the test classes and reports them', async (t) => {
  const path = await temporary(t);
  await writeClasses(path, 8, 4);
  const { run, notified } = await runOn(path);
  await measureBaselines(run);
  t.deepEqual(notified, ['Raw pixels', 'Color and gradient histograms']);
  for (const { recall } of run.state.baselines) t.true(recall.at['1']! >= 0 && recall.at['1']! <= 1);
});

test('logs health with the state of the scaler, if the step read the points', async (t) => {
  const path = await temporary(t);
  await writeClasses(path, 8, 4);
  const { run, rows, notified } = await runOn(path);
  const outcome = { loss: {} as never, gradNorm: 1, scaler: null, points: null };
  await checkHealth(run, outcome, 1);
  t.deepEqual(rows, []);
  const points = Float32Array.of(0, 0, 0.6, 0.8, 0.3, 0.4); // radii 0, 1 and 0.5
  const scaler = { scale: 8, goodSteps: 0, skipped: 2, overflowed: false };
  await checkHealth(run, { ...outcome, points, scaler }, 1);
  const [row] = rows as [Extract<Row, { type: 'health' }>];
  t.deepEqual([row.step, row.radius.max, row.radius.mean, row.scale, row.skippedSteps], [2, 1, 0.5, 8, 2]);
  t.deepEqual(notified, ['health']);
});
