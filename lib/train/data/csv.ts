import path from 'node:path';
import { coded } from '../../errors.ts';
import { extensions, isImageName } from '../../image/formats.ts';
import { readText } from '../../io/text.ts';
import { reasonOf } from '../../io/trouble.ts';
import { parseCsv } from './csv-parser.ts';
import { IgnoredFiles } from './ignored-files.ts';
import { groupsOf, regrouped, singleImageWarnings, usualKs } from './split.ts';
import type { Dataset, DatasetRecord, Split } from './types.ts';

const splitNames = ['train', 'test', 'query', 'gallery'];
const example = 'path,label,split';

interface Row {
  path: string;
  group: string;
  split: string | undefined;
}

export const csv: DatasetRecord = {
  name: 'csv',
  description: 'a list of images; without a split column, the first half of the labels is for training',
  path: `a file whose header is path,label or path,label,split (${splitNames.slice(0, -1).join(', ')} or ${splitNames.at(-1)})`,
  open,
};

/**
 * Opens a list of images: a CSV file with the columns `path` (relative to the file), `label` and optionally `split`
 * (train, test, query or gallery). Without `split`, the first half of the labels is for training, the rest for testing.
 *
 * @throws `ERR_HOROBALL_DATA_READ` or `ERR_HOROBALL_DATA_LAYOUT`
 */
async function open(root: string): Promise<Dataset> {
  const file = path.resolve(root);
  const text = await readText(file).catch((cause: NodeJS.ErrnoException) => {
    const message = `[data] path: expected a CSV file that starts with ${example}, got ${file} (${reasonOf(cause)})`;
    throw Object.assign(coded('ERR_HOROBALL_DATA_READ', message), { cause });
  });
  const ignored = new IgnoredFiles();
  const rows = rowsOf(parseCsv(text, file), file).filter((row) => isListed(row, ignored));
  if (rows.length === 0) throw layout(file, `images (${[...extensions].join(' ')})`, 'none');
  const splits = rows.some(({ split }) => split !== undefined) ? named(rows, file) : halved(rows, file);
  return {
    name: 'csv',
    root: path.dirname(file),
    ...splits,
    ks: usualKs,
    warnings: [...ignored.warnings, ...singleImageWarnings(splits)],
  };
}

/** Filters by extension as folders do, but accepts files without one: a list names its files explicitly. */
function isListed({ path: file }: Row, ignored: IgnoredFiles): boolean {
  if (path.extname(file) === '' || isImageName(file)) return true;
  ignored.add(file);
  return false;
}

function rowsOf([heading = [], ...lines]: string[][], file: string): Row[] {
  const column = (name: string): number => heading.findIndex((each) => each.trim().toLowerCase() === name);
  const [at, label, split] = [column('path'), column('label'), column('split')];
  if (at < 0 || label < 0)
    throw layout(file, 'the columns path and label', `the heading '${heading.join(',').slice(0, 80)}'`);
  return lines.map((line, i) => {
    const row = {
      path: line[at]?.trim(),
      group: line[label]?.trim(),
      split: split < 0 ? undefined : line[split]?.trim(),
    };
    if (!row.path || !row.group) throw layout(file, `a path and a label in row ${i + 1}`, 'an empty field');
    if (split >= 0 && !splitNames.includes(row.split ?? '')) {
      throw layout(
        file,
        `one of the splits ${splitNames.join(', ')} in row ${i + 1}`,
        `'${row.split ?? ''}'`,
      );
    }
    return { path: path.resolve(path.dirname(file), row.path), group: row.group, split: row.split };
  });
}

function named(rows: Row[], file: string): Pick<Dataset, 'train' | 'test' | 'gallery'> {
  const among = (...wanted: readonly string[]): Row[] => rows.filter(({ split }) => wanted.includes(split!));
  const [train, test, gallery] = [among('train'), among('test', 'query'), among('gallery')];
  if (train.length === 0 || test.length === 0)
    throw layout(file, 'rows of both splits, train and test', `${train.length} and ${test.length}`);
  const tested = groupsOf([...test, ...gallery]);
  const splits = { train: splitOf(train, groupsOf(train)), test: splitOf(test, tested) };
  return gallery.length === 0 ? splits : { ...splits, gallery: splitOf(gallery, tested) };
}

function halved(rows: Row[], file: string): Pick<Dataset, 'train' | 'test'> {
  const labels = groupsOf(rows);
  if (labels.length < 2) throw layout(file, 'two or more labels', String(labels.length));
  const half = Math.floor(labels.length / 2);
  return { train: splitOf(rows, labels.slice(0, half)), test: splitOf(rows, labels.slice(half)) };
}

function splitOf(rows: Row[], labels: string[]): Split {
  return regrouped(rows, labels, String);
}

function layout(file: string, expected: string, got: string): Error {
  const message = `[data] ${file}: expected ${expected}, got ${got}. Start the list with ${example}.`;
  return coded('ERR_HOROBALL_DATA_LAYOUT', message);
}
