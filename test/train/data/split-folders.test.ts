import test from 'ava';
import { splitFolders } from '../../../lib/train/data/split-folders.ts';

const found = (names: string[], classes: string[] = []) =>
  splitFolders('root', names, async (name) => classes.includes(name));

for (const [names, splits, warning] of [
  [['train', 'test'], { train: 'train', test: 'test' }, ''],
  [['TRAIN', 'Val'], { train: 'TRAIN', test: 'Val' }, 'no folder is named test, so Val is the test split'],
  [['test', 'train', 'val'], { train: 'train', test: 'test' }, 'the folder val is not used'],
  [['owls', 'larks'], undefined, ''],
  [['owls', 'test_images'], undefined, 'the folder test_images is read as classes'],
] as const) {
  test(`${names.join(', ')}: ${JSON.stringify(splits) ?? 'classes'}`, async (t) => {
    const { splits: got, warnings } = await found([...names]);
    t.deepEqual(got, splits);
    t.true(warnings.join('\n').startsWith(warning) && warnings.length === (warning === '' ? 0 : 1));
  });
}

test('a folder named like a split that contains images is a class', async (t) => {
  t.is((await found(['test', 'train'], ['test', 'train'])).splits, undefined);
});

for (const names of [['train'], ['train', 'test', 'testing'], ['val', 'test']]) {
  test(`${names.join(', ')} do not form two splits`, async (t) => {
    await t.throwsAsync(found(names), {
      code: 'ERR_HOROBALL_DATA_LAYOUT',
      message: new RegExp(`expected the folders train and test, got ${names.join(', ')} in root`),
    });
  });
}
