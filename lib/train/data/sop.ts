import path from 'node:path';
import type { Dataset, Split } from './dataset.ts';
import { badLine, complete, locate, type Published, readLines } from './published.ts';
import { regrouped } from './split.ts';

const about: Published = {
  name: 'Stanford Online Products',
  archives: 'Stanford_Online_Products.zip',
  ks: [1, 10, 100, 1000],
  folders: ['Stanford_Online_Products'],
  layout: 'Ebay_train.txt, Ebay_test.txt and the folders bicycle_final to toaster_final',
};

/** The split of the authors, which is class-disjoint: 11,318 products to train on, 11,316 others to test on. */
export async function sop(root: string): Promise<Dataset> {
  const folder = await locate(about, root, 'Ebay_train.txt');
  return complete(
    about,
    {
      root: folder,
      train: await readList(folder, 'Ebay_train.txt'),
      test: await readList(folder, 'Ebay_test.txt'),
    },
    { train: { pictures: 59_551, classes: 11_318 }, test: { pictures: 60_502, classes: 11_316 } },
  );
}

/** A heading, then lines of `image_id class_id super_class_id path`. */
async function readList(folder: string, file: string): Promise<Split> {
  const [heading, ...lines] = await readLines(about, folder, file);
  if (!heading?.startsWith('image_id'))
    throw badLine(file, heading ?? '', 'the heading image_id class_id ...');
  const pictures = lines.map((line) => {
    const match = /^\s*\d+\s+(\d+)\s+\d+\s+(\S.*?)\s*$/.exec(line);
    if (match === null) throw badLine(file, line, 'image_id class_id super_class_id path');
    return { path: path.join(folder, match[2]!), group: Number(match[1]) };
  });
  const ids = [...new Set(pictures.map(({ group }) => group))].sort((a, b) => a - b);
  return regrouped(pictures, ids, String);
}
