import test from 'ava';
import fc from 'fast-check';
import { evenEpochs, maxEpochs, parseEpochs } from '../../../lib/train/options/epochs.ts';

test('lists of epochs in the published syntax are parsed', (t) => {
  t.deepEqual(parseEpochs('[]'), []);
  t.deepEqual(parseEpochs('[50]'), [50]);
  t.deepEqual(parseEpochs('[1, 2, 3]'), [1, 2, 3]);
  t.deepEqual(parseEpochs('r(10,70,20)+[200]'), [10, 30, 50, 200]);
  t.deepEqual(parseEpochs('[5]+r(3)'), [5, 0, 1, 2]);
  t.deepEqual(parseEpochs('range(6, 0, -2)'), [6, 4, 2]);
  t.deepEqual(parseEpochs('r(5,5,1)'), []);
});

test('rejects any other text, even if it is valid code in another language', (t) => {
  for (const text of [
    '',
    '50',
    '[',
    '[a]',
    '[1.5]',
    'r(1,2,0)',
    'r(0,1e9)',
    'r(0,999999999)',
    '[1]+',
    '[1][2]',
  ]) {
    t.is(parseEpochs(text), null, text);
  }
});

test('selects at most eleven evenly spaced epochs, including 0 and the last', (t) => {
  t.deepEqual(
    [1, 7, 10, 100].map((last) => evenEpochs(last)),
    ['r(2)', 'r(8)', 'r(11)', 'r(0,101,10)'],
  );
  for (const last of [11, 19, 25, 47, 99_999, maxEpochs - 9, maxEpochs]) {
    const epochs = parseEpochs(evenEpochs(last))!;
    t.deepEqual([epochs.length, epochs[0], epochs.at(-1)], [11, 0, last]);
    const steps = epochs.slice(1).map((epoch, i) => epoch - epochs[i]!);
    t.true(Math.max(...steps) - Math.min(...steps) <= 1, `${steps}`);
  }
});

test("a range has the semantics of Python's range", (t) => {
  const small = fc.integer({ min: 0, max: 60 });
  fc.assert(
    fc.property(small, small, fc.integer({ min: 1, max: 9 }), (start, end, step) => {
      const counted = parseEpochs(`r(${start},${end},${step})`)!;
      t.is(counted.length, Math.max(0, Math.ceil((end - start) / step)));
      t.true(counted.every((epoch, i) => epoch === start + i * step && epoch < end));
    }),
  );
});
