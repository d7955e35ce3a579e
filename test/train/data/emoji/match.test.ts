import test from 'ava';
import { matchClasses, matchExtra } from '../../../../lib/train/data/emoji/match.ts';
import { benchmarkSets, type EmojiSet, extraSets } from '../../../../lib/train/data/emoji/packages.ts';
import type { Drawings, Emoji } from '../../../../lib/train/data/emoji/read.ts';
import type { Drawing } from '../../../../lib/train/data/emoji/svg.ts';

const emoji = (codepoints: string, name: string): Emoji => ({ codepoints, name, group: 'g', subgroup: 's' });

function drawing(body: string, more: Partial<Drawing> = {}): Drawing {
  return { body, left: 0, top: 0, width: 16, height: 16, hFlip: false, vFlip: false, rotate: 0, ...more };
}

/** Returns the drawings of a set with these icons. The name of an icon is also its code points. */
function drawn(icons: Record<string, Drawing>, codepoints: Record<string, string> = {}): Drawings {
  const points = Object.keys(icons).map((name) => [name, name] as const);
  return {
    named: new Map(Object.entries(icons)),
    codepoints: new Map([...points, ...Object.entries(codepoints)]),
  };
}

const [first, second] = benchmarkSets as unknown as [EmojiSet, EmojiSet];

test('a class needs a view of every set, and no view of an earlier emoji', (t) => {
  const list = ['1', '2', '3', '4'].map((point) => emoji(point, `name-${point}`));
  const one = drawn({ 1: drawing('a'), 2: drawing('a'), 3: drawing('c'), 4: drawing('d') });
  const other = drawn({ 1: drawing('A'), 2: drawing('B'), 3: drawing('C') });
  const sets = [
    { set: first, drawings: one },
    { set: second, drawings: other },
  ];
  const { classes, duplicates, incomplete } = matchClasses(list, sets);
  t.deepEqual(
    classes.map(({ label }) => label),
    ['g/s/name-1', 'g/s/name-3'],
  );
  t.deepEqual([duplicates, incomplete], [1, 1]);
  t.deepEqual([...classes[0]!.views.keys()], [first.id, second.id]);
});

test('equal drawings of two sets are views; a rotated drawing is a different one', (t) => {
  const list = [emoji('1', 'left'), emoji('2', 'right')];
  const same = drawn({ 1: drawing('a'), 2: drawing('a', { hFlip: true }) });
  const sets = [
    { set: first, drawings: same },
    { set: second, drawings: same },
  ];
  t.like(matchClasses(list, sets), { duplicates: 0, incomplete: 0 });
  t.is(matchClasses(list, sets).classes.length, 2);
});

test('two emoji with the same name get different labels', (t) => {
  const list = [emoji('1', 'star'), emoji('2', 'star')];
  const sets = [{ set: first, drawings: drawn({ 1: drawing('a'), 2: drawing('b') }) }];
  t.deepEqual(
    matchClasses(list, sets).classes.map(({ label }) => label),
    ['g/s/star', 'g/s/star-2'],
  );
});

test('another set is matched by alias, by name without hyphens, or by the code points of a related set', (t) => {
  const list = [emoji('1', 'bullseye'), emoji('2', 'cow-face'), emoji('3', 'star')];
  const icons = { 1: drawing('a'), 2: drawing('b'), 3: drawing('c') };
  const { classes } = matchClasses(list, [{ set: first, drawings: drawn(icons) }]);
  const extra = (id: string): EmojiSet => extraSets.find((set) => set.id === id)!;
  const bodies = (found: ReturnType<typeof matchExtra>): string[] =>
    [...found].map(([{ emoji }, { body }]) => `${emoji.name} ${body}`);

  const byName = drawn({ 'direct-hit': drawing('hit'), cowface: drawing('cow'), other: drawing('x') });
  t.deepEqual(bodies(matchExtra(classes, extra('emojione'), byName)), ['bullseye hit', 'cow-face cow']);

  const old = drawn({ target: drawing('old'), star: drawing('old star') });
  const related = drawn({}, { 1: 'target' });
  t.deepEqual(bodies(matchExtra(classes, extra('noto-v1'), old, related)), ['bullseye old', 'star old star']);
  t.deepEqual(bodies(matchExtra(classes, extra('noto-v1'), old)), ['star old star'], 'names only');
});
