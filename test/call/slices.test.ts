// Work on the main thread is divided into slices, and its result does not depend on the division.
import test from 'ava';
import { pause, runStepsSync, type Steps } from '../../lib/call/run.ts';
import { forEach, gatherRows, inSlices, range, rowsPerSlice, sorted } from '../../lib/call/slices.ts';
import { matrix } from '../../lib/index.ts';
import { noise } from '../support.ts';

const all = <R>(steps: Steps<R>): R => runStepsSync('slices', steps);

/** The number of pauses until the steps end. */
function pauses(steps: Steps<unknown>): number {
  let count = 0;
  for (const step of steps) if (step === pause) count += 1;
  return count;
}

test('slices cover a range in order without exceeding it', (t) => {
  const seen: [number, number][] = [];
  all(inSlices(10, (begin, end) => void seen.push([begin, end]), 4));
  t.deepEqual(seen, [
    [0, 4],
    [4, 8],
    [8, 10],
  ]);
  t.is(pauses(inSlices(10, () => {}, 4)), 3);
  t.is(pauses(inSlices(0, () => t.fail('of nothing'))), 0);
});

test('forEach passes each item with its index, and pauses between slices', (t) => {
  const seen: number[] = [];
  all(forEach(['a', 'b', 'c'], (item, at) => void seen.push(item.charCodeAt(0), at)));
  t.deepEqual(seen, [97, 0, 98, 1, 99, 2]);
  t.is(pauses(forEach(new Array(2000).fill(0), () => {})), 3);
});

test('a slice has from 1 to 4,096 rows', (t) => {
  t.deepEqual([1, 1 << 10, 1 << 16, 1 << 20].map(rowsPerSlice), [1 << 12, 64, 1, 1]);
});

test('a range longer than a slice contains every number', (t) => {
  const list = all(range(10_000));
  t.is(list.length, 10_000);
  t.true(list.every((value, i) => value === i));
});

test('gathers rows in the given order, repeated ones included', (t) => {
  const from = matrix(Float64Array.of(1, 2, 3, 4, 5, 6), 3, 2);
  const { data, rows, cols } = all(gatherRows('gather', 'x', from, Int32Array.of(2, 0, 2)));
  t.deepEqual([[...data], rows, cols], [[5, 6, 1, 2, 5, 6], 3, 2]);
});

test('transferring a buffer while its rows are copied causes an error that names the matrix', (t) => {
  const data = new Float64Array(3);
  const steps = gatherRows('gather', 'x', matrix(data, 3, 1), new Int32Array(rowsPerSlice(1) + 1));
  t.is(steps.next().value, pause);
  structuredClone(data, { transfer: [data.buffer] });
  const error = t.throws(() => all(steps), { code: 'ERR_HOROBALL_DETACHED' });
  t.true(error.message.startsWith('[gather] x:'));
});

test('a list of any length is sorted, and equal elements keep their order', (t) => {
  for (const length of [0, 1, 1024, 1025, 2048, 3000, 5000, 8193]) {
    const next = noise(length + 1);
    const keys = Int32Array.from({ length }, () => Math.floor(20 * next()));
    const compare = (a: number, b: number): number => keys[a]! - keys[b]!;
    const list = Int32Array.from({ length }, (_, i) => i);
    const want = [...list].sort(compare); // stable by specification
    t.deepEqual([...all(sorted(list, compare))], want, `${length}`);
    t.true(
      list.every((value, i) => value === i),
      'the list itself is unchanged',
    );
  }
});
