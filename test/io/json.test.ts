// Limits on JSON files and on JSON inside other files, which each reader enforces before V8's parser runs.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ava from 'ava';
import { z } from 'zod';
import { Gallery } from '../../lib/index.ts';
import { readSafetensors, writeSafetensors } from '../../lib/io/index.ts';
import { containersIn, parsedJson } from '../../lib/io/json.ts';
import { checkedBy } from '../../lib/io/read-back.ts';
import { readRecordFile } from '../../lib/io/record-file.ts';
import { resolveViT } from '../../lib/model/vit.ts';
import { startCpuClock } from '../cpu-clock.ts';

const test = ava.serial;
const format = { code: 'ERR_HOROBALL_FORMAT' };
let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-json-'));
});
test.after.always(() => rm(folder, { recursive: true, force: true }));

/** Returns the CPU time of `work` in milliseconds. */
async function timed(work: () => unknown): Promise<number> {
  const spent = startCpuClock();
  await work();
  return spent();
}

test('rejects a file of horoball that is nested more than 64 levels deep, at any length', (t) => {
  const nested = (depth: number, inner = ''): string =>
    `${'[{"a":'.repeat(depth / 2)}"${inner}"${'}]'.repeat(depth / 2)}`;
  for (const inner of ['', 'x'.repeat(2 ** 19), '[{"'.replaceAll('"', '\\"').repeat(2 ** 17)]) {
    t.notThrows(() => parsedJson(nested(64, inner), 'a.json'));
    t.throws(() => parsedJson(nested(66, inner), 'a.json'), {
      ...format,
      message: 'a.json cannot be used: it is nested more than 64 levels deep',
    });
  }
});

test('unterminated and long strings take linear time and constant stack', async (t) => {
  const quotes = `"${'\\"'.repeat(2 ** 18)}`;
  const time = await timed(() =>
    t.throws(() => parsedJson(quotes, 'a.json'), { ...format, message: /it is not JSON/ }),
  );
  t.true(time < 3000, `${time} ms`); // more than a minute with a regular expression
  const long = 'a'.repeat(2 ** 23);
  t.is(parsedJson(`"${long}"`, 'a.json'), long);
  t.is(parsedJson('\ufeff{"a":1}', 'a.json') instanceof Object, true);
});

test('rejects a file of horoball with more than a million values', (t) => {
  t.throws(() => parsedJson(`[${'[],'.repeat(2 ** 20)}[]]`, 'a.json'), {
    ...format,
    message: /more than 1048576 values/,
  });
});

test('describes a problem briefly, however long the names in the file are', (t) => {
  const long = '\x1b[2J'.repeat(2 ** 16);
  const byName = z.record(z.string().regex(/^\d$/), z.number());
  for (const [schema, value, start] of [
    [byName, { [long]: 1 }, '\\x1b[2J\\x1b'],
    [z.partialRecord(z.enum(['a', 'b']), z.number()), { [long]: 1 }, 'Unrecognized key: "\\x1b[2J\\x1b'],
    [z.looseObject({ list: z.array(byName) }), { list: [{ [long]: 1 }] }, 'list.0.\\x1b[2J\\x1b'],
  ] as const) {
    const { message } = t.throws(() => checkedBy(schema as z.ZodType, value, 'a.json'), format);
    t.true(message.startsWith(`a.json cannot be used: ${start}`), message.slice(0, 100));
    t.true(message.endsWith('...') && message.length < 1000, `${message.length} characters`);
  }
  const { message } = t.throws(() => checkedBy(byName, { 1: '' }, 'a.json'), format);
  t.is(message, 'a.json cannot be used: 1: expected number, got string');
});

const brackets = '['.repeat(16_000_000);

test('the metadata of a gallery is not parsed beyond its valid size', async (t) => {
  const path = join(folder, 'gallery.safetensors');
  await writeSafetensors(
    path,
    { rows: { shape: [1, 1], data: new Float32Array(1) } },
    { metadata: { horoball_gallery: brackets } },
  );
  const time = await timed(() => t.throwsAsync(Gallery.load(path), format));
  t.true(time < 3000, `${time} ms`);
});

test('rejects an oversized description of a backbone', async (t) => {
  const time = await timed(() =>
    t.throws(() => resolveViT(`{"depth":${brackets}`), {
      code: 'ERR_HOROBALL_OPTION',
      message: /it is nested more than 64 levels deep/,
    }),
  );
  t.true(time < 3000, `${time} ms`);
});

test('rejects an oversized record next to a file', async (t) => {
  const path = join(folder, 'record.json');
  await writeFile(path, '{"url":"x"}');
  t.deepEqual(await readRecordFile(path), { url: 'x' });
  for (const text of [brackets, brackets.slice(0, 1000), '{', `[${'1,'.repeat(20_000)}1]`]) {
    await writeFile(path, text);
    await t.throwsAsync(readRecordFile(path), format);
  }
  await t.throwsAsync(readRecordFile(join(folder, 'none.json')), { code: 'ENOENT' });
});

test('rejects a repeated key at any depth and with any escapes', async (t) => {
  for (const text of [
    '{"a":1,"a":1}',
    '[{"b":[{"a":1,"\\u0061":2}]}]',
    '{"a":":","a":"}"}',
    '{"__proto__":1,"__proto__":2}',
    '{"1":{},"b":0,"1":0}',
  ])
    t.throws(() => parsedJson(text, 'a.json'), { ...format, message: /a\.json .*it has a repeated key/ });
  const sound = '{"a":{"a":":,{"},"b":[{"a":1},{"a":2}],"__proto__":{"a":"\\":"},"toString":[]}';
  t.deepEqual(parsedJson(sound, 'a.json'), JSON.parse(sound));
  const entry = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
  const header = Buffer.from(`        {"a":${entry},"a":${entry}}`);
  header.writeBigUInt64LE(BigInt(header.length - 8));
  const file = join(folder, 'twice.safetensors');
  await writeFile(file, Buffer.concat([header, Buffer.alloc(4)]));
  await t.throwsAsync(readSafetensors(file), { ...format, message: /its header has a repeated key/ });
});

test('counts lists and objects outside of strings', (t) => {
  t.is(containersIn('{"a[{\\"[":[1,{},[]],"b":"\\\\"}'), 4);
  t.is(containersIn(`${'['.repeat(64)}${']'.repeat(64)}`), 64);
  t.is(containersIn('['.repeat(65)), null);
  t.is(containersIn('"[['), 0);
});
