import test from 'ava';
import { ClassTree } from '../../../lib/train/data/class-tree.ts';

/** Two families: the first with two genera of two classes, the second with one genus of one class. */
const parents = [
  ['f/g', 'f'],
  ['f/g', 'f'],
  ['f/h', 'f'],
  ['f/h', 'f'],
  ['i/j', 'i'],
];

test('levels group the rows by ancestor, from the bottom', (t) => {
  const { levels } = ClassTree.of({ parents })!.batch(Int32Array.of(0, 1, 2, 3, 4, 0));
  t.deepEqual(
    levels.map(({ height, groups }) => [height, [...groups]]),
    [
      [1, [0, 0, 1, 1, 2, 0]],
      [2, [0, 0, 0, 0, 1, 0]],
    ],
  );
});

test('omits levels that group the batch like the level below, or into a single group', (t) => {
  const tree = ClassTree.of({ parents })!;
  const heights = (...labels: number[]) =>
    tree.batch(Int32Array.from(labels)).levels.map(({ height }) => height);
  t.deepEqual(heights(0, 2, 4), [2], 'one class per genus');
  t.deepEqual(heights(0, 1, 2, 3), [1], 'one family');
  t.deepEqual(heights(0, 4), [], 'one class per family');
  t.deepEqual(heights(3, 3), []);
});

test('pairs each node with each of its rows once, and depths increase by level', (t) => {
  const tree = ClassTree.of({ parents })!.batch(Int32Array.of(0, 1, 2, 4));
  const pairs = Array.from(tree.nodes, (node, i) => [node, tree.rows[i]]);
  // Row 0 has its family, genus and class. Nodes with the same rows as a class below them are omitted.
  t.deepEqual(pairs, [
    [0, 0],
    [1, 0],
    [2, 0],
    [0, 1],
    [1, 1],
    [3, 1],
    [0, 2],
    [4, 2],
    [5, 3],
  ]);
  t.deepEqual([...tree.nodeDepths], [0.25, 0.5, 0.75, 0.75, 0.75, 0.75]);
  t.deepEqual([...tree.rowDepths], [1, 1, 1, 1]);
});

test('branches may have different depths', (t) => {
  const tree = ClassTree.of({ parents: [['a/b', 'a'], ['a'], []] })!.batch(Int32Array.of(0, 1, 2));
  t.deepEqual(
    tree.levels.map(({ height, groups }) => [height, [...groups]]),
    [[2, [0, 0, 1]]],
  );
  t.deepEqual([...tree.rowDepths], [1, 0.75, 0.5]);
  t.deepEqual([...tree.nodes], [0, 1, 0, 2, 3]);
  t.deepEqual([...tree.nodeDepths], [0.25, 0.75, 0.5, 0.25]);
});

test('rejects a label that is not a class of the tree', (t) => {
  const tree = ClassTree.of({ parents })!;
  for (const label of [-1, 5])
    t.throws(() => tree.batch(Int32Array.of(0, label)), {
      code: 'ERR_HOROBALL_RANGE',
      instanceOf: RangeError,
    });
});

test('a split without ancestors has no tree', (t) => {
  t.is(ClassTree.of({}), null);
  t.is(ClassTree.of({ parents: [[], []] }), null);
});

test('groups rows by a tree of 200,000 classes', (t) => {
  const many = Array.from({ length: 200_000 }, (_, i) => [`family ${i % 100}`]);
  const { levels } = ClassTree.of({ parents: many })!.batch(Int32Array.of(0, 100, 199_999));
  t.deepEqual([...levels[0]!.groups], [0, 0, 1]);
});
