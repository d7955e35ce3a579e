import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { checkDataset } from '../../../lib/train/data/check.ts';
import { type Dataset, openDataset, type Split } from '../../../lib/train/data/dataset.ts';
import { ImageLoader } from '../../../lib/train/data/loader.ts';
import { all, temporary, writeTree } from './support.ts';
import { makeCars, makeCub, makeInshop, makeSop, perClass } from './trees.ts';

/** Class, and the files' names, of every picture. */
function names({ classes, samples }: Split): string[] {
  return samples.map(({ path: file, label }) => `${classes[label]}: ${path.basename(file)}`);
}

function splitsOf({ train, test: unseen, gallery }: Dataset): Split[] {
  return [train, unseen, ...(gallery ? [gallery] : [])];
}

const makers = { CUB: makeCub, Cars: makeCars, SOP: makeSop, Inshop: makeInshop };

for (const [name, make] of Object.entries(makers)) {
  test(`${name}: every picture of a miniature tree is read, and the counts are compared`, async (t) => {
    const root = await temporary(t);
    await make(root);
    const dataset = await openDataset(name, root);
    t.is(
      splitsOf(dataset).reduce((sum, split) => sum + split.samples.length, 0),
      4 * perClass,
    );
    t.deepEqual(
      splitsOf(dataset).map(({ classes }) => classes.length),
      splitsOf(dataset).map(() => 2),
    );
    t.true(dataset.warnings.some((text) => /as published: results do not compare/.test(text)));
    for (const split of splitsOf(dataset)) {
      const loader = new ImageLoader(split, { size: 16, mode: 'eval', seed: 1, strict: true });
      const [batch] = await all(loader.batches([Int32Array.from(split.samples.keys())]));
      t.is(batch!.count, split.samples.length);
    }
    const found = await checkDataset(dataset, { decode: true });
    t.deepEqual(found.unreadable, []);
    t.is(found.splits.train!.pictures, 2 * perClass);
  });

  test(`${name}: a folder without the data set says what to get and how it must look`, async (t) => {
    const root = await temporary(t);
    const error = await t.throwsAsync(openDataset(name, root), { code: 'ERR_HOROBALL_DATA_READ' });
    t.regex(error.message, /has no .*; get .* and unpack so that the folder holds /);
    t.notRegex(error.message, /\n/);
  });
}

test('CUB: halves by folder name; the official split has all classes on both sides', async (t) => {
  const root = await temporary(t);
  await makeCub(root);
  const { train, test: unseen } = await openDataset('cub', path.join(root, 'CUB_200_2011'));
  t.deepEqual(train.classes, ['001.Black_footed Albatross', '002.Laysan_Albatross']);
  t.deepEqual(unseen.classes, ['101.White_Pelican', '102.Western_Wood_Pewee']);
  t.is(names(train)[0], '001.Black_footed Albatross: Bird 0 000.jpg');
  const official = await openDataset('CUB-official', root);
  t.deepEqual(official.train.classes, [...train.classes, ...unseen.classes]);
  t.deepEqual([official.train.samples.length, official.test.samples.length], [8, 4]);
  t.true(official.test.samples.every(({ path: file }) => path.basename(file).startsWith('Bird 0')));
});

test('Cars: classes by their number in cars_annos.mat; the official split by its test flag', async (t) => {
  const root = await temporary(t);
  await makeCars(root);
  const { train, test: unseen } = await openDataset('Cars', root);
  t.deepEqual(train.classes, ['AM General Hummer SUV 2000', 'Acura RL Sedan 2012']);
  t.deepEqual(unseen.classes, ['Ram C/V Cargo Van', 'Geo Metro']);
  t.deepEqual(names(unseen).slice(0, 2), ['Geo Metro: 000001.jpg', 'Ram C/V Cargo Van: 000002.jpg']);
  const official = await openDataset('Cars-official', root);
  t.deepEqual([official.train.samples.length, official.test.samples.length], [8, 4]);
  await writeFile(path.join(root, 'cars_annos.mat'), 'not a MAT file');
  await t.throwsAsync(openDataset('Cars', root), { code: 'ERR_HOROBALL_FORMAT' });
});

test('In-shop: queries and gallery share their classes, items in the order of their numbers', async (t) => {
  const root = await temporary(t);
  await makeInshop(root);
  const { train, test: query, gallery } = await openDataset('Inshop', root);
  t.deepEqual(train.classes, ['id_00000001', 'id_00000002']);
  t.deepEqual(query.classes, ['id_00000003', 'id_000000010']);
  t.is(gallery!.classes.join(), query.classes.join());
  t.deepEqual(
    query.samples.map(({ label }) => label),
    [0, 1],
  );
  t.deepEqual(
    gallery!.samples.map(({ label }) => label),
    [0, 0, 1, 1],
  );
});

test('a list with a line that makes no sense is refused with the line', async (t) => {
  const root = await temporary(t);
  await makeSop(root);
  const list = path.join(root, 'Stanford_Online_Products/Ebay_test.txt');
  const code = 'ERR_HOROBALL_DATA_LAYOUT';
  await writeFile(list, 'image_id class_id super_class_id path\n1 2 broken\n');
  await t.throwsAsync(openDataset('SOP', root), { code, message: /Ebay_test.txt has a line '1 2 broken'/ });
  await writeFile(list, 'x'.repeat(1e6));
  await t.throwsAsync(openDataset('SOP', root), { code, message: /^.{0,200}$/ });
});

test('pictures that are not there are named by the check', async (t) => {
  const root = await temporary(t);
  await makeSop(root);
  const dataset = await openDataset('SOP', root);
  const [gone, cut] = [dataset.train.samples[1]!.path, dataset.test.samples[0]!.path];
  await rm(gone);
  await writeFile(cut, 'damaged');
  t.deepEqual(
    (await checkDataset(dataset)).unreadable.map(({ path: file }) => file),
    [gone],
  );
  const both = (await checkDataset(dataset, { decode: true })).unreadable.map(({ path: file }) => file);
  t.deepEqual(both, [gone, cut].sort());
  await rm(path.join(root, 'Stanford_Online_Products/bicycle_final'), { recursive: true });
  await t.throwsAsync(openDataset('SOP', root), {
    code: 'ERR_HOROBALL_DATA_READ',
    message: /Stanford_Online_Products.zip/,
  });
});

test('a CSV list: quotes, any line ends, a byte-order mark, columns in any order', async (t) => {
  const root = await temporary(t);
  const file = path.join(root, 'list.csv');
  await writeFile(
    file,
    '\ufefflabel,extra,path\r\n2,,"a, b.jpg"\r\n10,x,c.jpg\n\n2,"say ""hi""",d e.jpg\n10,,f.jpg',
  );
  const { train, test: unseen, warnings } = await openDataset('csv', file);
  t.deepEqual(names(train), ['2: a, b.jpg', '2: d e.jpg']);
  t.deepEqual(names(unseen), ['10: c.jpg', '10: f.jpg']);
  t.is(train.samples[0]!.path, path.join(root, 'a, b.jpg'));
  t.deepEqual(warnings, []);
  await writeFile(file, 'path,label,split\na,x,train\nb,x,train\nc,y,query\nd,y,gallery\n');
  const named = await openDataset('csv', file);
  t.deepEqual([named.train, named.test, named.gallery!].map(names), [['x: a', 'x: b'], ['y: c'], ['y: d']]);
});

test('a CSV list that cannot be one is refused quickly with the reason', async (t) => {
  const root = await temporary(t);
  const file = path.join(root, 'list.csv');
  const cases: [string, RegExp][] = [
    ['', /no columns path and label/],
    ['file,class\na,b\n', /no columns path and label/],
    ['path,label\na\n', /no label in row 1/],
    ['path,label\na,1\nb,1\n', /two labels or more/],
    ['path,label,split\na,1,valid\n', /the split 'valid' in row 1/],
    ['path,label,split\na,1,train\n', /both splits/],
    ['path,label\n"a,1\n', /quote that is not closed/],
    [`${'x,'.repeat(1e6)}\n`, /more than 1000 columns/],
  ];
  for (const [text, message] of cases) {
    await writeFile(file, text);
    const start = performance.now();
    await t.throwsAsync(openDataset('csv', file), { code: 'ERR_HOROBALL_DATA_LAYOUT', message });
    t.true(performance.now() - start < 1000);
  }
  await t.throwsAsync(openDataset('csv', root), { code: 'ERR_HOROBALL_DATA_READ', message: /is a folder/ });
  await t.throwsAsync(openDataset('csv', path.join(root, 'none')), { code: 'ERR_HOROBALL_DATA_READ' });
});

test('an archive that was unpacked empty has no pictures', async (t) => {
  const root = await temporary(t);
  await writeTree(root, { 'Ebay_train.txt': 'image_id class_id\n', 'Ebay_test.txt': 'image_id class_id\n' });
  await t.throwsAsync(openDataset('SOP', root), {
    code: 'ERR_HOROBALL_DATA_EMPTY',
    message: /get Stanford_Online_Products.zip/,
  });
  await mkdir(path.join(root, 'images'));
  await t.throwsAsync(openDataset('CUB', root), { code: 'ERR_HOROBALL_DATA_EMPTY' });
});
