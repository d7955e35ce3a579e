import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import {
  checkpointKey,
  finalName,
  isInRun,
  networkKey,
  runPathOf,
  withoutWeightsText,
} from '../../lib/io/run-path.ts';
import { writeSafetensors } from '../../lib/io/safetensors.ts';
import { temporary } from '../train/tiny-data.ts';

async function write(file: string, ...keys: string[]): Promise<void> {
  const metadata = Object.fromEntries(keys.map((key) => [key, '{}']));
  await writeSafetensors(file, { x: { shape: [1], data: new Float32Array(1) } }, { metadata });
}

test('a run folder selects its final network, and a checkpoint in it selects itself', async (t) => {
  const { path: folder, remove } = await temporary();
  t.teardown(remove);
  await writeFile(join(folder, 'config.json'), '{}');
  const [final, best] = [join(folder, finalName), join(folder, 'best.safetensors')];
  await write(final, networkKey);
  await write(best, networkKey, checkpointKey);
  t.deepEqual(await runPathOf(folder), { folder, weights: final });
  t.deepEqual(await runPathOf(final), { folder, weights: final });
  t.deepEqual(await runPathOf(best), { folder, weights: best });
  t.deepEqual(await runPathOf('none'), { folder: 'none', weights: join('none', finalName) });
});

test('the text about a run without final weights names a checkpoint only if there is one', async (t) => {
  const { path: folder, remove } = await temporary();
  t.teardown(remove);
  t.regex(withoutWeightsText(folder), /diverged\. Resume it with: npx horoball train --resume /);
  await write(join(folder, 'best.safetensors'), checkpointKey);
  t.regex(withoutWeightsText(folder), /Pass its checkpoint \S+best\.safetensors, or resume the run with: /);
});

test('weights of another program, and weights without a config.json next to them, are not in a run', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  await writeFile(join(path, 'config.json'), '{}');
  await write(join(path, finalName));
  t.false(await isInRun(join(path, finalName)), 'a download of Hugging Face has the same names');
  await write(join(path, 'saved.safetensors'), networkKey);
  t.false(await isInRun(join(path, 'saved.safetensors')), 'saveWeights writes to any folder');
  await mkdir(join(path, 'other'));
  await write(join(path, 'other', 'best.safetensors'), networkKey, checkpointKey);
  t.false(await isInRun(join(path, 'other', 'best.safetensors')));
  t.false(await isInRun(join(path, 'missing.safetensors')));
  await writeFile(join(path, 'damaged.safetensors'), 'x');
  await t.throwsAsync(isInRun(join(path, 'damaged.safetensors')), { code: 'ERR_HOROBALL_FORMAT' });
});
