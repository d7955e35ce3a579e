import test from 'ava';
import {
  barShare,
  evaluationLines,
  fixed,
  levelUp,
  orZero,
  percent,
  recallTable,
  strictMeanings,
} from '../../../lib/train/report/tables.ts';
import { evaluationRow } from '../fake-run.ts';

const { NaN: none } = Number;
const cellsOf = (text: string, tag: 'td' | 'th'): string[] =>
  [...text.matchAll(new RegExp(`<${tag}[^>]*>([^<]*)</${tag}>`, 'g'))].map(([, cell]) => cell!);

test('numbers have fixed decimals; unmeasured values are dashes', (t) => {
  t.is(percent(0.1234), '12.3');
  t.is(percent(1), '100.0');
  t.is(fixed(-1.005, 1), '-1.0');
  t.is(fixed(1.5e20, 2), '1.500e+20', 'not all digits of a float');
  for (const value of [undefined, none, Infinity, -Infinity]) {
    t.is(fixed(value, 2), '–');
    t.is(percent(value), '–');
  }
});

test('the share of the highest value stays between 0 and 1', (t) => {
  t.is(barShare(0.5, 2), '0.250');
  t.is(barShare(3, 2), '1.000');
  t.is(barShare(-1, 2), '0.000');
  t.is(barShare(none, 2), '0.000');
  t.is(barShare(0, 0), '0.000');
  t.deepEqual([orZero(undefined), orZero(none), orZero(0.2)], [0, 0, 0.2]);
});

test('an evaluation has one line per measured space', (t) => {
  const row = evaluationRow(1, 0.5);
  t.deepEqual(
    evaluationLines(row).map(({ name }) => name),
    ['Head, hyperbolic distance', 'Head, cosine', 'Backbone, cosine'],
  );
  const fused = evaluationLines({ ...row, spaces: { ...row.spaces, fused: row.spaces.cosine } });
  t.is(fused.at(-1)!.name, 'Head, hybrid logit');
});

test('a table has every column of any line, with dashes for missing values', (t) => {
  const lines = [
    {
      name: 'a',
      recall: { at: { 1: 0.5, 2: 0.75 }, rPrecision: 0.25, mapAtR: 0.125, strict: [] },
      lead: true,
    },
    { name: 'b', recall: { at: { 1: 0.25, 8: none }, strict: [0.1, 0.2] } },
  ];
  const { text } = recallTable(lines, ['genus']);
  t.deepEqual(cellsOf(text, 'th').slice(0, -2), [
    'Space',
    'Recall@1',
    'Recall@2',
    'Recall@8',
    'R-Precision',
    'MAP@R',
    'same genus',
    '2 levels up',
  ]);
  const rows = text.split('<tr class=').slice(1);
  t.deepEqual(cellsOf(rows[0]!, 'td'), ['50.0', '75.0', '–', '25.0', '12.5', '–', '–']);
  t.deepEqual(cellsOf(rows[1]!, 'td'), ['25.0', '–', '–', '–', '–', '10.0', '20.0']);
  t.deepEqual(
    [...text.matchAll(/--share:([\d.]+)/g)].map(([, share]) => share),
    ['1.000', '0.500'],
  );
  t.true(rows[0]!.startsWith('"lead"') && rows[1]!.startsWith('"aside"'));
  t.deepEqual([levelUp(0), levelUp(1)], ['1 level up', '2 levels up']);
  t.deepEqual(strictMeanings(2), [
    "1 level up: the nearest image of another class shares the query's ancestor 1 level up in the class tree",
    "2 levels up: of the images with a different ancestor 1 level up, the nearest one shares the query's ancestor 2 levels up in the class tree",
  ]);
});
