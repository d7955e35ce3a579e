import test from 'ava';
import { runStepsSync } from '../../../lib/call/run.ts';
import type { Row } from '../../../lib/train/run/record.ts';
import { type Lines, parseRows, parseSnapshot } from '../../../lib/train/run/run-schema.ts';
import { startCpuClock } from '../../cpu-clock.ts';
import { evaluationRow, fakeSnapshot, stepRow } from '../fake-run.ts';

const text = (row: object): string => JSON.stringify(row);
const rowsOf = (lines: string): Lines<Row> => runStepsSync('readRun', parseRows(lines));

test('rows round-trip, and unmeasured numbers are NaN', (t) => {
  const rows = [stepRow(1), evaluationRow(1, 0.5)];
  t.deepEqual(rowsOf(rows.map(text).join('\n')), { rows, invalid: null });
  const { rows: read } = rowsOf(text({ ...stepRow(1), loss: null }));
  t.is((read[0] as { loss: number }).loss, Number.NaN);
});

for (const [name, line, problem] of [
  ['no JSON', '{"type":"step"', /^line 1: it is not JSON$/],
  ['another type', '{"type":"other"}', /^line 1: type: /],
  ['a share above 1', text(evaluationRow(1, 3)), /^line 1: spaces\.hyperbolic\.at\.1: /],
  ['a fractional step', text({ ...stepRow(1), step: 1.5 }), /^line 1: step: expected int/],
  [
    'deep nesting',
    `{"type":"step","x":${'['.repeat(65)}${']'.repeat(65)},"crc32":"0"}`,
    /nested too deeply$/,
  ],
  ['an overlong line', `"${'x'.repeat(2 ** 20)}"`, /^line 1: it has more than 1048576 characters$/],
] as const) {
  test(`${name} is skipped, with the reason`, (t) => {
    const { rows, invalid } = rowsOf(`${line}\n${text(stepRow(2))}\n`);
    t.deepEqual([rows.length, invalid!.count], [1, 1]);
    t.regex(invalid!.first, problem);
  });
}

test('millions of lines that are not rows are counted quickly', (t) => {
  const spent = startCpuClock();
  const { rows, invalid } = rowsOf(`${text(stepRow(1))}\n${'1\n'.repeat(2e6)}${text(stepRow(2))}\n`);
  const ms = spent();
  t.deepEqual([rows.length, invalid], [1, { count: 2e6 + 1, first: 'line 2: expected object, got number' }]);
  t.true(ms < 1000, `${ms} ms`);
});

test('rows whose unknown keys hold millions of objects are skipped', (t) => {
  const line = text({ ...stepRow(1), other: Array(2 ** 17 - 1).fill({}) });
  const { rows, invalid } = rowsOf(`${line}\n`.repeat(10));
  t.deepEqual(
    [rows.length, invalid],
    [3, { count: 7, first: 'line 4: the file has too many lists and objects' }],
  );
});

test('a last line truncated by a kill is not counted as invalid', (t) => {
  t.deepEqual(rowsOf(`${text(stepRow(1))}\n{"type":`).invalid, null);
});

const whole = fakeSnapshot();
const many = 500_000;
for (const [name, change] of [
  ['wrong types', { disk: { ...whole.disk, points: Array(many).fill('') } }],
  ['wrong numbers', { disk: { ...whole.disk, points: Array(many).fill(2) } }],
  ['wrong labels', { disk: { ...whole.disk, labels: Array(many).fill(-1) } }],
  [
    'keys',
    {
      baselines: [
        {
          name: '',
          recall: {
            at: { ...Array(many).fill('') },
          },
        },
      ],
    },
  ],
] as const) {
  test(`a snapshot with hundreds of thousands of ${name} is rejected at the first one`, (t) => {
    const given = text({ ...whole, ...change });
    const memory = process.memoryUsage().heapUsed;
    const spent = startCpuClock();
    t.throws(() => parseSnapshot(given, 'snapshot.json'), { code: 'ERR_HOROBALL_FORMAT' });
    const megabytes = (process.memoryUsage().heapUsed - memory) / 1e6;
    const ms = spent();
    t.true(ms < 1000, `${ms} ms`);
    t.true(megabytes < 150, `${megabytes} MB`);
  });
}

for (const [name, change, message] of [
  ['a label without a class', { classes: [] }, /not the index of a class/],
  [
    'an overlong name',
    { baselines: [{ name: '&'.repeat(1001), recall: {} }] },
    /baselines\.0\.name: Too big/,
  ],
  ['an address', { gallery: [{ query: { label: 0, thumbnail: 'http://x/' }, nearest: [] }] }, /thumbnail/],
  [
    '10,001 images',
    {
      gallery: Array(11).fill({
        query: whole.gallery[0]!.query,
        nearest: Array(1000).fill(whole.gallery[0]!.nearest[0]),
      }),
    },
    /more than 10000 images/,
  ],
  ['a point with one coordinate', { disk: { ...whole.disk, points: [0] } }, /number of points/],
] as const) {
  test(`a snapshot with ${name} is rejected`, (t) => {
    const given = text({ ...whole, ...change });
    t.throws(() => parseSnapshot(given, 'snapshot.json'), { code: 'ERR_HOROBALL_FORMAT', message });
  });
}

test('a snapshot round-trips', (t) => t.deepEqual(parseSnapshot(text(whole), 'snapshot.json'), whole));
