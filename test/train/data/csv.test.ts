import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { openDataset } from '../../../lib/train/data/registry.ts';
import { withLongestTurn } from '../../longest-turn.ts';
import { imageNames, temporary } from './support.ts';

test('a CSV list may have quotes, any line endings, a byte-order mark and columns in any order', async (t) => {
  const root = await temporary(t);
  const file = path.join(root, 'list.csv');
  await writeFile(
    file,
    '\ufefflabel,extra,path\r\n2,,"a, b.jpg"\r\n10,x,c.jpg\n\n2,"say ""hi""",d e.jpg\n10,,f.jpg',
  );
  const { train, test: unseen, warnings } = await openDataset('csv', file);
  t.deepEqual(imageNames(train), ['2: a, b.jpg', '2: d e.jpg']);
  t.deepEqual(imageNames(unseen), ['10: c.jpg', '10: f.jpg']);
  t.is(train.samples[0]!.path, path.join(root, 'a, b.jpg'));
  t.deepEqual(warnings, []);
  await writeFile(file, 'path,label,split\na,x,train\nb,x,train\nc,y,query\nd,y,gallery\n');
  const named = await openDataset('csv', file);
  t.deepEqual([named.train, named.test, named.gallery!].map(imageNames), [
    ['x: a', 'x: b'],
    ['y: c'],
    ['y: d'],
  ]);
});

test('the split val is the test split if the list has no test, as for folders', async (t) => {
  const file = path.join(await temporary(t), 'list.csv');
  for (const name of ['val', 'valid', 'Validation', 'dev']) {
    await writeFile(file, `path,label,split\na,x,Train\nb,y,${name}\n`);
    const { train, test: unseen, warnings } = await openDataset('csv', file);
    t.deepEqual([train, unseen].map(imageNames), [['x: a'], ['y: b']]);
    t.true(warnings.includes('there is no test split, so val is used as the test split'), warnings.join());
  }
  await writeFile(file, 'path,label,split\na,x,train\nb,y,val\nc,z,test\n');
  const { test: unseen, warnings } = await openDataset('csv', file);
  t.deepEqual(imageNames(unseen), ['z: c']);
  t.true(warnings.includes('the split val is not used'));
});

test('reads the class tree from a column, with the highest ancestor first', async (t) => {
  const file = path.join(await temporary(t), 'list.csv');
  await writeFile(file, 'path,label,tree\na,x,f / g\nb,y,f\nc,x,f/g\nd,z,\ne,w,h//i/\n');
  const { train, test: unseen } = await openDataset('csv', file);
  t.deepEqual(
    [train.classes, train.parents],
    [
      ['w', 'x'],
      [
        ['h/i', 'h'],
        ['f/g', 'f'],
      ],
    ],
  );
  t.deepEqual(
    [unseen.classes, unseen.parents],
    [
      ['y', 'z'],
      [['f'], []],
    ],
  );
  await writeFile(file, 'path,label,tree\na,x,f\nb,y,f\nc,x,g\nd,y,f\n');
  await t.throwsAsync(openDataset('csv', file), {
    code: 'ERR_HOROBALL_DATA_LAYOUT',
    message: /the same tree in all rows of the label 'x', got 'f' and, in row 3, 'g'/,
  });
  await writeFile(file, `path,label,tree\na,x,${'f/'.repeat(24)}\nb,y,f\n`);
  await t.throwsAsync(openDataset('csv', file), { message: /fewer than 24 ancestors in row 1, got 24/ });
  await writeFile(file, 'path,label,tree\na,x,\nb,y,\n');
  t.is((await openDataset('csv', file)).train.parents, undefined);
});

test('a list that is a pipe or a device is rejected without waiting', async (t) => {
  if (process.platform === 'win32') return t.pass();
  const root = await temporary(t);
  execFileSync('mkfifo', [path.join(root, 'list.csv')]);
  const refused = { code: 'ERR_HOROBALL_DATA_READ' };
  for (const file of [path.join(root, 'list.csv'), '/dev/zero'])
    await t.throwsAsync(openDataset('csv', file), {
      ...refused,
      message: /expected a regular file, got a pipe or device/,
    });
  execFileSync('mkfifo', [path.join(root, 'Ebay_train.txt')]);
  await t.throwsAsync(openDataset('SOP', root), refused);
});

// Long lists are in test/io/hostile-files.test.ts, which bounds the time.
test('an invalid CSV list is rejected with the reason', async (t) => {
  const root = await temporary(t);
  const file = path.join(root, 'list.csv');
  const cases: [string, RegExp][] = [
    ['', /expected the columns 'path' and 'label'/],
    [
      'file,class\na,b\n',
      /expected the columns 'path' and 'label', got the heading 'file,class'\. Start the list with path,label,split\.$/,
    ],
    ['path,label\na\n', /a path and a label in row 1, got an empty field$/],
    ['path,label\na,1\nb,1\n', /two or more labels, got 1/],
    [
      'path,label\na,1,,\nmy, photo.jpg,2\n',
      /2 fields in row 2, as in the heading, got 3\. Put fields with commas/,
    ],
    ['path,label,split\na,1,holdout\n', /splits train, test, val, .* in row 1, got 'holdout'$/],
    ['path,label,split\na,1,train\n', /both splits, train and test, got 1 and 0/],
    ['path,label\n"a,1\n', /expected a closing quote/],
  ];
  for (const [text, message] of cases) {
    await writeFile(file, text);
    await t.throwsAsync(openDataset('csv', file), { code: 'ERR_HOROBALL_DATA_LAYOUT', message });
  }
  await t.throwsAsync(openDataset('csv', root), { code: 'ERR_HOROBALL_DATA_READ', message: /is a folder/ });
  await t.throwsAsync(openDataset('csv', path.join(root, 'none')), { code: 'ERR_HOROBALL_DATA_READ' });
});

test('rejects labels in another encoding instead of merging them, and reads UTF-16', async (t) => {
  const root = await temporary(t);
  const file = path.join(root, 'list.csv');
  const text = 'path,label\na,B\u00e4r\nb,B\u00f6r\n';
  await writeFile(file, text, 'latin1');
  await t.throwsAsync(openDataset('csv', file), {
    code: 'ERR_HOROBALL_DATA_READ',
    message: /expected UTF-8 or UTF-16/,
  });
  for (const bytes of [Buffer.from(text), Buffer.from(`\ufeff${text}`, 'utf16le')]) {
    await writeFile(file, bytes);
    const { train, test: unseen } = await openDataset('csv', file);
    t.deepEqual([...train.classes, ...unseen.classes], ['B\u00e4r', 'B\u00f6r']);
  }
});

test('rejects a list of millions of short rows before allocating memory for them', async (t) => {
  const root = await temporary(t);
  const file = path.join(root, 'list.csv');
  await writeFile(file, `path,label\n${'a,b\n'.repeat(3e6)}`);
  await t.throwsAsync(openDataset('csv', file), {
    code: 'ERR_HOROBALL_DATA_LAYOUT',
    message: /at most 1375000 rows in a file of this size, got more/,
  });
});

test('a list of many labels is read in several turns of the event loop', async (t) => {
  const file = path.join(await temporary(t), 'list.csv');
  const lines = Array.from({ length: 200_000 }, (_, i) => `${i}.jpg,label ${i},family ${i % 100}`);
  await writeFile(file, `path,label,tree\n${lines.join('\n')}`);
  const { result, share } = await withLongestTurn(openDataset('csv', file));
  const { train, test: unseen } = result;
  t.deepEqual([train.classes.length, unseen.classes.at(-1)], [100_000, 'label 199999']);
  t.log(`the longest turn takes ${(100 * share).toFixed(0)}% of the time`);
  t.true(share < 0.5);
});
