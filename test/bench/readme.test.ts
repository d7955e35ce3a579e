import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { root } from '../../bench/machine.ts';
import { readmeTable, withFigures, writtenPages } from '../../bench/readme.ts';
import { type Labels, peakKey, type Results, type Row, row } from '../../bench/results.ts';

const labels: Labels = {
  op: 'topK, k = 10',
  shape: 'retrieval',
  n: 4096,
  m: 60_502,
  dim: 128,
  views: 0,
  type: 'float32',
  geometry: 'euclidean',
  heads: '',
  guards: 'clean',
  pass: 'forward',
};

/** Labels of another benchmark, which has a separate line in the README's table. */
const training: Labels = { ...labels, op: 'training step', shape: 'vit_small_patch16_224, batch 16' };

function file(
  name: string,
  date: string,
  rows: readonly (readonly [
    side: string,
    ratio: number,
    ratioSpread: number,
    atLeast?: number | undefined,
  ])[],
  about: Readonly<Record<string, string>> = {},
): { name: string; results: Results & { rows: Row[] } } {
  const measured = rows.map(([side, ratio, ratioSpread, atLeast]) =>
    row(
      { ...labels, suite: 'search', side, status: 'measured', threads: 2, ratio, ratioSpread },
      atLeast === undefined ? undefined : { of: 'ratio', atLeast },
    ),
  );
  return { name, results: { about: { machine: 'm', date, commit: 'abc', ...about }, rows: measured } };
}

function lineOf(...files: ReturnType<typeof file>[]): string | undefined {
  return readmeTable(files)
    .split('\n')
    .find((line) => line.includes('faiss'));
}

test('the figures of README and guide match the committed rows', async (t) => {
  for (const [name, text] of Object.entries(await writtenPages()))
    t.is(text, readFileSync(join(root, name), 'utf8'), name);
});

test('states the ratio to the fastest of several peers, with its spread', (t) => {
  const one = file('one.csv', '2026-01-01', [
    ['faiss IndexFlatL2', 2.34, 0.101],
    ['faiss IndexFlatIP', 2.16, 0.2],
  ]);
  t.true(lineOf(one)?.endsWith('| [2.2 ± 20 %](bench/rows/one.csv) |'), lineOf(one));
});

test('a range that contains the target is not decided, and one below it is missed', (t) => {
  const cellOf = (ratio: number, spread: number, atLeast?: number) =>
    /\[(.*)\]/.exec(
      lineOf(file('one.csv', '2026-01-01', [['faiss IndexFlatL2', ratio, spread, atLeast]])) ?? '',
    )?.[1];
  t.is(cellOf(1.5, 0.4, 1), 'not decided (0.90 to 2.1)');
  t.is(cellOf(1.5, 0.3, 1), '1.5 ± 30 %');
  t.is(cellOf(0.8, 0.3, 1), 'not decided (0.56 to 1.0)');
  t.is(cellOf(0.8, 0.1, 1), '0.80 ± 10 %, missed');
  t.is(cellOf(340, 1.15, 400), 'not decided (up to 730)');
  t.is(cellOf(0.754, 1.2), '0.75 (up to 1.7)', 'no target');
  t.is(cellOf(2, Number.NaN, 1), '2.0', 'a single call');
});

test('every figure is judged by the newest target', (t) => {
  const older = file('old.csv', '2026-01-01', [['faiss IndexFlatL2', 1.2, 0.05, 1]], { machine: 'n' });
  const newer = file('new.csv', '2026-01-02', [['faiss IndexFlatL2', 3, 0.05, 2]]);
  const line = lineOf(newer, older);
  t.true(
    line?.endsWith('| ≥ 2 | [3.0 ± 5 %](bench/rows/new.csv) | [1.2 ± 5 %, missed](bench/rows/old.csv) |'),
    line,
  );
});

test('a column is one machine with one multiply-add peak, and names the dates and commits of its figures', (t) => {
  const peak = (value: number) => ({ [peakKey]: `${value} GFLOP/s` });
  const side = [['faiss IndexFlatL2', 2, 0.1]] as const;
  const one = file('one.csv', '2026-01-02', side, { ...peak(520), commit: 'abc' });
  const slow = file('slow.csv', '2026-01-03', side, { ...peak(231), commit: 'def' });
  const [head] = readmeTable([slow, one]).split('\n');
  t.is(head, '| operation | compared with | target | m, 2026-01-03 (def) | m, 2026-01-02 (abc) |');
  const [both] = readmeTable([file('two.csv', '2026-01-03', [], peak(515)), one]).split('\n');
  t.is(both, '| operation | compared with | target | m, 2026-01-02 (abc) |', 'only files with a figure');
});

test('says "not measured" if only another machine has a row', (t) => {
  const one = file('one.csv', '2026-01-01', [['faiss IndexFlatL2', 2, 0.1]]);
  const other = file('two.csv', '2026-01-01', [], { machine: 'n' });
  other.results.rows.push(
    row({
      ...training,
      suite: 'train',
      side: 'timm training step',
      status: 'measured',
      threads: 2,
      ratio: 2,
      ratioSpread: 0,
    }),
  );
  t.true(lineOf(one, other)?.endsWith('| not measured |'));
});

test('rejects a page without the markers', (t) => {
  t.throws(() => withFigures('# horoball', ''), { message: /expected a page with the lines/ });
});
