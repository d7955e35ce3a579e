import { mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { imageFolder, readClasses } from '../../../lib/train/data/folder.ts';
import { openDataset } from '../../../lib/train/data/registry.ts';
import { temporary, writeTree } from './support.ts';

test('classes and files are sorted by code point; hidden and other files are ignored', async (t) => {
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
  });
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

test('nested folders form a class tree, and a class may have subfolders', async (t) => {
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

test('the first half of the classes is for training, the rest for testing', async (t) => {
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
    '1 training class has only one image, which is used for every view: b',
    '2 test classes have only one image, which counts as a miss: c, e',
  ]);
});

test('folders named train and test are the splits', async (t) => {
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

test('folders named like properties of Object.prototype are classes', async (t) => {
  const root = await temporary(t);
  await writeTree(root, { 'constructor/a/1.jpg': '', '__proto__/b/1.jpg': '', 'to_constructor/1.jpg': '' });
  const { train, test: unseen, warnings } = await imageFolder(root);
  t.deepEqual([...train.classes, ...unseen.classes], ['__proto__/b', 'constructor/a', 'to_constructor']);
  t.false(warnings.some((text) => /splits/.test(text)));
});

test('split folders are recognized by their names in any case', async (t) => {
  const cases: [string[], string, string, RegExp[]][] = [
    [['Train/a', 'Test/b'], 'a', 'b', []],
    [['TRAIN/a', 'val/b'], 'a', 'b', [/^no folder is named test, so val is the test split$/]],
    [['train/a', 'valid/b'], 'a', 'b', [/valid is the test split/]],
    [['training/a', 'Validation/c', 'testing/b'], 'a', 'b', [/the folder Validation is not used/]],
    [['train/a', 'test/b', 'extra/c'], 'a', 'b', [/the folder extra is not used/]],
    [['train', 'car'], 'car', 'train', []],
    [
      ['train_images/a', 'other/b'],
      'other/b',
      'train_images/a',
      [/the folder train_images is read as classes/],
    ],
  ];
  for (const [folders, train, unseen, warnings] of cases) {
    const root = await temporary(t);
    const files = folders.flatMap((folder) => [`${folder}/1.jpg`, `${folder}/2.jpg`]);
    await writeTree(root, Object.fromEntries(files.map((file) => [file, ''])));
    const found = await imageFolder(root);
    t.deepEqual([found.train.classes, found.test.classes], [[train], [unseen]], folders.join());
    t.is(found.warnings.length, warnings.length, found.warnings.join());
    for (const [i, pattern] of warnings.entries()) t.regex(found.warnings[i]!, pattern);
  }
});

test('folders named like splits in an unknown layout are rejected', async (t) => {
  for (const folders of [
    ['train/a', 'train/b'],
    ['test/a', 'val/b'],
    ['Train/a', 'train/b', 'test/c'],
    ['train/a', 'query/b', 'gallery/b'],
    ['train/a', 'extra/b'],
  ]) {
    const root = await temporary(t);
    await writeTree(root, Object.fromEntries(folders.map((folder) => [`${folder}/1.jpg`, ''])));
    await t.throwsAsync(imageFolder(root), {
      code: 'ERR_HOROBALL_DATA_LAYOUT',
      message: /expected the folders train and test, got .* Add the missing folder or rename/,
    });
  }
});

test('files without an image extension are counted by extension, in folders and in lists', async (t) => {
  const root = await temporary(t);
  const images = { 'a/1.jpg': '', 'a/2.PBM': '', 'b/1.bmp': '', 'b/more/2.png': '' };
  const others = { 'a/1.svg': '', 'a/2.SVG': '', 'b/more/3.svg': '', 'b/notes': '', 'b/.hidden': '' };
  await writeTree(root, { ...images, ...others });
  const { train, test: unseen, warnings } = await imageFolder(root);
  t.is(train.samples.length + unseen.samples.length, 4);
  t.regex(
    warnings[0]!,
    /^ignored 4 files without an image extension \(3 \.svg, 1 no extension\); image extensions are \.jpg/,
  );
  const paths = [...Object.keys(images), 'a/1.svg', 'a/2.SVG', 'b/more/3.svg', 'b/notes'];
  await writeTree(root, {
    'list.csv': ['path,label', ...paths.map((file) => `${file},${file[0]}`)].join('\n'),
  });
  const list = await openDataset('csv', path.join(root, 'list.csv'));
  t.regex(list.warnings[0]!, /^ignored 3 files .* \(3 \.svg\)/);
  t.is(list.train.samples.length + list.test.samples.length, 5);
  await writeTree(root, { 'list.csv': 'path,label\na/1.svg,a\na/2.SVG,b' });
  await t.throwsAsync(openDataset('csv', path.join(root, 'list.csv')), {
    code: 'ERR_HOROBALL_DATA_LAYOUT',
    message: /expected images .*, got none/,
  });
});

test('follows links, but rejects a link to its own ancestor', async (t) => {
  const root = await temporary(t);
  await writeTree(root, { 'a/1.jpg': '', 'elsewhere/1.jpg': '' });
  await symlink(path.join(root, 'elsewhere'), path.join(root, 'link'));
  await symlink(path.join(root, 'nowhere'), path.join(root, 'dangling'));
  t.deepEqual((await readClasses(root)).classes, ['a', 'elsewhere', 'link']);
  await symlink(root, path.join(root, 'elsewhere', 'loop'));
  await t.throwsAsync(readClasses(root), {
    code: 'ERR_HOROBALL_DATA_LAYOUT',
    message: /at most 24 nested folders/,
  });
});

test('rejects links that reach the same folders on a million paths', async (t) => {
  const root = await temporary(t);
  const depth = 20;
  await writeTree(root, { [`all/.${depth}/1.jpg`]: '', 'some/b/1.jpg': '' });
  for (let i = 0; i < depth; i++) {
    await mkdir(path.join(root, `all/.${i}`));
    for (const name of ['a', 'b']) await symlink(`../.${i + 1}`, path.join(root, `all/.${i}`, name));
  }
  await symlink('.0', path.join(root, 'all', 'a'));
  await t.throwsAsync(readClasses(path.join(root, 'all')), {
    code: 'ERR_HOROBALL_DATA_LAYOUT',
    message: /at most 16 paths to the same folder through links/,
  });
  for (let i = 0; i < 16; i++) await symlink('b', path.join(root, 'some', `c${i}`));
  t.is((await readClasses(path.join(root, 'some'))).classes.length, 17);
});

test('the error for an invalid folder is one sentence', async (t) => {
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
    ['missing', 'ERR_HOROBALL_DATA_READ', /missing, which does not exist\. Check the path/],
    ['file.txt', 'ERR_HOROBALL_DATA_READ', /which is a file\. Pass the folder/],
    ['empty', 'ERR_HOROBALL_DATA_EMPTY', /Create one folder of images per class/],
    ['hollow', 'ERR_HOROBALL_DATA_EMPTY', /class folder .*b, got none\. Add some/],
    ['flat', 'ERR_HOROBALL_DATA_LAYOUT', /got the image 1\.jpg directly in .*flat\. Move/],
    ['single', 'ERR_HOROBALL_DATA_LAYOUT', /two or more class folders, .* got one in/],
  ];
  for (const [name, code, message] of cases) {
    const error = await t.throwsAsync(imageFolder(at(name)), { code, message }, name);
    t.notRegex(error.message, /\n/);
  }
});
