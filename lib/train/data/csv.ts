import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { coded } from '../../errors.ts';
import { reasonOf } from '../../io/trouble.ts';
import { parseCsv } from './csv-parser.ts';
import type { Dataset, Split } from './dataset.ts';
import { groupsOf, regrouped, singlePictureWarnings, usualKs } from './split.ts';

const splitNames = ['train', 'test', 'query', 'gallery'];
const example = 'path,label,split';

interface Row {
  path: string;
  group: string;
  split: string | undefined;
}

/**
 * A list of pictures: a CSV file with the columns `path` (from the file's folder) and `label`, and perhaps `split`
 * (train, test, query or gallery). Without `split` the first half of the labels is to train on, the rest to test on.
 *
 * @throws `ERR_HOROBALL_DATA_READ` or `ERR_HOROBALL_DATA_LAYOUT`
 */
export async function csv(root: string): Promise<Dataset> {
  const file = path.resolve(root);
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const message = `${file}: ${reasonOf(cause)}; name a CSV file that starts with ${example}`;
    throw Object.assign(coded('ERR_HOROBALL_DATA_READ', message), { cause });
  });
  const rows = rowsOf(parseCsv(text, file), file);
  const splits = rows.some(({ split }) => split !== undefined) ? named(rows, file) : halved(rows, file);
  return {
    name: 'csv',
    root: path.dirname(file),
    ...splits,
    ks: usualKs,
    warnings: singlePictureWarnings(splits),
  };
}

function rowsOf([heading = [], ...lines]: string[][], file: string): Row[] {
  const column = (name: string): number => heading.findIndex((each) => each.trim().toLowerCase() === name);
  const [at, label, split] = [column('path'), column('label'), column('split')];
  if (at < 0 || label < 0) throw layout(file, 'has no columns path and label');
  return lines.map((line, i) => {
    const row = {
      path: line[at]?.trim(),
      group: line[label]?.trim(),
      split: split < 0 ? undefined : line[split]?.trim(),
    };
    if (!row.path || !row.group) throw layout(file, `has no path or no label in row ${i + 1}`);
    if (split >= 0 && !splitNames.includes(row.split ?? '')) {
      throw layout(
        file,
        `has the split '${row.split ?? ''}' in row ${i + 1}, which is none of ${splitNames.join(', ')}`,
      );
    }
    return { path: path.resolve(path.dirname(file), row.path), group: row.group, split: row.split };
  });
}

function named(rows: Row[], file: string): Pick<Dataset, 'train' | 'test' | 'gallery'> {
  const among = (...wanted: readonly string[]): Row[] => rows.filter(({ split }) => wanted.includes(split!));
  const [train, test, gallery] = [among('train'), among('test', 'query'), among('gallery')];
  if (train.length === 0 || test.length === 0)
    throw layout(file, 'needs rows of both splits, train and test');
  const tested = groupsOf([...test, ...gallery]);
  const splits = { train: splitOf(train, groupsOf(train)), test: splitOf(test, tested) };
  return gallery.length === 0 ? splits : { ...splits, gallery: splitOf(gallery, tested) };
}

function halved(rows: Row[], file: string): Pick<Dataset, 'train' | 'test'> {
  const labels = groupsOf(rows);
  if (labels.length < 2) throw layout(file, 'needs two labels or more: some to train on, others to test on');
  const half = Math.floor(labels.length / 2);
  return { train: splitOf(rows, labels.slice(0, half)), test: splitOf(rows, labels.slice(half)) };
}

function splitOf(rows: Row[], labels: string[]): Split {
  return regrouped(rows, labels, String);
}

function layout(file: string, what: string): Error {
  return coded('ERR_HOROBALL_DATA_LAYOUT', `${file} ${what}; a list starts with ${example}`);
}
