import path from 'node:path';
import { runSteps } from '../../call/run.ts';
import { badLine, locate, type Published, published, readLines } from './published.ts';
import { distinct, groupOf, regrouped } from './split.ts';
import type { DatasetRecord, Split } from './types.ts';

const about: Published = {
  name: 'Stanford Online Products',
  archives: 'Stanford_Online_Products.zip',
  ks: [1, 10, 100, 1000],
  folders: ['Stanford_Online_Products'],
  layout: 'Ebay_train.txt, Ebay_test.txt and the folders bicycle_final to toaster_final',
};

export const sop: DatasetRecord = published(about, {
  name: 'SOP',
  description: "Stanford Online Products with its authors' class-disjoint split",
  counts: { train: { images: 59_551, classes: 11_318 }, test: { images: 60_502, classes: 11_316 } },
  read: async (root) => {
    const folder = await locate(about, root, 'Ebay_train.txt');
    return {
      root: folder,
      train: await readList(folder, 'Ebay_train.txt'),
      test: await readList(folder, 'Ebay_test.txt'),
    };
  },
});

/** Parses a header, then lines of `image_id class_id super_class_id path`. */
async function readList(folder: string, file: string): Promise<Split> {
  const [heading, ...lines] = await readLines(about, folder, file);
  if (!heading?.startsWith('image_id'))
    throw badLine(file, heading ?? '', 'the header image_id class_id ...');
  const images = lines.map((line) => {
    const match = /^\d+\s+(\d+)\s+\d+\s+(\S.*)$/.exec(line.trim());
    if (match === null) throw badLine(file, line, 'image_id class_id super_class_id path');
    return { path: path.join(folder, match[2]!), id: Number(match[1]) };
  });
  const ids = distinct(images.map(({ id }) => id));
  const grouped = images.map(({ path, id }) => ({ path, group: groupOf(id) }));
  return await runSteps('data', undefined, () =>
    regrouped(grouped, ids.map(groupOf), (_, label) => String(ids[label])),
  );
}
