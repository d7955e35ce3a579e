import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { writeSafetensors } from '../../../lib/io/index.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { contentsOf, outlineOf, savedOptions } from '../../../lib/train/run/contents.ts';
import { temporary } from '../data/support.ts';

const config = parseConfig({ lr: 0.25 });
const position = { step: 3, seconds: 1, metricsBytes: 9, best: null, baselines: [], complete: false };
const learnt = { steps: 0, places: {} };
const machine = { libtorch: '2.13.0', threads: 2 };
const contents = { version: 1, config, position, scaler: null, learnt, machine };

test('reads the options and the position of a checkpoint, and the options of other weights', async (t) => {
  const file = join(await temporary(t), 'weights.safetensors');
  const write = (metadata: Record<string, string>): Promise<void> =>
    writeSafetensors(file, {}, { metadata, checksums: true });
  await write({ 'horoball.checkpoint': JSON.stringify(contents) });
  t.deepEqual((await outlineOf(file))?.position, position);
  t.is((await savedOptions(file))?.lr, 0.25);
  await write({ 'horoball.options': JSON.stringify({ lr: 0.5 }) });
  t.deepEqual([await outlineOf(file), (await savedOptions(file))?.lr], [null, 0.5]);
  await writeFile(file, 'damaged');
  t.deepEqual([await outlineOf(file), await savedOptions(file)], [null, null]);
});

for (const [name, metadata, code, message] of [
  ['weights only', {}, 'CHECKPOINT', /got a\.safetensors, which only contains weights/],
  ['a later version', { ...contents, version: 2 }, 'CHECKPOINT', /expected version 1, got a newer one/],
  ['an invalid option', { ...contents, config: { ...config, lr: -1 } }, 'FORMAT', /lr: expected/],
  ['an invalid position', { ...contents, position: { ...position, step: -1 } }, 'FORMAT', /position\.step/],
] as const)
  test(`rejects contents with ${name}`, (t) => {
    const text = 'version' in metadata ? { 'horoball.checkpoint': JSON.stringify(metadata) } : {};
    t.throws(() => contentsOf('a.safetensors', text), { code: `ERR_HOROBALL_${code}`, message });
  });
