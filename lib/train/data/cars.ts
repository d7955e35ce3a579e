import path from 'node:path';
import { runSteps } from '../../call/run.ts';
import { coded } from '../../errors.ts';
import { readMat } from '../../io/mat.ts';
import type { MatValue } from '../../io/mat-values.ts';
import { locate, type Published, published } from './published.ts';
import { distinct, groupOf, regrouped } from './split.ts';
import type { DatasetRecord, Split } from './types.ts';

const about: Published = {
  name: 'Cars-196',
  archives: 'car_ims.tgz and cars_annos.mat (Stanford Cars)',
  ks: [1, 2, 4, 8, 16, 32],
  folders: ['cars196', 'CARS_196', 'Cars196', 'CARS196', 'cars'],
  layout: 'cars_annos.mat and car_ims/000001.jpg and so on',
};

/** Cars-196 with the split used in deep metric learning: training and test classes are disjoint. */
export const cars: DatasetRecord = published(about, {
  name: 'Cars',
  description: 'Cars-196; the first 98 classes for training, the others for testing',
  counts: { train: { images: 8054, classes: 98 }, test: { images: 8131, classes: 98 } },
  read: async (root) => {
    const { folder, annotations, ids, names } = await readAnnotations(root);
    const half = Math.floor(ids.length / 2);
    return {
      root: folder,
      train: await splitOf(folder, annotations, ids.slice(0, half), names),
      test: await splitOf(folder, annotations, ids.slice(half), names),
    };
  },
});

/** Cars-196 with its authors' split for classification: training and test images of all classes. */
export const carsOfficial: DatasetRecord = published(about, {
  name: 'Cars-official',
  description: "Cars-196 with its authors' split; all 196 classes in both splits",
  counts: { train: { images: 8144, classes: 196 }, test: { images: 8041, classes: 196 } },
  read: async (root) => {
    const { folder, annotations, ids, names } = await readAnnotations(root);
    const side = (test: boolean): Promise<Split> => {
      const chosen = annotations.filter((each) => each.test === test);
      return splitOf(folder, chosen, ids, names);
    };
    return { root: folder, train: await side(false), test: await side(true) };
  },
});

interface Annotation {
  file: string;
  /** Class number, from 1. */
  id: number;
  test: boolean;
}

function splitOf(
  folder: string,
  annotations: Annotation[],
  ids: number[],
  names: readonly string[],
): Promise<Split> {
  const images = annotations.map(({ file, id }) => ({ path: path.join(folder, file), group: groupOf(id) }));
  const groups = ids.map(groupOf);
  return runSteps('data', undefined, () =>
    regrouped(images, groups, (group, label) => names[ids[label]! - 1] ?? group),
  );
}

interface Annotations {
  folder: string;
  annotations: Annotation[];
  /** Class numbers in ascending order. */
  ids: number[];
  names: string[];
}

async function readAnnotations(root: string): Promise<Annotations> {
  const folder = await locate(about, root, 'cars_annos.mat');
  const file = path.join(folder, 'cars_annos.mat');
  const variables = await readMat(file);
  const table = variables.get('annotations');
  if (table?.kind !== 'struct') throw unexpected(file, 'no struct named annotations');
  const annotations = table.elements.map((row) => ({
    file: text(file, row.get('relative_im_path')),
    id: classNumber(file, row.get('class')),
    test: number(file, row.get('test')) !== 0,
  }));
  const names = variables.get('class_names');
  return {
    folder,
    annotations,
    ids: distinct(annotations.map(({ id }) => id)),
    names: names?.kind === 'cell' ? names.cells.map((name) => text(file, name)) : [],
  };
}

function text(file: string, value: MatValue | undefined): string {
  if (value?.kind !== 'text') throw unexpected(file, 'a value that is not text');
  return value.rows[0] ?? '';
}

function number(file: string, value: MatValue | undefined): number {
  if (value?.kind !== 'numbers' || value.real.length !== 1) {
    throw unexpected(file, 'a value that is not a number');
  }
  return Number(value.real[0]);
}

function classNumber(file: string, value: MatValue | undefined): number {
  const id = number(file, value);
  if (!Number.isSafeInteger(id)) throw unexpected(file, `the class ${id}`);
  return id;
}

function unexpected(file: string, what: string): Error {
  return coded(
    'ERR_HOROBALL_DATA_LAYOUT',
    `[data] ${file}: expected the annotations of Cars-196, got ${what}. Download the file again.`,
  );
}
