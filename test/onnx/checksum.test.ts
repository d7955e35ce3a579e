import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { checkOnnx } from '../../lib/onnx/checksum.ts';
import { exportOnnx } from '../../lib/onnx/export.ts';
import { backbone } from '../embed/network.ts';
import { temporary } from '../train/tiny-data.ts';

test('a changed bit in any part of an exported file is detected', async (t) => {
  const { path: folder, remove } = await temporary();
  t.teardown(remove);
  const file = join(folder, 'model.onnx');
  const { bytes } = await exportOnnx(backbone(), file);
  const whole = await readFile(file);
  t.is(bytes, whole.length);
  await checkOnnx(file);
  const sumBytes = 8;
  for (const at of [0, 7, ...Array.from({ length: 40 }, (_, i) => 37 + 997 * i), bytes - sumBytes - 40]) {
    const flipped = Buffer.from(whole);
    flipped[at % bytes]! ^= 1 << (at % 8);
    await writeFile(file, flipped);
    await t.throwsAsync(checkOnnx(file), { code: 'ERR_HOROBALL_FORMAT', message: /its checksum is wrong/ });
  }
});

test('a file without a checksum is not checked', async (t) => {
  const { path: folder, remove } = await temporary();
  t.teardown(remove);
  const file = join(folder, 'model.onnx');
  for (const bytes of ['', 'short', 'x'.repeat(1000)]) {
    await writeFile(file, bytes);
    await t.notThrowsAsync(checkOnnx(file));
  }
});
