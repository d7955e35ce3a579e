import path from 'node:path';
import { halves, readClasses } from './folder.ts';
import { IgnoredFiles } from './ignored-files.ts';
import { badLine, firstOf, locate, type Published, published, readLines } from './published.ts';
import type { DatasetRecord, Sample, Split } from './types.ts';

const about: Published = {
  name: 'CUB-200-2011',
  archives: 'CUB_200_2011.tgz (Caltech-UCSD Birds 200-2011)',
  ks: [1, 2, 4, 8, 16, 32],
  folders: ['CUB_200_2011'],
  layout: 'CUB_200_2011/images/001.Black_footed_Albatross/*.jpg and so on',
};

/** CUB-200-2011 with the split used in deep metric learning: training and test classes are disjoint. */
export const cub: DatasetRecord = published(about, {
  name: 'CUB',
  description: 'CUB-200-2011; the first 100 classes for training, the others for testing',
  counts: { train: { images: 5864, classes: 100 }, test: { images: 5924, classes: 100 } },
  read: async (root) => {
    const folder = await locate(about, root, 'images');
    const images = path.join(folder, 'images');
    const ignored = new IgnoredFiles();
    const splits = halves(await readClasses(images, ignored), images);
    return { root: folder, ...splits, warnings: ignored.warnings };
  },
});

/** CUB-200-2011 with its authors' split for classification (train_test_split.txt). */
export const cubOfficial: DatasetRecord = published(about, {
  name: 'CUB-official',
  description: "CUB-200-2011 with its authors' split; all 200 classes in both splits",
  counts: { train: { images: 5994, classes: 200 }, test: { images: 5794, classes: 200 } },
  read: readOfficial,
});

async function readOfficial(root: string): Promise<{ root: string; train: Split; test: Split }> {
  const folder = await locate(about, root, 'train_test_split.txt');
  const images = await firstOf(about, folder, ['images']);
  const names = await readTable(folder, 'images.txt');
  const labels = await readTable(folder, 'image_class_labels.txt');
  const training = await readTable(folder, 'train_test_split.txt');
  const classes = [...new Set([...names.values()].map((name) => name.split('/', 1)[0]!))].sort();
  const splits: [test: Sample[], train: Sample[]] = [[], []];
  for (const [id, name] of names) {
    const label = Number(labels.get(id)) - 1;
    const side = training.get(id);
    if (!(Number.isInteger(label) && label >= 0 && label < classes.length))
      throw badLine('image_class_labels.txt', `${id} ${labels.get(id)}`, 'a class');
    if (side !== '0' && side !== '1') throw badLine('train_test_split.txt', `${id} ${side}`, '0 or 1');
    splits[Number(side) as 0 | 1].push({ path: path.join(images, name), label });
  }
  const split = (samples: Sample[]): Split => ({ classes, samples });
  return { root: folder, train: split(splits[1]), test: split(splits[0]) };
}

/** Reads lines that contain an id and a value; returns the values by id. A value may contain spaces. */
async function readTable(folder: string, file: string): Promise<Map<string, string>> {
  const rows = (await readLines(about, folder, file)).map((line) => {
    const match = /^(\d+)\s+(\S.*)$/.exec(line.trimEnd());
    if (match === null) throw badLine(file, line, 'a number and a value');
    return [match[1]!, match[2]!] as const;
  });
  return new Map(rows);
}
