import test from 'ava';
import { loaderOptions, openTestSet, testSetOf } from '../../../lib/train/measure/test-set.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { all, temporary, writeClasses } from '../data/support.ts';

const split = (count: number) => ({
  classes: ['a', 'b'],
  samples: Array.from({ length: count }, (_, i) => ({ path: `${count}-${i}.jpg`, label: i % 2 })),
});
const dataset = { name: 'd', root: '/d', train: split(8), test: split(4), ks: [1, 2], warnings: ['w'] };
const config = parseConfig({ ds: 'folder', path: '/d', crop: 16, resize: 18 });

test('without a gallery, every test image is a query', (t) => {
  const found = testSetOf(dataset, config);
  t.deepEqual(found.protocol, { ks: [1, 2], queries: undefined });
  t.deepEqual([found.name, found.split.samples, found.warnings], ['d', dataset.test.samples, ['w']]);
});

test('gallery images follow the queries', (t) => {
  const { split: joined, protocol } = testSetOf({ ...dataset, gallery: split(6) }, config);
  t.is(protocol.queries, 4);
  t.deepEqual(
    joined.samples.map(({ path }) => path[0]),
    [...'4444666666'],
  );
});

test('the loader has the options of the run; cache is present only if set', (t) => {
  const options = { ...config, seed: 7, workers: 3, strict: true, max_pixels: 1000 };
  const expected = { size: 16, seed: 7, concurrency: 3, strict: true, background: 'white', maxPixels: 1000 };
  t.deepEqual(loaderOptions(options), expected as never);
  t.is(loaderOptions({ ...options, cache: 'memory' }).cache, 'memory');
});

test('an opened test set reads images with the evaluation transform', async (t) => {
  const path = await temporary(t);
  await writeClasses(path, 4, 2);
  const { loader, split } = await openTestSet(parseConfig({ ds: 'folder', path, crop: 16, resize: 18 }));
  const [batch] = await all(loader.batches([Int32Array.of(0, 1)]));
  t.deepEqual([batch!.count, batch!.size, split.samples.length], [2, 16, 4]);
});
