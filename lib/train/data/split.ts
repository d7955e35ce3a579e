/** What every data set does with its classes once they are listed. */
import type { Dataset, Split } from './dataset.ts';

/** The k of Recall@k where nobody has published any. */
export const usualKs: readonly number[] = [1, 2, 4, 8];

/** The split of the classes with index `from` up to `to`, with labels counted from 0 again. */
export function classRange(all: Split, from: number, to: number): Split {
  const samples = all.samples
    .filter(({ label }) => label >= from && label < to)
    .map(({ path, label }) => ({ path, label: label - from }));
  const part: Split = { classes: all.classes.slice(from, to), samples };
  return all.parents === undefined ? part : { ...part, parents: all.parents.slice(from, to) };
}

/**
 * What a person should know about classes of a single picture: in training it stands in for every view, in the
 * test it has nothing to be found by. (With a gallery, queries are found there instead.)
 */
export function singlePictureWarnings({
  train,
  test,
  gallery,
}: Pick<Dataset, 'train' | 'test' | 'gallery'>): string[] {
  const warnings = [];
  const few = singles(train);
  if (few.length > 0) {
    warnings.push(
      `${count(few, 'training class')} with one picture, which is drawn again for every view: ${list(few)}`,
    );
  }
  const lone = gallery === undefined ? singles(test) : [];
  if (lone.length > 0) {
    warnings.push(`${count(lone, 'test class')} with one picture, which counts as a miss: ${list(lone)}`);
  }
  return warnings;
}

function singles({ classes, samples }: Split): string[] {
  const counts = new Uint32Array(classes.length);
  for (const { label } of samples) counts[label]!++;
  return classes.filter((_, i) => counts[i] === 1);
}

function count(names: string[], what: string): string {
  return names.length === 1 ? `1 ${what}` : `${names.length} ${what}es`;
}

/** The first ten names; a data set can have thousands. */
function list(names: string[]): string {
  const shown = names.slice(0, 10).join(', ');
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown;
}

/** The groups of some pictures in their natural order: 2 before 10. */
export function groupsOf(pictures: readonly { group: string }[]): string[] {
  const natural = new Intl.Collator('en', { numeric: true });
  return [...new Set(pictures.map(({ group }) => group))].sort(natural.compare);
}

/** The split of some groups, in the order given; pictures of other groups are left out. */
export function regrouped<G>(
  pictures: readonly { path: string; group: G }[],
  groups: readonly G[],
  name: (group: G) => string,
): Split {
  const labels = new Map(groups.map((group, label) => [group, label]));
  const samples = pictures.flatMap(({ path, group }) => {
    const label = labels.get(group);
    return label === undefined ? [] : [{ path, label }];
  });
  return { classes: groups.map(name), samples };
}
