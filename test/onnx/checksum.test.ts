import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { checkOnnx, writeOnnx } from '../../lib/onnx/checksum.ts';
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

test('an export removes the temporary files of killed exports to the same file, and no others', async (t) => {
  const { path: folder, remove } = await temporary();
  t.teardown(remove);
  const leave = async (name: string, hours: number): Promise<string> => {
    const [path, date] = [join(folder, name), new Date(Date.now() - 3_600_000 * hours)];
    await writeFile(path, 'part');
    await utimes(path, date, date);
    return name;
  };
  const named = (name: string): string => `.${name}.${crypto.randomUUID()}.tmp`;
  await leave(named('model.onnx'), 2);
  const kept = [
    await leave(named('model.onnx'), 0.5), // its process may be running
    await leave(named('other.onnx'), 2),
    await leave('.model.onnx.tmp', 2),
    await leave(`${crypto.randomUUID()}.tmp`, 2),
  ];
  await writeOnnx(join(folder, 'model.onnx'), new Uint8Array(9));
  t.deepEqual(await readdir(folder), [...kept, 'model.onnx'].sort());
});
