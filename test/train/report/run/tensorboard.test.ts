import { mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig } from '../../../../lib/train/options/resolve.ts';
import { TensorBoard } from '../../../../lib/train/report/run/tensorboard.ts';
import type { EvaluationRow, StepRow } from '../../../../lib/train/run/record.ts';
import { DiskStore } from '../../../../lib/train/run/store.ts';
import { readEvents } from '../../../tensorboard.ts';
import { evaluationRow, fakeHealth, fakeSnapshot, stepRow } from '../../fake-run.ts';

const runs = await mkdtemp(join(tmpdir(), 'horoball-run-events-'));

test.after.always(() => rm(runs, { recursive: true, force: true }));

test("TensorBoard's reader finds the curves, histogram, images and options of a run, and drops the steps that a resumed run repeats", async (t) => {
  const config = { ...parseConfig({ geometry: 'hyperbolic', t_h: 0.3 }), runs };
  const { folder } = await DiskStore.create(config);
  const warnings: string[] = [];
  const listener = (): TensorBoard => {
    const made = new TensorBoard((text) => void warnings.push(text));
    made.onStore(folder);
    return made;
  };
  const first = listener();
  await first.onEvaluation(evaluationRow(0, 0.25) as EvaluationRow);
  for (const step of [1, 2]) await first.onStep(stepRow(step) as StepRow);
  await first.onHealth(fakeHealth);
  await first.onSnapshot(fakeSnapshot());
  await first.onStep(stepRow(3) as StepRow);
  await first.onCheckpoint();
  await first.onEnd('failed'); // completes the file, unlike a kill
  const [name] = (await readdir(folder)).filter((each) => each.startsWith('events.out.tfevents.'));
  const later = name!.replace(/\d{10}/, (seconds) => String(Number(seconds) + 3600));
  await rename(join(folder, name!), join(folder, later)); // as if the clock had been set back in the meantime
  const again = listener();
  again.onResume(folder, 2);
  await again.onSnapshot(fakeSnapshot()); // as if the evaluation after the checkpoint had been interrupted
  await again.onEvaluation(evaluationRow(2, 0.375) as EvaluationRow);
  for (const step of [3, 4]) await again.onStep(stepRow(step) as StepRow);
  await again.onEvaluation(evaluationRow(4, 0.5) as EvaluationRow);
  await again.onEnd('complete');
  t.deepEqual(warnings, []);
  const files = (await readdir(folder)).filter((name) => name.startsWith('events.out.tfevents.'));
  t.is(files.length, 2);
  for (const file of files) t.true((await stat(join(folder, file))).size > 200);

  const found = readEvents(t, folder);
  if (found === null) return;
  const series = (tag: string): unknown[] => found[tag]!.events.map(({ step, data }) => [step, data[0]]);
  t.deepEqual(
    found['train/loss']!.events.map(({ step }) => step),
    [1, 2, 3, 4],
  );
  t.deepEqual(series('recall/hyperbolic@1'), [
    [0, 0.25],
    [2, 0.375],
    [4, 0.5],
  ]);
  t.deepEqual(series('health/at the boundary'), [[2, 0.25]]);
  // Rows of left edge, right edge and count.
  const counts = found['health/radius']!.events[0]!.data.filter((_, i) => i % 3 === 2);
  t.is(
    counts.reduce((sum: number, count) => sum + Number(count), 0),
    4,
  );
  for (const tag of ['disk', 'nearest neighbors']) {
    const [width, height, image] = found[tag]!.events[0]!.data as string[];
    t.regex(image!, tag === 'disk' ? /^89504e47/ : /^ffd8ff/);
    t.true(Number(Buffer.from(width!, 'hex')) > 100 && Number(Buffer.from(height!, 'hex')) > 100);
  }
  const options = found['_hparams_/session_start_info']!.hparams!;
  t.is(options['t_h'], 0.3);
  t.is(options['geometry'], 'hyperbolic');
  t.is(options['t'], 'none');
});

test('writes no event file into another run that now has the folder', async (t) => {
  const config = { ...parseConfig({ name: 'replaced' }), runs };
  const first = await DiskStore.create(config);
  const warnings: string[] = [];
  const listener = new TensorBoard((text) => void warnings.push(text));
  listener.onStore(first.folder);
  await rm(first.folder, { recursive: true });
  const second = await DiskStore.create(config);
  await listener.onStep(stepRow(1) as StepRow);
  await listener.onEnd('failed');
  t.regex(warnings.join(), /event file cannot be written \(the run folder was moved, deleted or replaced\)/);
  t.deepEqual((await readdir(second.folder)).sort(), ['.training', 'config.json', 'metrics.jsonl']);
  for (const store of [first, second]) await store[Symbol.asyncDispose]();
});
