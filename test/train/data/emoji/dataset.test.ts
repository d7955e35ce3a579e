import { access, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { makeEmoji } from '../../../../lib/train/data/emoji/make.ts';
import { openDataset } from '../../../../lib/train/data/registry.ts';
import { temporary } from '../support.ts';
import { from } from './packages-copy.ts';

test('both splits are disjoint and open as data sets with a class tree', async (t) => {
  const root = await temporary(t);
  await makeEmoji(path.join(root, 'emoji'), { from, size: 16 });
  for (const name of ['emoji', 'emoji-subgroups']) {
    const { train, test: held, ks } = await openDataset(name, root);
    t.deepEqual(ks, [1, 2, 4, 8]);
    t.is(train.samples.length + held.samples.length, 36);
    if (name === 'emoji') t.is(train.classes.length, 4);
    t.true(Math.abs(train.classes.length - held.classes.length) <= 1);
    t.deepEqual(
      train.classes.filter((each) => held.classes.includes(each)),
      [],
    );
    for (const split of [train, held])
      split.classes.forEach((label, i) => {
        const [group, subgroup] = label.split('/');
        t.deepEqual(split.parents![i], [`${group}/${subgroup}`, group]);
        t.is(split.samples.filter(({ label }) => label === i).length, 4);
      });
    await access(train.samples[0]!.path);
    if (name === 'emoji') continue;
    const tested = new Set(held.parents!.map(([subgroup]) => subgroup));
    t.false(
      train.parents!.some(([subgroup]) => tested.has(subgroup)),
      'a subgroup is in one split only',
    );
  }
  await t.throwsAsync(openDataset('emoji', from), {
    code: 'ERR_HOROBALL_DATA_READ',
    message: /horoball data emoji/,
  });
});

test('the data set is found in its folder and in the folder of all data sets', async (t) => {
  const root = await temporary(t);
  const own = path.join(root, 'emoji');
  await makeEmoji(own, { from, size: 16 });
  for (const where of [root, own]) t.is((await openDataset('emoji', where)).root, own);
});

test('opening a data set whose list is truncated warns', async (t) => {
  const root = await temporary(t);
  await makeEmoji(root, { from, size: 16 });
  t.deepEqual((await openDataset('emoji', root)).warnings, []);
  const list = path.join(root, 'emoji.csv');
  const rows = (await readFile(list, 'utf8')).split('\n');
  await writeFile(list, rows.slice(0, -5).join('\n'));
  t.regex((await openDataset('emoji', root)).warnings[0]!, / has 32 of the 36 generated images; delete/);
});

test('a list of hundreds of thousands of rows is rejected before it takes memory', async (t) => {
  const root = await temporary(t);
  await makeEmoji(root, { from, size: 16 });
  await writeFile(path.join(root, 'emoji.csv'), 'a,b\n'.repeat(200_000));
  const code = 'ERR_HOROBALL_FORMAT';
  await t.throwsAsync(openDataset('emoji', root), { code, message: /more than 131072 rows/ });
  await writeFile(path.join(root, 'emoji.csv'), ' '.repeat(2 ** 24 + 1));
  await t.throwsAsync(openDataset('emoji', root), { code, message: /at most 16777216 bytes/ });
});
