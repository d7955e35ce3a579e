import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { root } from '../../bench/machine.ts';
import { readmeTable, withFigures, writtenPages } from '../../bench/readme.ts';
import { type Labels, type Results, row } from '../../bench/results.ts';

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

function file(
  name: string,
  date: string,
  rows: readonly (readonly [side: string, ratio: number, ratioSpread: number])[],
): { name: string; results: Results } {
  const measured = rows.map(([side, ratio, ratioSpread]) =>
    row({ ...labels, suite: 'search', side, status: 'measured', threads: 2, ratio, ratioSpread }),
  );
  return { name, results: { about: { machine: 'm', date }, rows: measured } };
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

test('says that rounds differ widely if the spread exceeds the ratio', (t) => {
  const one = file('one.csv', '2026-01-01', [['faiss IndexFlatL2', 0.754, 1.2]]);
  t.true(lineOf(one)?.includes('[about 0.75, rounds differ widely]'), lineOf(one));
});

test('says "not measured" if no machine has a row', (t) => {
  t.true(lineOf(file('one.csv', '2026-01-01', []))?.endsWith('| not measured |'));
});

test('rejects a page without the markers', (t) => {
  t.throws(() => withFigures('# horoball', ''), { message: /expected a page with the lines/ });
});
