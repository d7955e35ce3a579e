import test from 'ava';
import { runStepsSync } from '../../../lib/call/run.ts';
import {
  checkSplit,
  classRange,
  distinct,
  groupsOf,
  regrouped,
  singleImageWarnings,
} from '../../../lib/train/data/split.ts';
import { startCpuClock } from '../../cpu-clock.ts';

const images = ['b10', 'b2', 'a', 'b2'].map((group, i) => ({ path: `${i}.jpg`, group }));

test('groups are in natural order, and regrouping assigns labels in the given order', (t) => {
  t.deepEqual(runStepsSync('data', groupsOf(images)), ['a', 'b2', 'b10']);
  const steps = regrouped(images, ['b10', 'b2'], (group) => group.toUpperCase());
  const { classes, samples } = runStepsSync('data', steps);
  t.deepEqual(classes, ['B10', 'B2']);
  t.deepEqual(samples, [
    { path: '0.jpg', label: 0 },
    { path: '1.jpg', label: 1 },
    { path: '3.jpg', label: 1 },
  ]);
});

test('labels with thousands of combining marks are sorted in linear time', (t) => {
  const long = `a${'\u0301\u0316'.repeat(50_000)}`;
  const marked = [`${long}10`, 'e\u0301', `${long}2`, '\u00e8'].map((group) => ({ group }));
  const spent = startCpuClock();
  t.deepEqual(runStepsSync('data', groupsOf(marked)), [`${long}2`, `${long}10`, 'e\u0301', '\u00e8']);
  const ms = spent();
  t.true(ms < 1000, `${ms} ms`);
});

test('distinct numbers are in ascending order', (t) => {
  t.deepEqual(distinct([10, 2, 10, 1, 2]), [1, 2, 10]);
  t.deepEqual(distinct([]), []);
});

test('a range of classes is relabeled from 0, with its ancestors', (t) => {
  const all = {
    classes: ['a', 'b', 'c'],
    samples: [0, 1, 2, 2].map((label, i) => ({ path: `${i}`, label })),
    parents: [['x'], ['y'], ['z']],
  };
  t.deepEqual(classRange(all, 1, 3), {
    classes: ['b', 'c'],
    samples: [
      { path: '1', label: 0 },
      { path: '2', label: 1 },
      { path: '3', label: 1 },
    ],
    parents: [['y'], ['z']],
  });
});

test('ancestors that do not match the classes are rejected, and the lists are copied', (t) => {
  const split = { classes: ['a', 'b'], samples: [{ path: 'x', label: 0 }], parents: [['g'], []] };
  const copy = checkSplit('test', split);
  t.deepEqual(copy, split);
  split.parents[0]!.push('h');
  t.deepEqual(copy.parents, [['g'], []]);
  for (const parents of [[['g']], [['g'], null], [['g'], 'h'], [['g'], [1]], [1, 2], 'ab', 5]) {
    const { code } = t.throws(() => checkSplit('test', { ...split, parents } as never)) as { code?: string };
    t.regex(code ?? '', /^ERR_HOROBALL_(TYPE|SHAPE)$/, JSON.stringify(parents));
  }
  for (const levels of ['genus', 5, [1]])
    t.throws(() => checkSplit('test', { ...split, levels } as never), { code: 'ERR_HOROBALL_TYPE' });
});

test('classes with a single image are reported, except those of queries', (t) => {
  const names = Array.from({ length: 12 }, (_, i) => `c${i}`);
  const single = { classes: names, samples: names.map((path, label) => ({ path, label })) };
  const pair = { classes: ['p'], samples: [0, 0].map((label) => ({ path: 'p', label })) };
  t.deepEqual(singleImageWarnings({ train: pair, test: pair }), []);
  t.regex(singleImageWarnings({ train: single, test: pair })[0]!, /^12 training classes .* c9 and 2 more$/);
  t.regex(singleImageWarnings({ train: pair, test: single })[0]!, /^12 test classes .* a miss/);
  t.deepEqual(singleImageWarnings({ train: pair, test: single, gallery: pair }), []);
});
