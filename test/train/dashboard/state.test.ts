import test from 'ava';
import { LiveState, type Topic } from '../../../lib/train/dashboard/state.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import type { StepRow } from '../../../lib/train/run/record.ts';
import { DiskStore } from '../../../lib/train/run/store.ts';
import { temporary } from '../data/support.ts';
import { evaluationRow, fakeHealth, fakeSnapshot, stepRow } from '../fake-run.ts';

/** Creates a dashboard state, and records the topics of every change. */
function listening(): { state: LiveState; changes: (readonly Topic[])[] } {
  const state = new LiveState(parseConfig({ name: 'mine' }));
  const changes: (readonly Topic[])[] = [];
  state.onChange((topics) => void changes.push(topics));
  return { state, changes };
}

test('each callback changes the parts that show it', (t) => {
  const { state, changes } = listening();
  t.is(state.run.status, 'starting');
  state.onStore('runs/mine');
  state.onStep(stepRow(1) as StepRow, 4);
  state.onEvaluation(evaluationRow(1, 0.5));
  state.onHealth(fakeHealth);
  state.onSnapshot(fakeSnapshot());
  state.onWarning('a note');
  t.deepEqual(changes, [
    ['status'],
    ['status', 'curves'],
    ['status', 'curves'],
    ['health'],
    ['images'],
    ['status'],
  ]);
  t.like(state.run, { folder: 'runs/mine', steps: 4, status: 'training', notes: ['a note'] });
  t.deepEqual(
    state.run.rows.map(({ type }) => type),
    ['step', 'evaluation', 'health'],
  );
});

test('keeps the last five notes, and says how the run ended', (t) => {
  const { state } = listening();
  for (let i = 1; i <= 7; i++) state.onWarning(`${i}`);
  t.deepEqual(state.run.notes, ['3', '4', '5', '6', '7']);
  for (const [end, status] of [
    ['complete', 'finished'],
    ['interrupted', 'stopped'],
    ['failed', 'failed'],
  ] as const) {
    state.onEnd(end);
    t.is(state.run.status, status);
  }
});

test('a run without a name is named after its data set and geometry', (t) => {
  t.is(new LiveState(parseConfig({ geometry: 'chordal' })).run.name, 'shapes, chordal');
});

test('the history of a resumed run ends at its checkpoint and comes before new rows', async (t) => {
  const runs = await temporary(t);
  await using store = await DiskStore.create({ ...parseConfig({ name: 'mine' }), runs });
  for (const step of [1, 2, 3, 4]) store.append(stepRow(step));
  await store.snapshot(fakeSnapshot());
  await store.flush();
  const { state, changes } = listening();
  const loaded = new Promise<void>((resolve) =>
    state.onChange((topics) => {
      changes.push(topics);
      if (topics.length === 4) resolve();
    }),
  );
  state.onResume(store.folder, 2);
  state.onStep(stepRow(3) as StepRow, 4); // while the history is being read
  await loaded;
  t.deepEqual(
    state.run.rows.map(({ step }) => step),
    [1, 2, 3],
  );
  t.deepEqual(state.run.snapshot, fakeSnapshot());
  t.deepEqual(changes.at(-1), ['status', 'curves', 'health', 'images']);
});

test('the history does not replace a snapshot of the session', async (t) => {
  const runs = await temporary(t);
  await using store = await DiskStore.create({ ...parseConfig({ name: 'mine' }), runs });
  store.append(stepRow(1));
  await store.snapshot(fakeSnapshot());
  await store.flush();
  const { state } = listening();
  const loaded = new Promise<void>((resolve) =>
    state.onChange((topics) => {
      if (topics.length === 4) resolve();
    }),
  );
  state.onResume(store.folder, 1);
  state.onSnapshot({ ...fakeSnapshot(), epoch: 5 });
  await loaded;
  t.is(state.run.snapshot!.epoch, 5);
});

test('an unreadable history causes a note', async (t) => {
  const { state } = listening();
  const noted = new Promise<void>((resolve) => state.onChange(() => resolve()));
  state.onResume(await temporary(t), 2);
  await noted;
  t.regex(state.run.notes[0]!, /^the history of the run cannot be shown: /);
});
