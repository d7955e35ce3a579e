import test from 'ava';
import type { Snapshot } from '../../../../lib/train/measure/types.ts';
import { lineage, lineageText } from '../../../../lib/train/report/run/names.ts';
import { runPage } from '../../../../lib/train/report/run/page.ts';
import { startCpuClock } from '../../../cpu-clock.ts';
import { fakeRun, fakeSnapshot } from '../../fake-run.ts';

test('in a class tree, classes and ancestors are named by the last part of their paths', (t) => {
  const tree = {
    classes: ['birds/owls/barn owl', 'birds/owls/snowy owl'],
    parents: [
      ['birds/owls', 'birds'],
      ['birds/owls', 'birds'],
    ],
  };
  t.deepEqual(lineage(tree, 1), ['snowy owl', 'owls', 'birds']);
});

test('without a tree, a class keeps its full name', (t) => {
  t.deepEqual(lineage({ classes: ['1/2 inch'], parents: [] }, 0), ['1/2 inch']);
});

const million = 1e6;
const plain = fakeSnapshot();
const [{ query, nearest }] = plain.gallery as [Snapshot['gallery'][number]];
const images = [{ query, nearest: Array(500).fill({ ...nearest[0]!, label: query.label }) }];
const disk = { ...plain.disk, points: Array(20_000).fill(0), labels: Array(10_000).fill(query.label) };
/** Returns a copy of a list of values per class in which the class of the images has another value. */
const first = <T>(list: readonly T[], value: T): T[] =>
  list.map((each, i) => (i === query.label ? value : each));
const lineageOf: Record<string, Partial<Snapshot>> = {
  'a name of a million parts': { classes: first(plain.classes, 'a/'.repeat(million)) },
  'a name of a million letters': { classes: first(plain.classes, 'a'.repeat(million)), parents: [] },
  'a hundred thousand ancestors': { parents: first(plain.parents, Array(100_000).fill('a/b')) },
  'an ancestor of a million letters': { parents: first(plain.parents, ['a'.repeat(million)]) },
};

for (const [name, change] of Object.entries(lineageOf))
  test.serial(`${name} is shortened, and found once for all images`, (t) => {
    const snapshot = { ...plain, ...change, disk, gallery: images };
    const spent = startCpuClock();
    const page = runPage({ ...fakeRun('run'), snapshot });
    const ms = spent();
    t.true(ms < 1000, `${ms} ms`);
    t.true(page.length < 5e6, `${page.length} characters`);
  });

test('a table has few columns, however many values of k its lines have', (t) => {
  const baselines = Array.from({ length: 300 }, (_, i) => ({
    name: `${i}`,
    recall: { at: Object.fromEntries(Array.from({ length: 300 }, (_, k) => [300 * i + k, 0.5])), strict: [] },
  }));
  const page = runPage({ ...fakeRun('run'), snapshot: { ...plain, baselines } });
  t.true(page.length < 5e6, `${page.length} characters`);
  t.regex(page, /Recall@1</);
});

test('the text of many long names is shortened for each image', (t) => {
  const parents = plain.parents.map(() => Array.from({ length: 64 }, (_, i) => 'a'.repeat(199) + (i % 10)));
  const gallery = Array(20).fill({ query, nearest: Array(500).fill(nearest[0]) });
  const page = runPage({ ...fakeRun('run'), snapshot: { ...plain, parents, gallery } });
  t.true(page.length < 1e7, `${page.length} characters`); // was 270 MB
  t.is(lineageText({ classes: ['owl'], parents: [['birds/owls', 'birds']] }, 0), 'owl, owls, birds');
});
