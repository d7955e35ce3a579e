import path from 'node:path';
import { runSteps, type Steps } from '../../call/run.ts';
import { badLine, firstOf, locate, type Published, published, readLines } from './published.ts';
import { groupsOf, regrouped } from './split.ts';
import type { DatasetRecord, Split } from './types.ts';

const about: Published = {
  name: 'In-shop Clothes Retrieval',
  archives: 'list_eval_partition.txt and img.zip (DeepFashion, In-shop Clothes Retrieval Benchmark)',
  ks: [1, 10, 20, 30, 40, 50],
  folders: ['Inshop_Clothes', 'In-shop', 'Inshop', 'inshop', 'In-shop Clothes Retrieval Benchmark'],
  layout:
    'list_eval_partition.txt (or Eval/list_eval_partition.txt) and img/WOMEN/... (or Img/img/WOMEN/...)',
};
const lists = ['list_eval_partition.txt', 'Eval/list_eval_partition.txt', 'Anno/list_eval_partition.txt'];
const parts = ['train', 'query', 'gallery'] as const;

interface Row {
  path: string;
  group: string;
  part: (typeof parts)[number];
}

/** In-shop Clothes Retrieval with its published split: queries (the test split) and gallery have the same classes. */
export const inshop: DatasetRecord = published(about, {
  name: 'Inshop',
  description: 'In-shop Clothes Retrieval; separate query and gallery images',
  counts: {
    train: { images: 25_882, classes: 3997 },
    test: { images: 14_218, classes: 3985 },
    gallery: { images: 12_612, classes: 3985 },
  },
  read: async (root) => {
    const { folder, file } = await find(root);
    const rows = await readRows(folder, file);
    const among = (...wanted: readonly string[]): Row[] => rows.filter(({ part }) => wanted.includes(part));
    const split = (images: Row[], classes: readonly string[]): Steps<Split> =>
      regrouped(images, classes, String);
    return await runSteps('data', undefined, function* () {
      const tested = yield* groupsOf(among('query', 'gallery'));
      return {
        root: folder,
        train: yield* split(among('train'), yield* groupsOf(among('train'))),
        test: yield* split(among('query'), tested),
        gallery: yield* split(among('gallery'), tested),
      };
    });
  },
});

async function find(root: string): Promise<{ folder: string; file: string }> {
  for (const file of lists.slice(1)) {
    const folder = await locate(about, root, file).catch(() => undefined);
    if (folder !== undefined) return { folder, file };
  }
  return { folder: await locate(about, root, lists[0]!), file: lists[0]! };
}

/** Parses a list: the number of images, a header, then lines of `image_name item_id evaluation_status`. */
async function readRows(folder: string, file: string): Promise<Row[]> {
  const images = path.dirname(await firstOf(about, folder, ['img', 'Img/img']));
  const lines = await readLines(about, folder, file);
  const start = lines.findIndex((line) => line.startsWith('image_name')) + 1;
  if (start === 0) throw badLine(file, lines[0] ?? '', 'the header image_name item_id evaluation_status');
  return lines.slice(start).map((line) => {
    const match = /^(.*\S)\s+(\S+)\s+(train|query|gallery)$/.exec(line.trim());
    if (match === null) throw badLine(file, line, 'image_name item_id train|query|gallery');
    return { path: path.join(images, match[1]!), group: match[2]!, part: match[3] as Row['part'] };
  });
}
