// Miniature data sets in the four published formats, with cases that are easy to misread: hidden files, a gray image, names
// with spaces, lists without a final line break or with Windows line endings.

import { loadSharp } from '../../../lib/io/sharp.ts';
import { MatWriter } from '../../io/mat-writer.ts';
import { encodedImage, writeTree } from './support.ts';

/** Number of images per class in every data set. */
export const perClass = 3;

async function grayImage(): Promise<Buffer> {
  const sharp = await loadSharp();
  return sharp({ create: { width: 30, height: 40, channels: 3, background: '#777' } })
    .toColorspace('b-w')
    .jpeg()
    .toBuffer();
}

/** Writes four classes below CUB_200_2011; the first image of each is gray. */
export async function makeCub(root: string): Promise<void> {
  const classes = [
    '001.Black_footed Albatross',
    '002.Laysan_Albatross',
    '101.White_Pelican',
    '102.Western_Wood_Pewee',
  ];
  const files: Record<string, Buffer | string> = { 'images/._junk': '', 'images/.DS_Store': '' };
  const lists: Record<string, string[]> = { images: [], image_class_labels: [], train_test_split: [] };
  let id = 0;
  for (const [label, name] of classes.entries()) {
    for (let i = 0; i < perClass; i++) {
      const file = `${name}/Bird ${i} 00${label}.jpg`;
      files[`images/${file}`] = i === 0 ? await grayImage() : await encodedImage(10 * label + i);
      files[`images/${name}/._Bird ${i} 00${label}.jpg`] = 'not an image';
      id++;
      lists['images']!.push(`${id} ${file}`);
      lists['image_class_labels']!.push(`${id} ${label + 1}`);
      lists['train_test_split']!.push(`${id} ${i === 0 ? 0 : 1}`);
    }
  }
  for (const [name, lines] of Object.entries(lists)) files[`${name}.txt`] = lines.join('\n'); // no final line break
  await writeTree(`${root}/CUB_200_2011`, files);
}

/** Writes four classes, annotated out of order. */
export async function makeCars(root: string): Promise<void> {
  const files: Record<string, Buffer> = {};
  const annotations = [];
  for (let i = 0; i < 4 * perClass; i++) {
    const name = `car_ims/${String(i + 1).padStart(6, '0')}.jpg`;
    files[name] = i === 0 ? await grayImage() : await encodedImage(i);
    const box = { bbox_x1: 1, bbox_y1: 2, bbox_x2: 3, bbox_y2: 4 };
    annotations.push({ relative_im_path: name, ...box, class: 4 - (i % 4), test: i < 4 ? 1 : 0 });
  }
  const names = ['AM General Hummer SUV 2000', 'Acura RL Sedan 2012', 'Ram C/V Cargo Van', 'Geo Metro'];
  files['cars_annos.mat'] = new MatWriter().file({ annotations, class_names: names }, { compress: true });
  files['car_ims/._000001.jpg'] = Buffer.from('junk');
  await writeTree(root, files);
}

/** Writes two training and two test classes, with Windows line endings and a path that contains a space. */
export async function makeSop(root: string): Promise<void> {
  const heading = 'image_id class_id super_class_id path';
  const lists: Record<string, string[]> = { train: [heading], test: [heading] };
  const files: Record<string, Buffer | string> = {};
  for (let i = 0; i < 4 * perClass; i++) {
    const id = 1 + Math.floor(i / perClass);
    const name = `bicycle_final/11108547${id} ${i}.JPG`;
    files[name] = i === 1 ? await grayImage() : await encodedImage(i);
    lists[id <= 2 ? 'train' : 'test']!.push(`${i + 1} ${id + 11_300} 1 ${name}`);
  }
  for (const [part, lines] of Object.entries(lists)) files[`Ebay_${part}.txt`] = lines.join('\r\n');
  await writeTree(`${root}/Stanford_Online_Products`, files);
}

/** Writes two training items and two others. Of each of the others, one image is a query, and the rest are in the gallery. */
export async function makeInshop(root: string): Promise<void> {
  const files: Record<string, Buffer | string> = {};
  const lines = [String(4 * perClass), 'image_name item_id evaluation_status'];
  for (let i = 0; i < 4 * perClass; i++) {
    const item = 1 + Math.floor(i / perClass);
    const id = `id_0000000${item === 4 ? 10 : item}`;
    const name = `img/WOMEN/Tees_Tanks/${id}/0${i}_1_front side.jpg`;
    files[`Img/${name}`] = i === 2 ? await grayImage() : await encodedImage(i);
    const part = item <= 2 ? 'train' : i % perClass === 0 ? 'query' : 'gallery';
    lines.push(`${name.padEnd(70)} ${id.padEnd(15)} ${part}`);
  }
  files['Eval/list_eval_partition.txt'] = lines.join('\n');
  await writeTree(root, files);
}
