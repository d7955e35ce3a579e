import { mkdir, readdir, readFile, rm, rmdir, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import test from 'ava';
import { readSafetensors, writeSafetensors } from '../../lib/io/safetensors.ts';
import { checkOnnx, writeOnnx } from '../../lib/onnx/checksum.ts';
import { exportOnnx } from '../../lib/onnx/export.ts';
import { exportOnnxFolder } from '../../lib/onnx/folder.ts';
import { openSource } from '../../lib/onnx/source.ts';
import { backbone, writeRun } from '../embed/network.ts';
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

test('an exported folder contains files of one network', async (t) => {
  const { path: folder, remove } = await temporary();
  t.teardown(remove);
  const own = backbone();
  const parameter = 'norm.bias';
  const { shape, data } = own.weights.get(parameter)!;
  const changed = Float32Array.from(data, (value, i) => (i === 0 ? value + 1 : value));
  const other = { ...own, weights: new Map([...own.weights, [parameter, { shape, data: changed }]]) };
  await exportOnnxFolder(own, folder);
  const read = async () =>
    await Promise.all(
      ['config.json', 'README.md', 'onnx/model.onnx'].map((name) => readFile(join(folder, name))),
    );
  const before = await read();
  t.true(before[1]!.includes(`'image-feature-extraction', ${JSON.stringify(basename(folder))}`)); // as transformers.js finds it
  const message =
    /expected .* earlier export of the same network, got .*, whose onnx\/model\.onnx differs\. .*\(--fp32\)/;
  for (const network of [other, { ...own, resize: 20 }])
    await t.throwsAsync(exportOnnxFolder(network, folder, { storages: ['int8'] }), {
      code: 'ERR_HOROBALL_OPTION',
      message,
    });
  t.deepEqual(await read(), before);
  const sound = await readFile(join(folder, 'onnx/model.onnx'));
  const damaged = Buffer.from(sound);
  damaged[sound.length >> 1]! ^= 1;
  await writeFile(join(folder, 'onnx/model.onnx'), damaged);
  await t.throwsAsync(exportOnnxFolder(own, folder, { storages: ['int8'] }), { message });
  await writeFile(join(folder, 'onnx/model.onnx'), sound);
  await exportOnnxFolder(own, folder, { storages: ['int8'] });
  await exportOnnxFolder(other, folder, { storages: ['int8', 'fp32'] });
  t.notDeepEqual(await read(), before);
});

test('an export does not replace files of other programs', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  for (const name of ['README.md', 'onnx/model.onnx', 'onnx/model_quantized.onnx']) {
    const folder = join(path, name.replace('/', '-'));
    await mkdir(join(folder, 'onnx'), { recursive: true });
    await writeFile(join(folder, name), 'mine');
    const message = new RegExp(
      `expected .* earlier export, got .*, which contains files that are not from an export: ${name}\\.`,
    );
    await t.throwsAsync(exportOnnxFolder(backbone(), folder), { code: 'ERR_HOROBALL_OPTION', message });
    t.is(await readFile(join(folder, name), 'utf8'), 'mine');
    t.false((await readdir(folder)).includes('config.json'));
  }
});

test('two exports to one folder at the same time do not mix their files', async (t) => {
  const { path: folder, remove } = await temporary();
  t.teardown(remove);
  const ends = await Promise.allSettled([
    exportOnnxFolder(backbone(), folder),
    exportOnnxFolder({ ...backbone(), resize: 20 }, folder, { storages: ['int8'] }),
  ]);
  const [failed] = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
  t.is(failed?.code, 'ERR_HOROBALL_OPTION');
  t.regex(
    failed.message,
    /expected a folder that is not in use, got .*: another call in this process is exporting to it/,
  );
  t.is((await readdir(join(folder, 'onnx'))).length, 1);
  t.deepEqual((await readdir(folder)).sort(), [
    'README.md',
    'config.json',
    'onnx',
    'preprocessor_config.json',
  ]);
});

test('a run that replaces its weights during an export does not mix them', async (t) => {
  const { path: folder, remove } = await temporary();
  t.teardown(remove);
  await writeRun(folder);
  const file = join(folder, 'model.safetensors');
  const { tensors, metadata } = await readSafetensors(file);
  const write = async (c: number): Promise<void> => {
    const bias = { ...tensors.get('head.bias')!, data: new Float32Array(6).fill(c) };
    const horoball = JSON.stringify({ ...JSON.parse(metadata['horoball']!), c });
    await writeSafetensors(file, new Map([...tensors, ['head.bias', bias]]), { metadata: { horoball } });
  };
  await write(0.5);
  let isDone = false;
  const replaced = (async () => {
    for (let i = 1; !isDone; i++) await write(i % 2 === 0 ? 0.5 : 0.25);
  })();
  for (let i = 0; i < 50; i++) {
    const { weights, serving } = await openSource(folder);
    t.is(weights('head.bias').data[0], serving.c!);
  }
  isDone = true;
  await replaced;
});

test('a folder whose export was interrupted has no config.json', async (t) => {
  const { path: folder, remove } = await temporary();
  t.teardown(remove);
  await exportOnnxFolder(backbone(), folder);
  await rm(join(folder, 'README.md'));
  await mkdir(join(folder, 'README.md')); // a folder, which a file cannot replace
  await t.throwsAsync(exportOnnxFolder(backbone(), folder));
  t.false((await readdir(folder)).includes('config.json'));
  await rmdir(join(folder, 'README.md'));
  await exportOnnxFolder(backbone(), folder);
  t.true((await readdir(folder)).includes('config.json'));
  const before = await readFile(join(folder, 'config.json'), 'utf8');
  await rm(join(folder, 'onnx/model.onnx'));
  await mkdir(join(folder, 'onnx/model.onnx/x'), { recursive: true }); // not empty, so a file cannot replace it
  await t.throwsAsync(exportOnnxFolder({ ...backbone(), resize: 20 }, folder));
  t.is(await readFile(join(folder, 'config.json'), 'utf8'), before);
});

test('a folder whose export was interrupted has no file of the earlier network that was to be replaced', async (t) => {
  const { path: folder, remove } = await temporary();
  t.teardown(remove);
  const own = backbone();
  await exportOnnxFolder(own, folder, { storages: ['fp32', 'int8'] });
  let count = 0;
  const get = (name: string) => {
    if (++count > own.weights.size) throw new Error('interrupted');
    return own.weights.get(name);
  };
  const weights = { get } as typeof own.weights;
  const again = exportOnnxFolder({ ...own, resize: 20, weights }, folder, { storages: ['fp32', 'int8'] });
  await t.throwsAsync(again, { message: 'interrupted' });
  t.deepEqual(await readdir(join(folder, 'onnx')), ['model.onnx']);
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
    await leave(named('model.onnx'), 0.5), // so recent that a running process may be writing it
    await leave(named('other.onnx'), 2),
    await leave('.model.onnx.tmp', 2),
    await leave(`${crypto.randomUUID()}.tmp`, 2),
  ];
  await writeOnnx(join(folder, 'model.onnx'), new Uint8Array(9));
  t.deepEqual(await readdir(folder), [...kept, 'model.onnx'].sort());
});

test('an export to a folder removes the temporary files of exports that were just killed, and no others', async (t) => {
  const { path: folder, remove } = await temporary();
  t.teardown(remove);
  const source = backbone();
  await exportOnnxFolder(source, folder);
  const before = await readdir(folder, { recursive: true });
  const leave = async (name: string): Promise<string> => {
    const path = join(dirname(name), `.${basename(name)}.${crypto.randomUUID()}.tmp`);
    await writeFile(join(folder, path), 'part');
    return path;
  };
  for (const name of ['onnx/model.onnx', 'onnx/model_fp16.onnx', 'config.json']) await leave(name);
  const kept = [await leave('onnx/other.onnx'), await leave('other.json')];
  await exportOnnxFolder(source, folder);
  t.deepEqual((await readdir(folder, { recursive: true })).sort(), [...before, ...kept].sort());
});
