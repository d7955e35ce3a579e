import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { crc32c } from '../../lib/io/crc32c.ts';
import { EventWriter } from '../../lib/io/events.ts';
import { histogramValue } from '../../lib/io/summary.ts';
import { readEvents } from '../tensorboard.ts';

let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-events-'));
});
test.after.always(() => rm(folder, { recursive: true, force: true }));

// One black pixel, 8-bit gray.
const png = Buffer.from(
  '89504e470d0a1a0a0000000d4948445200000001000000010800000000' +
    '3a7e9b550000000a4944415478da63600000000200015d2f6fb70000000049454e44ae426082',
  'hex',
);

/** Reads the records of an event file, and verifies both checksums of each. */
async function records(path: string): Promise<Buffer[]> {
  const bytes = await readFile(path);
  const unmask = (masked: number): number => {
    const rotated = (masked - 0xa282ead8) >>> 0;
    return ((rotated << 15) | (rotated >>> 17)) >>> 0;
  };
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const body = bytes.subarray(at + 12, at + 12 + length);
    if (unmask(bytes.readUInt32LE(at + 8)) !== crc32c(bytes.subarray(at, at + 8)))
      throw new Error('length CRC');
    if (unmask(bytes.readUInt32LE(at + 12 + length)) !== crc32c(body)) throw new Error('data CRC');
    found.push(body);
    at += 16 + length;
  }
  return found;
}

test('crc32c gives the check values of RFC 3720', (t) => {
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283);
  t.is(crc32c(new Uint8Array(32)), 0x8a9136aa);
  t.is(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  t.is(crc32c(new Uint8Array(0)), 0);
});

test('an event has the bytes of its protocol buffer', async (t) => {
  const writer = await EventWriter.open(join(folder, 'bytes'));
  writer.scalar('a', 1, 300, { wallTime: 2 });
  await writer.close();
  const [version, scalar, ...rest] = await records(writer.path);
  t.true(version?.subarray(9).equals(Buffer.from('\x1a\x0dbrain.Event:2', 'latin1')));
  const expected = '09' + '0000000000000040' + '10ac02' + '2a0a' + '0a08' + '0a0161' + '150000803f';
  t.is(scalar?.toString('hex'), expected);
  t.deepEqual(rest, []);
});

test('a histogram counts values whose range overflows', (t) => {
  const most = Number.MAX_VALUE;
  const values = [-most, -0.4 * most, 0.1 * most, 0.6 * most, most];
  const bytes = Buffer.from(histogramValue('a', values, 4)!);
  // The message ends with the limits and the counts, each a packed field with two bytes before it.
  const doubles = (end: number) => Array.from({ length: 4 }, (_, i) => bytes.readDoubleLE(end - 32 + 8 * i));
  t.deepEqual(doubles(bytes.length), [1, 1, 1, 2]);
  const limits = doubles(bytes.length - 34).map((limit) => Number((limit / most).toFixed(9)));
  t.deepEqual(limits, [-0.5, 0, 0.5, 1]);
});

test('each writer creates a separate file, and a flush writes all pending events', async (t) => {
  const runs = join(folder, 'two');
  const first = await EventWriter.open(runs);
  const second = await EventWriter.open(runs, { purgeStep: 5 });
  t.not(first.path, second.path);
  first.text('note', '**hello**', 0);
  await first.flush();
  t.is((await records(first.path)).length, 2);
  t.is((await records(second.path)).length, 3);
  await first.close();
  await second.close();
  await second.close();
  t.is((await readdir(runs)).length, 2);
});

test('closing again waits for the first call, and does not repeat its error', async (t) => {
  const writer = await EventWriter.open(join(folder, 'again'));
  writer.text('note', 'x'.repeat(60_000), 0);
  const first = writer.close();
  let isClosed = false;
  void first.then(() => {
    isClosed = true;
  });
  await writer.close();
  t.true(isClosed);
  t.is((await records(writer.path)).length, 2);
  await first;
  await writer.close();
  await writer[Symbol.asyncDispose]();
  t.throws(() => writer.text('note', 'late', 1), { code: 'ERR_HOROBALL_CLOSED' });
});

test('an event whose values close the file is rejected, not lost', async (t) => {
  const writer = await EventWriter.open(join(folder, 'closing'));
  let closed: Promise<void> | undefined;
  const values = {
    get lr() {
      closed = writer.close();
      return 1;
    },
  };
  t.throws(() => writer.hparams(values), { code: 'ERR_HOROBALL_CLOSED' });
  await closed;
  t.is((await records(writer.path)).length, 1);
});

test('closing reports a failed write once', async (t) => {
  if (process.platform === 'win32') return t.pass('Windows does not limit the size of files');
  const module = new URL('../../lib/io/events.js', import.meta.url).href;
  const code = `process.on('SIGXFSZ', () => {});
    const { EventWriter } = await import('${module}');
    const writer = await EventWriter.open('${join(folder, 'failed')}');
    writer.text('note', 'x'.repeat(60000), 0);
    for (let i = 0; i < 2; i++) console.log(await writer.close().then(() => 'closed', ({ code }) => code));`;
  const node = [process.execPath, '--input-type=module', '-e', code];
  const { stdout } = spawnSync('sh', ['-c', 'ulimit -f 4; exec "$@" | cat', 'sh', ...node], {
    encoding: 'utf8',
  });
  t.deepEqual(stdout.trim().split('\n'), ['EFBIG', 'closed']);
});

test.serial('a system clock that is set back does not delay the flush', async (t) => {
  const writer = await EventWriter.open(join(folder, 'clock'));
  const [now, elapsed] = [Date.now, performance.now.bind(performance)];
  try {
    Date.now = () => 0;
    performance.now = () => elapsed() + 6000;
    writer.scalar('a', 1, 1, { wallTime: 1 });
  } finally {
    Object.assign(Date, { now });
    performance.now = elapsed;
  }
  while ((await records(writer.path)).length < 2) await sleep(10);
  await writer.close();
  t.pass();
});

test('many events are written in the background, in order', async (t) => {
  const writer = await EventWriter.open(join(folder, 'many'));
  for (let step = 0; step < 5000; step++) writer.scalar('loss', step, step);
  await writer[Symbol.asyncDispose]();
  const found = await records(writer.path);
  t.is(found.length, 5001);
  t.is(found[5000]?.readFloatLE(found[5000].length - 4), 4999);
});

test('invalid arguments are rejected with a code and change nothing', async (t) => {
  const writer = await EventWriter.open(join(folder, 'refused'));
  t.throws(() => writer.scalar('', 1, 0), { code: 'ERR_HOROBALL_TYPE' });
  t.throws(() => writer.scalar('a', '1' as unknown as number, 0), { code: 'ERR_HOROBALL_TYPE' });
  t.throws(() => writer.scalar('a', 1, -1), { code: 'ERR_HOROBALL_RANGE', message: /step/ });
  t.throws(() => writer.scalar('a', 1, 0.5), { code: 'ERR_HOROBALL_RANGE' });
  t.throws(() => writer.histogram('a', [1], 0, { buckets: 0 }), { code: 'ERR_HOROBALL_RANGE' });
  t.throws(() => writer.image('a', new Uint8Array(40), 0), { code: 'ERR_HOROBALL_RANGE', message: /PNG/ });
  t.throws(() => writer.hparams({ a: null as unknown as string }), { code: 'ERR_HOROBALL_TYPE' });
  writer.histogram('nothing', [NaN, Infinity], 0);
  await writer.close();
  t.throws(() => writer.scalar('a', 1, 0), { code: 'ERR_HOROBALL_CLOSED' });
  t.is((await records(writer.path)).length, 1);
});

test("TensorBoard's reader reads the events", async (t) => {
  const run = join(folder, 'board');
  const writer = await EventWriter.open(run);
  writer.hparams({ lr: 3e-5, model: 'vit', tied: true }, { group: 'seeds' });
  writer.scalar('loss', 0.5, 1, { wallTime: 1234.5 });
  writer.scalar('loss', 99, 7);
  writer.histogram('radius', [0, 1, 2, 3, 4, NaN], 2, { buckets: 2 });
  writer.histogram('constant', new Float32Array(6).fill(3), 2);
  writer.image('disk', png, 3);
  writer.text('note', 'h\u00e9', 4);
  writer.endSession('success');
  await writer.close();
  // A resumed run, at a step that needs more than 32 bits.
  await t.throwsAsync(EventWriter.open(run, { purgeStep: -1 }), {
    message: /^\[EventWriter\.open\] purgeStep: /,
  });
  const resumed = await EventWriter.open(run, { purgeStep: 2 ** 33 });
  resumed.scalar('late', -1, 2 ** 33);
  await resumed.close();

  const found = readEvents(t, run);
  if (found === null) return;
  const steps = (tag: string): number[] => found[tag]!.events.map((event) => event.step);
  const data = (tag: string): (number | string)[][] => found[tag]!.events.map((event) => event.data);
  t.deepEqual(steps('loss'), [1, 7]);
  t.deepEqual(data('loss'), [[0.5], [99]]);
  t.is(found['loss']!.events[0]!.time, 1234.5);
  t.deepEqual(data('radius'), [[0, 2, 2, 2, 4, 3]]);
  t.deepEqual(data('constant'), [[3, 3, 6]]);
  const text = (value: string): string => Buffer.from(value).toString('hex');
  t.deepEqual(data('disk'), [[text('1'), text('1'), png.toString('hex')]]);
  t.deepEqual(data('note'), [[text('h\u00e9')]]);
  t.is(found['note']!.plugin, 'text');
  t.deepEqual(found['_hparams_/session_start_info']!.hparams, { lr: 3e-5, model: 'vit', tied: true });
  t.is(found['_hparams_/session_start_info']!.group, 'seeds');
  t.is(found['_hparams_/session_end_info']!.status, 1);
  t.deepEqual(steps('late'), [2 ** 33]);
});

test('TensorBoard drops the steps that a resumed run writes again', async (t) => {
  const run = join(folder, 'resumed');
  const writer = await EventWriter.open(run);
  for (const step of [1, 2, 3]) writer.scalar('loss', step, step);
  await writer.close();
  const resumed = await EventWriter.open(run, { purgeStep: 2 });
  resumed.scalar('loss', 20, 2);
  await resumed.close();
  const found = readEvents(t, run);
  if (found === null) return;
  t.deepEqual(
    found['loss']!.events.map((event) => event.data),
    [[1], [20]],
  );
});
