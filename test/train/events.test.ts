import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig } from '../../lib/train/config.ts';
import type { HealthRow } from '../../lib/train/record.ts';
import { diskPng, galleryJpeg } from '../../lib/train/report/raster.ts';
import { RunFolder } from '../../lib/train/run-folder.ts';
import { readEvents } from '../tensorboard.ts';
import { evaluationRow, fakeSnapshot, stepRow } from './fake-run.ts';

const runs = await mkdtemp(join(tmpdir(), 'horoball-run-events-'));
test.after.always(() => rm(runs, { recursive: true, force: true }));

const health: HealthRow = {
  type: 'health',
  step: 2,
  epoch: 2,
  c: 0.1,
  radius: { min: 0.1, mean: 0.5, max: 0.8, histogram: [0, 3, 0, 1] },
  atRim: 0.25,
  saturated: 0,
  scale: null,
  skippedSteps: 0,
  seconds: 1,
};

test("TensorBoard's own reader finds a run's curves, histogram, pictures and options, and drops what a resumed run writes again", async (t) => {
  const config = { ...parseConfig({ geometry: 'hyperbolic', t_h: 0.3 }), runs };
  const first = await RunFolder.create(config);
  for (const row of [evaluationRow(0, 0.25), stepRow(1), stepRow(2), health]) first.log(row);
  await first.writeSnapshot(fakeSnapshot());
  first.log(stepRow(3));
  await first.sync();
  await first.fail(); // a kill would leave the file without an end
  const again = await RunFolder.reopen(first.path, config, 0);
  for (const row of [stepRow(3), stepRow(4), evaluationRow(4, 0.5)]) again.log(row);
  await again.close();
  const files = (await readdir(first.path)).filter((name) => name.startsWith('events.out.tfevents.'));
  t.is(files.length, 2);
  for (const file of files) t.true((await stat(join(first.path, file))).size > 200);

  const found = readEvents(t, first.path);
  if (found === null) return;
  const series = (tag: string): unknown[] => found[tag]!.events.map(({ step, data }) => [step, data[0]]);
  t.deepEqual(
    found['train/loss']!.events.map(({ step }) => step),
    [1, 2, 3, 4],
  );
  t.deepEqual(series('recall/hyperbolic@1'), [
    [0, 0.25],
    [4, 0.5],
  ]);
  t.deepEqual(series('health/at the rim'), [[2, 0.25]]);
  // Rows of left edge, right edge and count.
  const counts = found['health/radius']!.events[0]!.data.filter((_, i) => i % 3 === 2);
  t.is(
    counts.reduce((sum: number, count) => sum + Number(count), 0),
    4,
  );
  for (const tag of ['disk', 'nearest neighbours']) {
    const [width, height, picture] = found[tag]!.events[0]!.data as string[];
    t.regex(picture!, tag === 'disk' ? /^89504e47/ : /^ffd8ff/);
    t.true(Number(Buffer.from(width!, 'hex')) > 100 && Number(Buffer.from(height!, 'hex')) > 100);
  }
  const options = found['_hparams_/session_start_info']!.hparams!;
  t.is(options['t_h'], 0.3);
  t.is(options['geometry'], 'hyperbolic');
  t.is(options['t'], 'none');
});

test('pictures are of a fit size', async (t) => {
  const { default: sharp } = await import('sharp');
  const disk = await sharp(await diskPng(fakeSnapshot())).metadata();
  t.deepEqual([disk.format, disk.width, disk.height], ['png', 640, 640]);
  const gallery = await sharp((await galleryJpeg(fakeSnapshot()))!).metadata();
  t.deepEqual([gallery.format, gallery.width, gallery.height], ['jpeg', 232, 112]);
  t.is(await galleryJpeg({ ...fakeSnapshot(), gallery: [] }), null);
});
