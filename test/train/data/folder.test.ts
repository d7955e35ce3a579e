import { symlink } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { datasetNames, openDataset } from '../../../lib/train/data/dataset.ts';
import { imageFolder, readClasses } from '../../../lib/train/data/folder.ts';
import { temporary, writeTree } from './support.ts';

test('classes and files are sorted by code point, hidden and other files are not seen', async (t) => {
  const root = await temporary(t);
  await writeTree(root, {
    'b/2.jpg': '',
    'b/10.jpg': '',
    'b/._2.jpg': '',
    'b/.DS_Store': '',
    'b/notes.txt': '',
    'a b/x.JPG': '',
    'a b/y.jpeg': '',
    'B/z.png': '',
    'é/1.webp': '',
    '.hidden/1.jpg': '',
    'readme.txt': '',
  }); // prettier-ignore
  const split = await readClasses(root);
  t.deepEqual(split.classes, ['B', 'a b', 'b', 'é']);
  t.deepEqual(
    split.samples.map(({ path: file, label }) => [path.relative(root, file), label]),
    [
      ['B/z.png', 0],
      ['a b/x.JPG', 1],
      ['a b/y.jpeg', 1],
      ['b/10.jpg', 2],
      ['b/2.jpg', 2],
      ['é/1.webp', 3],
    ],
  );
  t.is(split.parents, undefined);
});

test('folders of folders are a class tree, and a class may have folders of its own', async (t) => {
  const root = await temporary(t);
  await writeTree(root, {
    'cats/lion/1.jpg': '',
    'cats/tiger/1.jpg': '',
    'cats/tiger/more/2.jpg': '',
    'dog/1.jpg': '',
  });
  const split = await readClasses(root);
  t.deepEqual(split.classes, ['cats/lion', 'cats/tiger', 'dog']);
  t.deepEqual(split.parents, [['cats'], ['cats'], []]);
  t.is(split.samples.filter(({ label }) => label === 1).length, 2);
});

test('the first half of the classes is to train on, the rest to test on', async (t) => {
  const root = await temporary(t);
  await writeTree(root, {
    'a/1.jpg': '',
    'a/2.jpg': '',
    'b/1.jpg': '',
    'c/1.jpg': '',
    'd/1.jpg': '',
    'd/2.jpg': '',
    'e/1.jpg': '',
  });
  const { train, test: unseen, warnings } = await openDataset('folder', root);
  t.deepEqual(train.classes, ['a', 'b']);
  t.deepEqual(unseen.classes, ['c', 'd', 'e']);
  t.deepEqual(
    unseen.samples.map(({ label }) => label),
    [0, 1, 1, 2],
  );
  t.deepEqual(warnings, [
    '1 training class with one picture, which is drawn again for every view: b',
    '2 test classes with one picture, which counts as a miss: c, e',
  ]);
});

test('folders called train and test are the splits', async (t) => {
  const root = await temporary(t);
  await writeTree(root, {
    'train/a/1.jpg': '',
    'train/a/2.jpg': '',
    'test/a/1.jpg': '',
    'test/b/1.jpg': '',
    'test/b/2.jpg': '',
  });
  const { train, test: unseen } = await imageFolder(root);
  t.deepEqual([train.classes, unseen.classes], [['a'], ['a', 'b']]);
});

test('links are followed; a link into itself is refused', async (t) => {
  const root = await temporary(t);
  await writeTree(root, { 'a/1.jpg': '', 'elsewhere/1.jpg': '' });
  await symlink(path.join(root, 'elsewhere'), path.join(root, 'link'));
  await symlink(path.join(root, 'nowhere'), path.join(root, 'dangling'));
  t.deepEqual((await readClasses(root)).classes, ['a', 'elsewhere', 'link']);
  await symlink(root, path.join(root, 'elsewhere', 'loop'));
  await t.throwsAsync(readClasses(root), { code: 'ERR_HOROBALL_DATA_LAYOUT', message: /folders deep/ });
});

test('what is wrong with a folder is said in one sentence', async (t) => {
  const root = await temporary(t);
  const at = (name: string): string => path.join(root, name);
  await writeTree(root, {
    'file.txt': '',
    'empty/readme.txt': '',
    'hollow/a/1.jpg': '',
    'hollow/b/notes.txt': '',
    'flat/1.jpg': '',
    'single/a/1.jpg': '',
  });
  const cases: [string, string, RegExp][] = [
    ['missing', 'ERR_HOROBALL_DATA_READ', /missing does not exist; check the path/],
    ['file.txt', 'ERR_HOROBALL_DATA_READ', /is a file; give the folder/],
    ['empty', 'ERR_HOROBALL_DATA_EMPTY', /needs one folder of pictures for each class/],
    ['hollow', 'ERR_HOROBALL_DATA_EMPTY', /class folder .*b has no pictures; put some in/],
    ['flat', 'ERR_HOROBALL_DATA_LAYOUT', /1\.jpg lies beside the class folders/],
    ['single', 'ERR_HOROBALL_DATA_LAYOUT', /has one class folder/],
  ];
  for (const [name, code, message] of cases) {
    const error = await t.throwsAsync(imageFolder(at(name)), { code, message }, name);
    t.notRegex(error.message, /\n/);
  }
});

test('an unknown data set is refused with the names that are known', async (t) => {
  for (const name of ['nothing', '__proto__', 'constructor']) {
    await t.throwsAsync(openDataset(name, '.'), { code: 'ERR_HOROBALL_DATASET', message: /shapes, folder/ });
  }
  t.true(datasetNames.includes('folder'));
});
