import test from 'ava';
import { lineage } from '../../../../lib/train/report/run/names.ts';

test('in a class tree, classes and ancestors are named by the last part of their paths', (t) => {
  const tree = {
    classes: ['birds/owls/barn owl', 'birds/owls/snowy owl'],
    parents: [
      ['birds/owls', 'birds'],
      ['birds/owls', 'birds'],
    ],
  };
  t.deepEqual(lineage(tree, 1), ['snowy owl', 'owls', 'birds']);
});

test('without a tree, a class keeps its full name', (t) => {
  t.deepEqual(lineage({ classes: ['1/2 inch'], parents: [] }, 0), ['1/2 inch']);
});
