// Every function of horoball/io quickly rejects hostile arguments with a coded error.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { EventWriter, readMat, readSafetensors, writeNpy, writeSafetensors } from '../../lib/io/index.ts';
import { startCpuClock } from '../cpu-clock.ts';
import { temporary } from '../train/data/support.ts';

const any = (value: unknown) => value as never;
const six = () => new Float32Array(6);
const sparse: number[] = [];
sparse.length = 2 ** 31;

/** A shape whose length is 2 at the first read and a billion afterwards. */
function lengthening(): number[] {
  let readings = 0;
  const get = (target: number[], key: keyof number[]) =>
    key === 'length' ? (readings++ === 0 ? 2 : 1e9) : target[key];
  return new Proxy([6, 7], { get: get as never });
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(8);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

function* endless(): Generator<string> {
  for (;;) yield 'a';
}

test('wrong types, null options and endless lists cause a coded error within five seconds', async (t) => {
  const folder = await temporary(t);
  const file = join(folder, 'file');
  await writeSafetensors(file, { x: { shape: [6], data: six() } });
  const events = await EventWriter.open(folder);
  const calls: (() => unknown)[] = [
    () => writeNpy(file, six(), sparse),
    () => writeNpy(file, six(), lengthening()),
    () => writeNpy(file, six(), any([6, null])),
    () => writeSafetensors(file, { x: { shape: sparse, data: six() } }),
    () => writeSafetensors(file, { x: { shape: lengthening(), data: six() } }),
    () => writeSafetensors(file, any(null)),
    () => writeSafetensors(file, any(new Map([[Symbol('x'), { shape: [6], data: six() }]]))),
    () => writeSafetensors(file, {}, any(null)),
    () => readSafetensors(file, any(null)),
    () => readSafetensors(file, { names: any(-1) }),
    () => readSafetensors(file, { names: any(sparse) }),
    () => readSafetensors(file, { names: 'x' }),
    () => readSafetensors(file, { names: any(['x', 1]) }),
    () => readSafetensors(file, { names: endless() }),
    () => readMat(file, any(null)),
    () => EventWriter.open(folder, any(null)),
    () => events.scalar('a', 1, 1, any(null)),
    () => events.scalar('a', 1, 1, { wallTime: any({}) }),
    () => events.histogram('a', any(null), 1),
    () => events.histogram('a', { length: 2 ** 40 }, 1),
    () => events.histogram('a', [1], 1, { buckets: any(Symbol('a')) }),
    () => events.image('a', any(null), 1),
    () => events.image('a', detached(), 1),
    () => events.text('a', 'b', 1, any(null)),
    () => events.hparams(any(null)),
    () => events.hparams({}, { group: any(-1) }),
    () => events.hparams({ a: any({}) }),
    () => events.endSession('success', any(null)),
    () => events.endSession(any('Success')),
    () => events.hparams(any(new Map([['lr', 1]]))),
    () => events.hparams(any([1])),
    () => events.histogram('a', any(new BigInt64Array(2)), 1),
    () => events.histogram('a', any(['1', '2']), 1),
    () => writeSafetensors(file, {}, { checksums: any('yes') }),
  ];
  for (const call of calls) {
    const spent = startCpuClock();
    const error = await t.throwsAsync<NodeJS.ErrnoException>(
      async () => await call(),
      undefined,
      String(call),
    );
    t.regex(String(error?.code), /^ERR_HOROBALL_/, String(call));
    t.true(spent() < 5000, String(call));
  }
  await events.close();
});

test('transferring an array while its checksum is computed leaves no file', async (t) => {
  const file = join(await temporary(t), 'a');
  const data = new Float32Array(2 ** 20);
  const written = writeSafetensors(file, { x: { shape: [2 ** 20], data } }, { checksums: true });
  structuredClone(data.buffer, { transfer: [data.buffer] });
  await t.throwsAsync(written, { code: 'ERR_HOROBALL_DETACHED' });
  await t.throwsAsync(access(file), { code: 'ENOENT' });
});

test('reads a changing shape once, and leaves no file if an array is transferred', async (t) => {
  const folder = await temporary(t);
  let readings = 0;
  const tensor = {
    data: six(),
    get shape() {
      return readings++ === 0 ? [6] : [7];
    },
  };
  const file = join(folder, 'changing');
  await writeSafetensors(file, { x: tensor });
  t.deepEqual((await readSafetensors(file)).tensors.get('x')?.shape, [6]);
  for (const [name, write] of [
    ['a.npy', (data: Float32Array) => writeNpy(join(folder, 'a.npy'), data)],
    ['a', (data: Float32Array) => writeSafetensors(join(folder, 'a'), { x: { shape: [6], data } })],
  ] as const) {
    const data = six();
    const written = write(data);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    await t.throwsAsync(written, { code: 'ERR_HOROBALL_DETACHED' });
    await t.throwsAsync(access(join(folder, name)), { code: 'ENOENT' });
  }
});

test('a histogram reads its values once', async (t) => {
  const folder = await temporary(t);
  const events = await EventWriter.open(folder);
  const spent = startCpuClock();
  events.histogram('a', lengthening(), 1);
  t.true(spent() < 1000);
  await events.close();
});
