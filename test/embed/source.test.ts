import { copyFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import sharp from 'sharp';
import { loadEmbedder } from '../../lib/embed/index.ts';
import { openServed } from '../../lib/embed/source.ts';
import { readSafetensors, writeSafetensors } from '../../lib/io/index.ts';
import { exportOnnx } from '../../lib/onnx/export.ts';
import { temporary } from '../train/tiny-data.ts';
import { writeRun } from './network.ts';

test('a file that an export replaces while it is loaded is not used with the metadata of the earlier one', async (t) => {
  const { path: folder, remove } = await temporary();
  t.teardown(remove);
  await writeRun(folder);
  const weights = join(folder, 'model.safetensors');
  const { tensors, metadata } = await readSafetensors(weights);
  const create = { width: 16, height: 16, channels: 3, background: 'red' } as const;
  const image = await sharp({ create }).png().toBuffer();
  const embedded = async (file: string): Promise<{ c: number; hyperbolic: string }> => {
    const embedder = await loadEmbedder(file);
    const { hyperbolic } = await embedder.embed([image]);
    await embedder.dispose();
    return { c: embedder.c!, hyperbolic: String([...hyperbolic!.data]) };
  };
  const files = new Map<number, string>();
  const expected = new Map<number, string>();
  for (const c of [0.5, 0.25]) {
    const horoball = JSON.stringify({ ...JSON.parse(metadata['horoball']!), c });
    await writeSafetensors(weights, tensors, { metadata: { horoball } });
    files.set(c, join(folder, `${c}.onnx`));
    await exportOnnx(folder, files.get(c)!);
    expected.set(c, (await embedded(files.get(c)!)).hyperbolic);
  }
  const [file, other] = [join(folder, 'model.onnx'), join(folder, 'other.onnx')];
  await copyFile(files.get(0.5)!, file);
  const served = await openServed(file, undefined);
  t.true(await served.isSame!());
  for (let delay = 0; delay < 100; delay += 10) {
    await copyFile(files.get(0.5)!, file);
    await copyFile(files.get(0.25)!, other);
    const load = embedded(file);
    await sleep(delay);
    await rename(other, file);
    const { c, hyperbolic } = await load;
    t.is(hyperbolic, expected.get(c)!);
  }
  t.false(await served.isSame!());
});
