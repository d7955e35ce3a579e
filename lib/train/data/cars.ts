import path from 'node:path';
import { coded } from '../../errors.ts';
import { type MatValue, readMat } from '../../io/mat.ts';
import type { Dataset, Split } from './dataset.ts';
import { complete, locate, type Published } from './published.ts';
import { regrouped } from './split.ts';

const about: Published = {
  name: 'Cars-196',
  archives: 'car_ims.tgz and cars_annos.mat (Stanford Cars)',
  ks: [1, 2, 4, 8, 16, 32],
  folders: ['cars196', 'CARS_196', 'Cars196', 'CARS196', 'cars'],
  layout: 'cars_annos.mat and car_ims/000001.jpg and so on',
};

/** The split of deep metric learning: the first 98 classes to train on, the others to test on. */
export async function cars(root: string): Promise<Dataset> {
  const { folder, annotations, names } = await readAnnotations(root);
  const ids = [...new Set(annotations.map(({ id }) => id))].sort((a, b) => a - b);
  const half = Math.floor(ids.length / 2);
  return complete(
    about,
    {
      root: folder,
      train: splitOf(folder, annotations, ids.slice(0, half), names),
      test: splitOf(folder, annotations, ids.slice(half), names),
    },
    { train: { pictures: 8054, classes: 98 }, test: { pictures: 8131, classes: 98 } },
  );
}

/** The split of the authors: all 196 classes on both sides, for classification. */
export async function carsOfficial(root: string): Promise<Dataset> {
  const { folder, annotations, names } = await readAnnotations(root);
  const ids = [...new Set(annotations.map(({ id }) => id))].sort((a, b) => a - b);
  const side = (test: boolean): Split =>
    splitOf(
      folder,
      annotations.filter((each) => each.test === test),
      ids,
      names,
    );
  return complete(
    about,
    { root: folder, train: side(false), test: side(true) },
    {
      train: { pictures: 8144, classes: 196 },
      test: { pictures: 8041, classes: 196 },
    },
  );
}

interface Annotation {
  file: string;
  /** From 1. */
  id: number;
  test: boolean;
}

function splitOf(folder: string, annotations: Annotation[], ids: number[], names: readonly string[]): Split {
  const pictures = annotations.map(({ file, id }) => ({ path: path.join(folder, file), group: id }));
  return regrouped(pictures, ids, (id) => names[id - 1] ?? `class ${id}`);
}

async function readAnnotations(
  root: string,
): Promise<{ folder: string; annotations: Annotation[]; names: string[] }> {
  const folder = await locate(about, root, 'cars_annos.mat');
  const file = path.join(folder, 'cars_annos.mat');
  const variables = await readMat(file);
  const table = variables.get('annotations');
  if (table?.kind !== 'struct') throw unexpected(file, 'no struct called annotations');
  const annotations = table.elements.map((row) => ({
    file: text(file, row.get('relative_im_path')),
    id: number(file, row.get('class')),
    test: number(file, row.get('test')) !== 0,
  }));
  const names = variables.get('class_names');
  return {
    folder,
    annotations,
    names: names?.kind === 'cell' ? names.cells.map((name) => text(file, name)) : [],
  };
}

function text(file: string, value: MatValue | undefined): string {
  if (value?.kind !== 'text') throw unexpected(file, 'something else where text is expected');
  return value.rows[0] ?? '';
}

function number(file: string, value: MatValue | undefined): number {
  if (value?.kind !== 'numbers' || value.real.length !== 1) {
    throw unexpected(file, 'something else where a number is expected');
  }
  return Number(value.real[0]);
}

function unexpected(file: string, what: string): Error {
  return coded('ERR_HOROBALL_DATA_LAYOUT', `${file} has ${what}; it is not the annotation file of Cars-196`);
}
