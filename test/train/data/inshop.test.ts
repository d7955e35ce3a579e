import test from 'ava';
import { openDataset } from '../../../lib/train/data/registry.ts';
import { temporary } from './support.ts';
import { makeInshop } from './trees.ts';

test('In-shop: queries and gallery have the same classes, ordered by item number', async (t) => {
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
