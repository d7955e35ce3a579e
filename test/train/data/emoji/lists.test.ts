import test from 'ava';
import { emojiLists, type Image } from '../../../../lib/train/data/emoji/lists.ts';

/** Returns images of `members` emoji per subgroup. Two sets of the benchmark and one other set draw every emoji. */
function images(subgroups: number, members: number): Image[] {
  const list: Image[] = [];
  for (let s = 0; s < subgroups; s++)
    for (let m = 0; m < members; m++)
      for (const set of ['noto', 'twemoji', 'other']) {
        const part = set === 'other' ? 'extra' : 'images';
        const label = `g${s % 3}/s${s}/e${m}`;
        list.push({ part, label, set, path: `${part}/${label}/${set}.png`, codepoints: `${s}-${m}` });
      }
  return list;
}

/** Returns the split and the number of rows of each label in a CSV list. */
function splits(text: string): Map<string, { split: string; rows: number }> {
  const found = new Map<string, { split: string; rows: number }>();
  for (const line of text.trim().split('\n').slice(1)) {
    const [, label = '', split = ''] = line.split(',');
    const rows = (found.get(label)?.rows ?? 0) + 1;
    found.set(label, { split, rows });
  }
  return found;
}

const train = (list: ReturnType<typeof splits>): string[] =>
  [...list].filter(([, { split }]) => split === 'train').map(([label]) => label);

test('half of the emoji, with all of their images, are for training', (t) => {
  const { 'emoji.csv': text = '' } = emojiLists(images(5, 3), 42);
  t.true(text.startsWith('path,label,split,set,codepoints\nimages/g0/s0/e0/noto.png,g0/s0/e0,'));
  const list = splits(text);
  t.is(list.size, 15);
  t.is(train(list).length, 7);
  t.true([...list.values()].every(({ rows }) => rows === 2));
});

test('the subgroup split keeps subgroups together, in halves that differ by at most one subgroup', (t) => {
  for (const seed of [1, 2, 3, 4]) {
    const list = splits(emojiLists(images(9, 4), seed)['emoji-subgroups.csv']!);
    const subgroups = new Map<string, Set<string>>();
    for (const [label, { split }] of list) {
      const subgroup = label.slice(0, label.lastIndexOf('/'));
      subgroups.set(subgroup, (subgroups.get(subgroup) ?? new Set()).add(split));
    }
    t.true([...subgroups.values()].every((found) => found.size === 1));
    const trained = train(list).length;
    t.true(Math.abs(trained - (list.size - trained)) <= 4, `${trained} of ${list.size}`);
  }
});

test('the same seed gives the same lists; another seed gives other splits', (t) => {
  const list = images(6, 4);
  t.deepEqual(emojiLists(list, 42), emojiLists(list, 42));
  const [one, other] = [emojiLists(list, 42), emojiLists(list, 43)];
  for (const name of ['emoji.csv', 'emoji-subgroups.csv']) t.not(one[name], other[name], name);
});

test('images of further sets are in a separate list, with the split of their class', (t) => {
  const { 'extra.csv': extra = '', 'emoji.csv': benchmark = '' } = emojiLists(images(3, 2), 42);
  const own = splits(benchmark);
  for (const [label, { split, rows }] of splits(extra))
    t.deepEqual([split, rows], [own.get(label)!.split, 1]);
  t.false(benchmark.includes('other.png'));
  const only = images(3, 2).filter(({ part }) => part === 'images');
  t.deepEqual(Object.keys(emojiLists(only, 42)), ['emoji.csv', 'emoji-subgroups.csv']);
});
