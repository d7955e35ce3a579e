/** The CSV lists of the data set: one per benchmark (split by emoji or by subgroup), and one for additional images. */
import { random, shuffle } from '../../../random.ts';

/** Folders for the benchmark images and for the images of additional sets. */
export const parts = ['images', 'extra'] as const;

/** An image of the data set. */
export interface Image {
  part: (typeof parts)[number];
  /** Path relative to the data set's folder, with slashes. */
  path: string;
  /** `group/subgroup/emoji`. */
  label: string;
  /** Id of the set of drawings, such as `noto`. */
  set: string;
  codepoints: string;
}

/** File names of the lists; `horoball train --ds csv` reads any of them. */
export const listNames = {
  emoji: 'emoji.csv',
  subgroups: 'emoji-subgroups.csv',
  extra: 'extra.csv',
} as const;

/** Returns the text of each list. Images of additional sets have a separate list, which no benchmark uses. */
export function emojiLists(images: readonly Image[], seed: number): Record<string, string> {
  const benchmark = images.filter(({ part }) => part === 'images');
  const extra = images.filter(({ part }) => part === 'extra');
  const labels = [...new Set(benchmark.map(({ label }) => label))];
  const byEmoji = halfOf(labels, seed);
  const lists: Record<string, string> = {
    [listNames.emoji]: listText(benchmark, byEmoji),
    [listNames.subgroups]: listText(benchmark, wholeSubgroups(labels, seed)),
  };
  if (extra.length > 0) lists[listNames.extra] = listText(extra, byEmoji);
  return lists;
}

/** Returns the training labels: a random half. */
function halfOf(labels: readonly string[], seed: number): Set<string> {
  const shuffled = shuffle(random(seed, 1), [...labels]);
  return new Set(shuffled.slice(0, Math.floor(shuffled.length / 2)));
}

/**
 * Returns the training labels: about half, in complete subgroups. Each subgroup is added to the half that is smaller so far.
 */
function wholeSubgroups(labels: readonly string[], seed: number): Set<string> {
  const subgroups = new Map<string, string[]>();
  for (const label of labels) {
    const subgroup = label.split('/').slice(0, 2).join('/');
    subgroups.set(subgroup, [...(subgroups.get(subgroup) ?? []), label]);
  }
  const train: string[] = [];
  let others = 0;
  for (const subgroup of shuffle(random(seed, 2), [...subgroups.keys()])) {
    const members = subgroups.get(subgroup)!;
    if (train.length <= others) train.push(...members);
    else others += members.length;
  }
  return new Set(train);
}

/** Formats a list. Names only contain letters, digits, hyphens, dots and slashes, so no field needs quotes. */
function listText(images: readonly Image[], train: ReadonlySet<string>): string {
  const rows = images.map(({ path, label, set, codepoints }) =>
    [path, label, train.has(label) ? 'train' : 'test', set, codepoints].join(','),
  );
  return `${['path,label,split,set,codepoints', ...rows].join('\n')}\n`;
}
