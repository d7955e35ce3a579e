import test from 'ava';
import { runStepsSync } from '../lib/call/run.ts';
import { classesOf, type Labels } from '../lib/views.ts';
import { startCpuClock } from './cpu-clock.ts';
import { withEqualHashes } from './equal-hashes.ts';

const numbersOf = (labels: Labels): number[] => [...runStepsSync('views', classesOf(labels)).numbers];

test('labels are numbered in order of first appearance, by type and value', (t) => {
  const labels = [
    5,
    '5',
    5n,
    5.5,
    '5.5',
    '5n',
    -0,
    Number.NaN,
    2 ** 40,
    0,
    5,
    5n,
    '5n',
    Number.NaN,
    5.5,
    2 ** 40,
  ];
  t.deepEqual(numbersOf(labels), [0, 1, 2, 3, 4, 5, 6, 7, 8, 6, 0, 2, 5, 7, 3, 8]);
  t.deepEqual(runStepsSync('views', classesOf(labels)).names.slice(0, 4), [5, '5', 5n, 5.5]);
  t.deepEqual(numbersOf(Int32Array.of(-1, 2 ** 31 - 1, -(2 ** 31), -1)), [0, 1, 2, 0]);
});

/** A sanitizer slows calls; quadratic time would be a hundred times as long. */
const mostMs = process.env['HOROBALL_SANITIZER'] === undefined ? 200 : 2000;

test.serial('labels with equal hashes take linear time', (t) => {
  const labels = withEqualHashes(2 ** 14);
  const spent = startCpuClock();
  t.deepEqual(numbersOf(labels), [...labels.keys()]);
  const ms = spent();
  t.true(ms < mostMs, `${ms} ms`);
});
