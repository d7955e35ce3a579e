import path from 'node:path';
import type { Dataset, Sample, Split } from './dataset.ts';
import { halves, readClasses } from './folder.ts';
import { badLine, complete, firstOf, locate, type Published, readLines } from './published.ts';

const about: Published = {
  name: 'CUB-200-2011',
  archives: 'CUB_200_2011.tgz (Caltech-UCSD Birds 200-2011)',
  ks: [1, 2, 4, 8, 16, 32],
  folders: ['CUB_200_2011'],
  layout: 'CUB_200_2011/images/001.Black_footed_Albatross/*.jpg and so on',
};

/** The split of deep metric learning: the first 100 of the class folders to train on, the others to test on. */
export async function cub(root: string): Promise<Dataset> {
  const folder = await locate(about, root, 'images');
  const images = path.join(folder, 'images');
  return complete(
    about,
    { root: folder, ...halves(await readClasses(images), images) },
    {
      train: { pictures: 5864, classes: 100 },
      test: { pictures: 5924, classes: 100 },
    },
  );
}

/** The split of the authors (train_test_split.txt): all 200 classes on both sides, for classification. */
export async function cubOfficial(root: string): Promise<Dataset> {
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
    if (!(label >= 0 && label < classes.length))
      throw badLine('image_class_labels.txt', `${id} ${labels.get(id)}`, 'a class');
    if (side !== '0' && side !== '1') throw badLine('train_test_split.txt', `${id} ${side}`, '0 or 1');
    splits[Number(side) as 0 | 1].push({ path: path.join(images, name), label });
  }
  const split = (samples: Sample[]): Split => ({ classes, samples });
  return complete(
    about,
    { root: folder, train: split(splits[1]), test: split(splits[0]) },
    {
      train: { pictures: 5994, classes: 200 },
      test: { pictures: 5794, classes: 200 },
    },
  );
}

/** Lines of an id and a value, by id; the value may have spaces. */
async function readTable(folder: string, file: string): Promise<Map<string, string>> {
  const rows = (await readLines(about, folder, file)).map((line) => {
    const match = /^(\d+)\s+(\S.*?)\s*$/.exec(line);
    if (match === null) throw badLine(file, line, 'a number and a value');
    return [match[1]!, match[2]!] as const;
  });
  return new Map(rows);
}
