import test from 'ava';
import { folded, recallText, textTable } from '../../lib/cli/table.ts';

const recall = { at: { 1: 0.5, 2: Number.NaN }, strict: [0.25, 0.125], rPrecision: 0.4, mapAtR: 0.3 };

test('the columns of strict recall have the names of the levels of the class tree and are explained', (t) => {
  const lines = recallText([{ name: 'Head', recall }], ['subgroup', 'group']).split('\n');
  t.deepEqual(lines[0]!.split(/ {2,}/), [
    'Values in %',
    'Recall@1',
    'Recall@2',
    'R-Precision',
    'MAP@R',
    'same subgroup',
    'same group',
  ]);
  t.deepEqual(lines[1]!.split(/ {2,}/), ['Head', '50.0', '-', '40.0', '30.0', '25.0', '12.5']);
  t.deepEqual(lines.slice(2), [
    'same subgroup: the nearest image of another class is of the same subgroup',
    'same group: the nearest image of another subgroup is of the same group',
  ]);
});

test('rows with different values of k have the columns of all', (t) => {
  const other = { at: { 1: 0.5, 10: 0.75 }, strict: [] };
  const lines = recallText([
    { name: 'a', recall: { at: { 1: 0.25, 100: 1 }, strict: [] } },
    { name: 'b', recall: other },
  ]).split('\n');
  t.deepEqual(
    lines.map((line) => line.split(/ {2,}/)),
    [
      ['Values in %', 'Recall@1', 'Recall@10', 'Recall@100'],
      ['a', '25.0', '-', '100.0'],
      ['b', '50.0', '75.0', '-'],
    ],
  );
});

test('levels without names are numbered', (t) => {
  const [head] = recallText([{ name: 'Head', recall }]).split('\n');
  t.regex(head!, / {2}1 level up {2}2 levels up$/);
});

test('the first column is aligned left, all others right', (t) => {
  t.is(
    textTable([
      ['a', 'long'],
      ['bcd', '1'],
    ]),
    'a    long\nbcd     1',
  );
});

test('text is wrapped at 80 columns', (t) => {
  const text = Array.from({ length: 40 }, (_, i) => `word${i}`).join(' ');
  const lines = folded(text, 2).split('\n');
  t.true(lines.every((line) => line.length <= 80));
  t.true(lines.slice(1).every((line) => /^ {2}\S/.test(line)));
  t.is(lines.map((line) => line.trim()).join(' '), text);
});

test('a table may have 200,000 rows', (t) => {
  const lines = recallText(Array(200_000).fill({ name: 'Head', recall })).split('\n');
  t.regex(lines[200_000]!, /^Head +50\.0/);
});

test('control characters in cells are escaped before the columns are aligned', (t) => {
  const [first, second] = textTable([
    ['a\x1b[2J\n', '1'],
    ['b', '10'],
  ]).split('\n');
  t.deepEqual([first, second], ['a\\x1b[2J    1', 'b          10']);
});
