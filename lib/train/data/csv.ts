import path from 'node:path';
import { runSteps, type Steps } from '../../call/run.ts';
import { forEach } from '../../call/slices.ts';
import { coded } from '../../errors.ts';
import { extensions, isImageName } from '../../image/formats.ts';
import { reasonOf } from '../../io/file-errors.ts';
import { readText } from '../../io/text.ts';
import { csvRows } from './csv-parser.ts';
import { ancestors, maxDepth } from './folder.ts';
import { IgnoredFiles } from './ignored-files.ts';
import { defaultKs, groupsOf, regrouped, singleImageWarnings } from './split.ts';
import { splitRoles } from './split-folders.ts';
import type { Dataset, DatasetRecord, Split } from './types.ts';

const splitNames = ['train', 'test', 'val', 'query', 'gallery'];
const example = 'path,label,split';

type RowSplit = 'train' | 'test' | 'validation' | 'gallery';

interface Row {
  path: string;
  group: string;
  split: RowSplit | undefined;
  /** The names of the label's ancestors from the top, joined by slashes. */
  tree: string;
  /** The same ancestors, nearest first. Rows with the same tree share one list. */
  parents: string[];
}

export const csv: DatasetRecord = {
  name: 'csv',
  description:
    "a list of images; without a column 'split', the first half of the labels is used for training",
  path: `a file whose header is path,label or path,label,split (${splitNames.slice(0, -1).join(', ')} or ${splitNames.at(-1)}); an optional column 'tree' lists the ancestors of the label, such as family/genus`,
  open,
};

/**
 * Opens a list of images: a CSV file with the columns `path` (relative to the file), `label` and optionally `split` (train,
 * test, query, gallery or val; synonyms as for folders). The split query means test, and val replaces a missing test split.
 * Without `split`, the first half of the labels is for training, the rest for testing. An optional column `tree` has the
 * ancestors of the label in the class tree, from the top, as in `family/genus`.
 *
 * @throws `ERR_HOROBALL_DATA_READ` or `ERR_HOROBALL_DATA_LAYOUT`
 */
async function open(root: string): Promise<Dataset> {
  const file = path.resolve(root);
  const text = await readText(file).catch((cause: NodeJS.ErrnoException) => {
    const message = `[data] path: expected a CSV file that starts with ${example}, got ${file} (${reasonOf(cause)})`;
    throw Object.assign(coded('ERR_HOROBALL_DATA_READ', message), { cause });
  });
  return await runSteps('data', undefined, () => datasetOf(text, file));
}

function* datasetOf(text: string, file: string): Steps<Dataset> {
  const ignored = new IgnoredFiles();
  const rows = yield* rowsOf(text, file, ignored);
  if (rows.length === 0) throw layout(file, `images (${[...extensions].join(' ')})`, 'none');
  const isSplit = rows.some(({ split }) => split !== undefined);
  const { warnings = [], ...splits } = isSplit
    ? yield* splitByColumn(rows, file)
    : { ...(yield* splitByHalves(rows, file)), warnings: [] };
  return {
    name: 'csv',
    root: path.dirname(file),
    ...splits,
    ks: [...defaultKs],
    warnings: [...warnings, ...ignored.warnings, ...singleImageWarnings(splits)],
  };
}

/**
 * Whether a file has an image extension or, because a list names its files explicitly, no extension. Counts any other file
 * as ignored.
 */
function isListed({ path: file }: Row, ignored: IgnoredFiles): boolean {
  if (path.extname(file) === '' || isImageName(file)) return true;
  ignored.add(file);
  return false;
}

interface Columns {
  count: number;
  path: number;
  label: number;
  /** -1 if the column is missing, also for `tree`. */
  split: number;
  tree: number;
}

/**
 * A list may have `freeRows` rows, plus one per `minLength` characters of its text. Without a limit, a damaged list of very
 * short rows would take far more memory than its text, because each row takes about 100 bytes.
 */
const freeRows = 1_000_000;
const minLength = 32;

/** The ancestors of labels without a tree. */
const none: string[] = [];

/** The names of ancestors may have this many characters in total, plus four times the length of the list. */
const freeCharacters = 2 ** 25;

/**
 * Converts values of the column `tree` to lists of ancestors. Limits the total length of the ancestors' names, because the
 * name `a/b/c` repeats the name of its ancestor `a/b`.
 */
class Ancestors {
  readonly #file: string;
  readonly #byTree = new Map([['', none]]);
  readonly #most: number;
  #left: number;

  /** @param textLength - length of the list */
  constructor(file: string, textLength: number) {
    this.#file = file;
    this.#most = freeCharacters + 4 * textLength;
    this.#left = this.#most;
  }

  of(tree: string): string[] {
    const known = this.#byTree.get(tree);
    if (known !== undefined) return known;
    this.#left -= tree.length;
    for (let at = tree.indexOf('/'); at >= 0; at = tree.indexOf('/', at + 1)) this.#left -= at;
    if (this.#left < 0)
      throw layout(
        this.#file,
        `names in the column 'tree' of at most ${this.#most} characters in total, each counted with its ancestors`,
        'more. Shorten the names.',
      );
    const parents = ancestors([...tree.split('/'), '']);
    this.#byTree.set(tree, parents);
    return parents;
  }
}

/** Parses the rows, and omits those that are not images. */
function* rowsOf(text: string, file: string, ignored: IgnoredFiles): Steps<Row[]> {
  const most = freeRows + Math.floor(text.length / minLength);
  const folder = path.dirname(file);
  const labels = new Map<string, Row>(); // rows with the same label share one string
  const trees = new Ancestors(file, text.length);
  const rows: Row[] = [];
  let columns: Columns | undefined;
  yield* forEach(csvRows(text, file), (line, i) => {
    if (columns === undefined) {
      columns = columnsOf(line, file);
      return;
    }
    const row = rowOf(line, columns, file, i);
    if (!isListed(row, ignored)) return;
    if (rows.length === most) throw layout(file, `at most ${most} rows in a file of this size`, 'more');
    const known = labels.get(row.group);
    if (known === undefined) labels.set(row.group, row);
    const { group, tree } = known ?? row;
    if (tree !== row.tree) {
      const [shown, first, other] = [group, tree, row.tree].map((name) => `'${name.slice(0, 80)}'`);
      throw layout(
        file,
        `the same tree in all rows of the label ${shown}`,
        `${first} and, in row ${i}, ${other}`,
      );
    }
    const parents = known?.parents ?? trees.of(tree);
    rows.push(Object.assign(row, { path: path.resolve(folder, row.path), group, tree, parents }));
  });
  if (columns === undefined) columnsOf([], file);
  return rows;
}

function columnsOf(heading: string[], file: string): Columns {
  const column = (name: string): number => heading.findIndex((each) => each.trim().toLowerCase() === name);
  const columns = {
    count: heading.length,
    path: column('path'),
    label: column('label'),
    split: column('split'),
    tree: column('tree'),
  };
  if (columns.path < 0 || columns.label < 0)
    throw layout(
      file,
      "the columns 'path' and 'label'",
      `the heading '${heading.join(',').slice(0, 80)}'. Start the list with ${example}.`,
    );
  return columns;
}

/**
 * Parses a row.
 * @param number - row number, from 1
 */
function rowOf(line: string[], columns: Columns, file: string, number: number): Row {
  // Extra fields come from an unquoted comma in a path, which shifts the label to another column.
  if (line.length > columns.count && line.some((field, i) => i >= columns.count && field.trim() !== ''))
    throw layout(
      file,
      `${columns.count} fields in row ${number}, as in the heading`,
      `${line.length}. Put fields with commas in quotes.`,
    );
  const [where, group] = [line[columns.path]?.trim(), line[columns.label]?.trim()];
  if (!where || !group) throw layout(file, `a path and a label in row ${number}`, 'an empty field');
  const tree = treeOf(line[columns.tree] ?? '', file, number);
  if (columns.split < 0) return { path: where, group, split: undefined, tree, parents: none };
  const given = line[columns.split]?.trim() ?? '';
  const split = splitOfName(given.toLowerCase());
  if (split === undefined)
    throw layout(
      file,
      `one of the splits ${splitNames.join(', ')} in row ${number}`,
      `'${given.slice(0, 80)}'`,
    );
  return { path: where, group, split, tree, parents: none };
}

function splitOfName(name: string): RowSplit | undefined {
  return name === 'gallery' ? name : splitRoles.get(name);
}

/**
 * Normalizes a tree: trims its names, and removes empty ones.
 * @param number - row number, from 1
 */
function treeOf(text: string, file: string, number: number): string {
  if (text === '') return text;
  const names = text.split('/').map((name) => name.trim());
  const kept = names.filter((name) => name !== '');
  if (kept.length < maxDepth) return kept.join('/');
  throw layout(file, `fewer than ${maxDepth} ancestors in row ${number}`, String(kept.length));
}

interface ColumnSplits extends Pick<Dataset, 'train' | 'test' | 'gallery'> {
  warnings: string[];
}

/**
 * Splits the rows by their column `split`. If the list has no test rows, its validation rows are the test split; otherwise
 * they are not used.
 */
function* splitByColumn(rows: Row[], file: string): Steps<ColumnSplits> {
  const among = (wanted: RowSplit): Row[] => rows.filter(({ split }) => split === wanted);
  const [train, listed, validation, gallery] = [
    among('train'),
    among('test'),
    among('validation'),
    among('gallery'),
  ];
  const isSubstitute = listed.length === 0;
  const test = isSubstitute ? validation : listed;
  if (train.length === 0 || test.length === 0)
    throw layout(file, 'rows of both splits, train and test', `${train.length} and ${test.length}`);
  const warnings =
    validation.length === 0
      ? []
      : [
          isSubstitute
            ? 'there is no test split, so val is used as the test split'
            : 'the split val is not used',
        ];
  const tested = yield* groupsOf([...test, ...gallery]);
  const splits = {
    train: yield* splitOf(train, yield* groupsOf(train)),
    test: yield* splitOf(test, tested),
    warnings,
  };
  return gallery.length === 0 ? splits : { ...splits, gallery: yield* splitOf(gallery, tested) };
}

function* splitByHalves(rows: Row[], file: string): Steps<Pick<Dataset, 'train' | 'test'>> {
  const labels = yield* groupsOf(rows);
  if (labels.length < 2) throw layout(file, 'two or more labels', String(labels.length));
  const half = Math.floor(labels.length / 2);
  return {
    train: yield* splitOf(rows, labels.slice(0, half)),
    test: yield* splitOf(rows, labels.slice(half)),
  };
}

function* splitOf(rows: Row[], labels: string[]): Steps<Split> {
  const split = yield* regrouped(rows, labels, String);
  if (rows.every(({ tree }) => tree === '')) return split;
  const found = new Map<string, string[]>();
  yield* forEach(rows, ({ group, parents }) => found.set(group, parents));
  const parents: string[][] = [];
  yield* forEach(labels, (label) => parents.push(found.get(label)!));
  return parents.every((names) => names.length === 0) ? split : { ...split, parents };
}

function layout(file: string, expected: string, got: string): Error {
  const message = `[data] ${file}: expected ${expected}, got ${got}`;
  return coded('ERR_HOROBALL_DATA_LAYOUT', message);
}
