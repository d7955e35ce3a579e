import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { readConfig, readRows, readRun } from '../../../lib/train/run/read.ts';
import { startCpuClock } from '../../cpu-clock.ts';
import { withLongestTurn } from '../../longest-turn.ts';
import { temporary, writeTree } from '../data/support.ts';
import { evaluationRow, fakeSnapshot, stepRow } from '../fake-run.ts';

const config = JSON.stringify({ ...parseConfig({ lr: 0.25 }), name: 'mine' });
const lines = [stepRow(1), evaluationRow(1, 0.5)].map((row) => JSON.stringify(row));

test('reads a run folder, and counts lines that are not rows', async (t) => {
  const root = await temporary(t);
  const metrics = [lines[0], '{"type":"step"}', lines[1], '{"type":"st'].join('\n');
  await writeTree(root, {
    'config.json': config,
    'metrics.jsonl': metrics,
    'snapshot.json': JSON.stringify(fakeSnapshot()),
  });
  const run = await readRun(root);
  t.deepEqual([run.name, run.config.lr, run.rows.length], ['mine', 0.25, 2]);
  t.deepEqual(run.snapshot, fakeSnapshot());
  t.is(run.invalid!.count, 1); // not the last line, which counts as truncated by a kill
  t.regex(run.invalid!.first, /^line 2: /);
});

test('a run without metrics and a snapshot has no rows', async (t) => {
  const root = await temporary(t);
  await writeTree(root, { 'config.json': config });
  const run = await readRun(root);
  t.deepEqual([run.rows, run.snapshot, 'invalid' in run], [[], null, false]);
  t.deepEqual(await readRows(join(root, 'missing')), { rows: [], invalid: null });
});

for (const [name, files, path, code, message] of [
  ['no folder', {}, 'missing', 'RUN', /got .*missing, which does not exist/],
  ['a file', { file: '' }, 'file', 'RUN', /got .*file, which is a file/],
  ['no config.json', { 'a/b': '' }, 'a', 'RUN', /got .*a, which has no config\.json/],
  ['no JSON', { 'config.json': '{' }, '.', 'FORMAT', /config\.json .*not JSON/],
  ['no options', { 'config.json': 'null' }, '.', 'FORMAT', /no options/],
  ['a bad option', { 'config.json': '{"lr":-1}' }, '.', 'FORMAT', /config\.json .*lr: expected/],
  [
    'too many options',
    { 'config.json': JSON.stringify(Array(20_000).fill(1)) },
    '.',
    'FORMAT',
    /more than 10000/,
  ],
  ['a bad snapshot', { 'config.json': config, 'snapshot.json': '{}' }, '.', 'FORMAT', /snapshot\.json/],
] as [string, Record<string, string>, string, string, RegExp][]) {
  test(`${name} is rejected`, async (t) => {
    const root = await temporary(t);
    await writeTree(root, files);
    await t.throwsAsync(readRun(join(root, path)), { code: `ERR_HOROBALL_${code}`, message });
  });
}

test('rejects sparse files that are almost only holes without reading them', async (t) => {
  if (process.platform !== 'linux') return t.pass('skipped: other systems fill holes');
  const files = { 'config.json': config, 'metrics.jsonl': lines.join('\n'), 'snapshot.json': '{}' };
  for (const name of Object.keys(files)) {
    const root = await temporary(t);
    await writeTree(root, files);
    await truncate(join(root, name), 2 ** 29 - 2 ** 21);
    await t.throwsAsync(readRun(root), {
      code: 'ERR_HOROBALL_FORMAT',
      message: /of which \d+ are on the disk/,
    });
  }
});

test('a configuration of an earlier version gets the defaults of that version', async (t) => {
  const root = await temporary(t);
  const { background: _, ...before } = parseConfig();
  await writeTree(root, { 'config.json': JSON.stringify(before) });
  t.is((await readConfig(root)).background, 'drop');
});

test('a config.json that is a list or has an option twice is rejected', async (t) => {
  const root = await temporary(t);
  for (const text of ['[]', '"x"', 'null', `${config.slice(0, -1)},"lr":9}`]) {
    await writeTree(root, { 'config.json': text });
    await t.throwsAsync(readRun(root), {
      code: 'ERR_HOROBALL_FORMAT',
      message: /config\.json cannot be used/,
    });
  }
});

test('escapes control characters of a file in error messages', async (t) => {
  const root = await temporary(t);
  await writeTree(root, {
    'config.json': JSON.stringify({ ...JSON.parse(config), lr: '\u001b[2J\r\u009b' }),
  });
  const error = await t.throwsAsync(readRun(root), { code: 'ERR_HOROBALL_FORMAT' });
  t.regex(error.message, /lr: expected .*, got '\\x1b\[2J\\x0d\\x9b'/);
});

test('a long log is read in several turns of the event loop', async (t) => {
  const folder = await temporary(t);
  const lines = Array.from({ length: 20_000 }, (_, i) => JSON.stringify({ ...stepRow(1), step: i + 1 }));
  await writeTree(folder, {
    'config.json': JSON.stringify(parseConfig()),
    'metrics.jsonl': `${lines.join('\n')}\n`,
  });
  const { result, share } = await withLongestTurn(readRun(folder));
  t.is(result.rows.length, lines.length);
  t.true(share < 0.5);
});

test('a path longer than any system allows is rejected before it is normalized', async (t) => {
  const spent = startCpuClock();
  await t.throwsAsync(readRun('../'.repeat(100_000)), {
    code: 'ERR_HOROBALL_RANGE',
    message: /path: expected a path of at most 32767 characters, got 300000/,
  });
  const ms = spent();
  t.true(ms < 1000, `${ms} ms`);
});
