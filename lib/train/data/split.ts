/** Functions on splits, shared by several data sets. */
import type { Steps } from '../../call/run.ts';
import { forEach, range, sorted } from '../../call/slices.ts';
import { checkObject, checkText, integer, itemsOf } from '../../check.ts';
import { quoted, shapeError, typeError } from '../../errors.ts';
import type { Dataset, Sample, Split } from './types.ts';

/**
 * Validates a split from a caller.
 * @returns a copy; each property of `split` is read once
 * @throws TypeError `ERR_HOROBALL_TYPE`, RangeError `ERR_HOROBALL_RANGE` or RangeError `ERR_HOROBALL_SHAPE`
 */
export function checkSplit(operation: string, split: Split): Split {
  const { classes, samples, parents, levels } = checkObject(operation, split, 'split');
  for (const [name, list] of Object.entries({
    classes,
    samples,
    parents: parents ?? [],
    levels: levels ?? [],
  }))
    if (!Array.isArray(list)) throw typeError(operation, name, 'a list', quoted(list));
  const texts = (name: string, list: readonly string[]): string[] => {
    if (!Array.isArray(list)) throw typeError(operation, name, 'a list', quoted(list));
    return Array.from(itemsOf(operation, name, 'a list', list), (text) => checkText(operation, name, text));
  };
  const names = texts('classes', classes);
  const copies = Array.from(itemsOf(operation, 'samples', 'a list', samples), (sample) => {
    const { path, label } = checkObject(operation, sample, 'samples');
    checkText(operation, 'path', path);
    return { path, label: integer(operation, 'label', label, 0, names.length - 1) };
  });
  const lists = itemsOf(operation, 'parents', 'a list', parents ?? []);
  const ancestors = Array.from(lists, (list) => texts('parents', list));
  if (ancestors.length > 0 && ancestors.length !== names.length)
    throw shapeError(operation, 'parents', `${names.length} lists, one per class`, String(ancestors.length));
  return {
    classes: names,
    samples: copies,
    ...(parents && { parents: ancestors }),
    ...(levels && { levels: texts('levels', levels) }),
  };
}

/** Default values of k in Recall@k, for data sets without a published protocol. */
export const defaultKs: readonly number[] = [1, 2, 4, 8];

/** Returns the split of classes `from` to `to` - 1, relabeled from 0. */
export function classRange(all: Split, from: number, to: number): Split {
  const samples = all.samples
    .filter(({ label }) => label >= from && label < to)
    .map(({ path, label }) => ({ path, label: label - from }));
  const part: Split = { classes: all.classes.slice(from, to), samples };
  return all.parents === undefined ? part : { ...part, parents: all.parents.slice(from, to) };
}

/**
 * Warns about classes with a single image. In training, all views are crops of this image; in the test split, the image
 * counts as a miss, unless there is a gallery.
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
      `${count(few, 'training class')} only one image, which is used for every view: ${list(few)}`,
    );
  }
  const lone = gallery === undefined ? singles(test) : [];
  if (lone.length > 0) {
    warnings.push(`${count(lone, 'test class')} only one image, which counts as a miss: ${list(lone)}`);
  }
  return warnings;
}

function singles({ classes, samples }: Split): string[] {
  const counts = new Uint32Array(classes.length);
  for (const { label } of samples) counts[label]!++;
  return classes.filter((_, i) => counts[i] === 1);
}

function count(names: string[], what: string): string {
  return names.length === 1 ? `1 ${what} has` : `${names.length} ${what}es have`;
}

/** Lists the first ten names and the number of the remaining ones. */
function list(names: string[]): string {
  const shown = names.slice(0, 10).join(', ');
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown;
}

/**
 * Inserts a grapheme joiner after every 30 combining marks, as in the stream-safe text format of Unicode. Collators ignore
 * the joiner, but sort the marks before and after it separately; sorting a long run of marks would take quadratic time.
 */
function streamSafe(name: string): string {
  return name.replace(/\p{M}{30}/gu, '$&\u034f');
}

/** Returns the groups of the images in natural order (2 before 10). */
export function* groupsOf(images: readonly { group: string }[]): Steps<string[]> {
  const found = new Set<string>();
  yield* forEach(images, ({ group }) => found.add(group));
  const groups = [...found];
  const natural = new Intl.Collator('en', { numeric: true });
  const names: string[] = [];
  yield* forEach(groups, (group) => names.push(streamSafe(group)));
  const order = yield* sorted(yield* range(groups.length), (a, b) => natural.compare(names[a]!, names[b]!));
  return Array.from(order, (at) => groups[at]!);
}

/**
 * Returns the group name for a class number. It is a string because V8 hashes numbers without a seed: a file could choose
 * numbers with equal hashes, which would make every lookup in a map slow.
 */
export function groupOf(id: number): string {
  return `class ${id}`;
}

/** Returns the distinct numbers in ascending order, without a hash table; see {@link groupOf}. */
export function distinct(numbers: readonly number[]): number[] {
  return [...Float64Array.from(numbers).sort()].filter((id, i, all) => i === 0 || id !== all[i - 1]);
}

/** Creates a split whose classes are the groups, in the given order. Images of other groups are omitted. */
export function* regrouped(
  images: readonly { path: string; group: string }[],
  groups: readonly string[],
  name: (group: string, label: number) => string,
): Steps<Split> {
  const labels = new Map<string, number>();
  yield* forEach(groups, (group, label) => labels.set(group, label));
  const samples: Sample[] = [];
  yield* forEach(images, ({ path, group }) => {
    const label = labels.get(group);
    if (label !== undefined) samples.push({ path, label });
  });
  return { classes: groups.map(name), samples };
}
