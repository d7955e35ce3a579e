/** Functions on splits that data sets share. */
import { checkObject, checkText, integer } from '../../check.ts';
import { quoted, typeError } from '../../errors.ts';
import type { Dataset, Split } from './types.ts';

/**
 * Checks a split that a caller has made.
 * @returns a copy; each property is read once
 * @throws TypeError `ERR_HOROBALL_TYPE` or RangeError `ERR_HOROBALL_RANGE`
 */
export function checkSplit(operation: string, split: Split): Split {
  const { classes, samples, parents, levels } = checkObject(operation, split, 'split');
  for (const [name, list] of Object.entries({ classes, samples, parents: parents ?? [] }))
    if (!Array.isArray(list)) throw typeError(operation, name, 'a list', quoted(list));
  const names = Array.from(classes, (name) => checkText(operation, 'classes', name));
  const copies = Array.from(samples, (sample) => {
    const { path, label } = checkObject(operation, sample, 'samples');
    checkText(operation, 'path', path);
    return { path, label: integer(operation, 'label', label, 0, names.length - 1) };
  });
  return { classes: names, samples: copies, ...(parents && { parents }), ...(levels && { levels }) };
}

/** The k of Recall@k for data sets without published ones. */
export const usualKs: readonly number[] = [1, 2, 4, 8];

/** The split of classes `from` to `to` - 1, relabeled from 0. */
export function classRange(all: Split, from: number, to: number): Split {
  const samples = all.samples
    .filter(({ label }) => label >= from && label < to)
    .map(({ path, label }) => ({ path, label: label - from }));
  const part: Split = { classes: all.classes.slice(from, to), samples };
  return all.parents === undefined ? part : { ...part, parents: all.parents.slice(from, to) };
}

/**
 * Warnings about classes with a single image. In training, it is used for every view. In the test split it counts as a
 * miss, unless there is a gallery.
 */
export function singleImageWarnings({
  train,
  test,
  gallery,
}: Pick<Dataset, 'train' | 'test' | 'gallery'>): string[] {
  const warnings = [];
  const few = singles(train);
  if (few.length > 0) {
    warnings.push(
      `${count(few, 'training class')} with one image, which is drawn again for every view: ${list(few)}`,
    );
  }
  const lone = gallery === undefined ? singles(test) : [];
  if (lone.length > 0) {
    warnings.push(`${count(lone, 'test class')} with one image, which counts as a miss: ${list(lone)}`);
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

/** The first ten names, and the number of the others. */
function list(names: string[]): string {
  const shown = names.slice(0, 10).join(', ');
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown;
}

/** The groups of the images in natural order: 2 before 10. */
export function groupsOf(images: readonly { group: string }[]): string[] {
  const natural = new Intl.Collator('en', { numeric: true });
  return [...new Set(images.map(({ group }) => group))].sort(natural.compare);
}

/** Makes a split from groups, which become the classes in the given order; images of other groups are omitted. */
export function regrouped<G>(
  images: readonly { path: string; group: G }[],
  groups: readonly G[],
  name: (group: G) => string,
): Split {
  const labels = new Map(groups.map((group, label) => [group, label]));
  const samples = images.flatMap(({ path, group }) => {
    const label = labels.get(group);
    return label === undefined ? [] : [{ path, label }];
  });
  return { classes: groups.map(name), samples };
}
