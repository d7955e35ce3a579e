// Row-wise operations reject invalid arguments, and accept unusual valid ones.
import test from 'ava';
import {
  clip,
  dist,
  einsteinMidpoint,
  expmap0,
  hyperbolicSoftmax,
  lorentzToPoincare,
  matrix,
  mobiusAdd,
  mobiusMatvec,
  mobiusScalarMul,
  project,
  weightedMidpoint,
} from '../../lib/index.ts';
import { core } from '../../lib/native.ts';
import { argumentsOf, cards, operationOf, pointsOf } from '../row-points.ts';
import { failure } from '../support.ts';

const x = matrix(Float64Array.of(0.1, 0.2, 0.3, -0.1), 2, 2);
const single = matrix(Float32Array.of(0.1, 0.2, 0.3, -0.1), 2, 2);
const wide = matrix(new Float64Array(6), 2, 3);
const three = matrix(new Float64Array(6), 3, 2);
const none = matrix(new Float64Array(0), 0, 2);
const loose = (value: unknown) => value as never;

const refusals: readonly [string, () => unknown, string, string, string][] = [
  [
    'no options',
    () => mobiusAdd.sync(x, x, loose(undefined)),
    'TypeError',
    'ERR_HOROBALL_TYPE',
    '[mobiusAdd] c:',
  ],
  ['c of 0', () => mobiusAdd.sync(x, x, { c: 0 }), 'RangeError', 'ERR_HOROBALL_RANGE', '[mobiusAdd] c:'],
  ['c below 0', () => dist.sync(x, x, { c: -1 }), 'RangeError', 'ERR_HOROBALL_RANGE', '[dist] c:'],
  ['infinite c', () => dist.sync(x, x, { c: Infinity }), 'RangeError', 'ERR_HOROBALL_RANGE', '[dist] c:'],
  ['a list', () => expmap0.sync(loose([1, 2]), { c: 1 }), 'TypeError', 'ERR_HOROBALL_TYPE', '[expmap0] u:'],
  [
    'integers',
    () => expmap0.sync(loose(new Int32Array(2)), { c: 1 }),
    'TypeError',
    'ERR_HOROBALL_TYPE',
    '[expmap0] u:',
  ],
  [
    'two element types',
    () => mobiusAdd.sync(x, loose(single), { c: 1 }),
    'TypeError',
    'ERR_HOROBALL_TYPE',
    '[mobiusAdd] y:',
  ],
  [
    'another number of columns',
    () => mobiusAdd.sync(x, wide, { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[mobiusAdd] y:',
  ],
  [
    'another number of rows',
    () => mobiusAdd.sync(x, three, { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[mobiusAdd] y: expected 2 rows or 1',
  ],
  [
    'a matrix too wide',
    () => mobiusMatvec.sync(wide, x, { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[mobiusMatvec] x:',
  ],
  [
    'fewer normals',
    () => hyperbolicSoftmax.sync(x, three, x, { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[hyperbolicSoftmax] a:',
  ],
  [
    'a time coordinate only',
    () => lorentzToPoincare.sync(new Float64Array(1), { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[lorentzToPoincare] x:',
  ],
  [
    'a factor that is not a number',
    () => mobiusScalarMul.sync(loose('2'), x, { c: 1 }),
    'TypeError',
    'ERR_HOROBALL_TYPE',
    '[mobiusScalarMul] t:',
  ],
  [
    'a number in quotation marks',
    () => dist.sync(x, x, { c: loose('1') }),
    'TypeError',
    'ERR_HOROBALL_TYPE',
    "[dist] c: expected a number > 0 (the curvature is -c), got '1'",
  ],
  [
    'a big integer',
    () => dist.sync(x, x, { c: 1, threads: loose(2n) }),
    'TypeError',
    'ERR_HOROBALL_TYPE',
    '[dist] threads: expected an integer from 1 to 1024, got 2n',
  ],
  [
    'an infinite factor',
    () => mobiusScalarMul.sync(Infinity, x, { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_RANGE',
    '[mobiusScalarMul] t:',
  ],
  [
    'a margin above 1',
    () => project.sync(x, { c: 1, margin: 2 }),
    'RangeError',
    'ERR_HOROBALL_RANGE',
    '[project] margin:',
  ],
  [
    'a radius below 0',
    () => clip.sync(x, { radius: -1 }),
    'RangeError',
    'ERR_HOROBALL_RANGE',
    '[clip] radius:',
  ],
  [
    'unknown guards',
    () => dist.sync(x, x, { c: 1, compat: loose('geoopt') }),
    'TypeError',
    'ERR_HOROBALL_TYPE',
    '[dist] compat:',
  ],
  [
    'a fractional number of threads',
    () => dist.sync(x, x, { c: 1, threads: 0.5 }),
    'RangeError',
    'ERR_HOROBALL_RANGE',
    '[dist] threads:',
  ],
  [
    'an unknown device',
    () => dist.sync(x, x, { c: 1, device: loose('tpu') }),
    'TypeError',
    'ERR_HOROBALL_TYPE',
    '[dist] device:',
  ],
  [
    'a short out',
    () => dist.sync(x, x, { c: 1, out: new Float64Array(3) }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[dist] out:',
  ],
  [
    'out of another type',
    () => dist.sync(x, x, { c: 1, out: loose(new Float32Array(2)) }),
    'TypeError',
    'ERR_HOROBALL_TYPE',
    '[dist] out:',
  ],
  [
    'out in the memory of an input',
    () => mobiusAdd.sync(x, x, { c: 1, out: x }),
    'RangeError',
    'ERR_HOROBALL_RANGE',
    '[mobiusAdd] out:',
  ],
  [
    'a negative weight',
    () => weightedMidpoint.sync(x, Float64Array.of(1, -1), { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_RANGE',
    '[weightedMidpoint] weights:',
  ],
  [
    'too few weights',
    () => weightedMidpoint.sync(x, Float64Array.of(1), { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[weightedMidpoint] weights:',
  ],
  [
    'a short cotangent',
    () => dist.vjp.sync(x, x, new Float64Array(3), { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[dist.vjp] cotangent:',
  ],
  [
    'no cotangent',
    () => dist.vjp.sync(x, x, loose({ c: 1 }), loose(undefined)),
    'TypeError',
    'ERR_HOROBALL_TYPE',
    '[dist.vjp] cotangent:',
  ],
  [
    'a second input with fewer rows',
    () => mobiusAdd.sync(three, x, { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[mobiusAdd] y: expected 3 rows or 1',
  ],
  [
    'a matrix without rows',
    () => mobiusMatvec.sync(none, x, { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[mobiusMatvec] m: expected at least one row',
  ],
  [
    'planes of no class',
    () => hyperbolicSoftmax.sync(x, none, none, { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[hyperbolicSoftmax] p: expected at least one row',
  ],
  [
    'a midpoint of no rows with too many columns',
    () => einsteinMidpoint.sync({ data: new Float64Array(0), rows: 0, cols: 2 ** 20 + 1 }, { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[einsteinMidpoint] x: expected at most 1048576 columns',
  ],
  [
    'an invalid c of an operation that does not depend on it',
    () => clip.sync(x, loose({ radius: 1, c: -1 })),
    'RangeError',
    'ERR_HOROBALL_RANGE',
    '[clip] c:',
  ],
  [
    'rows in place of options',
    () => clip.sync(x, loose(x)),
    'TypeError',
    'ERR_HOROBALL_TYPE',
    '[clip] options:',
  ],
  [
    'a number in place of options',
    () => clip.sync(x, loose(5)),
    'TypeError',
    'ERR_HOROBALL_TYPE',
    '[clip] options:',
  ],
  [
    'a long cotangent',
    () => dist.vjp.sync(x, x, new Float64Array(4), { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[dist.vjp] cotangent:',
  ],
  [
    'weights as a matrix',
    () => weightedMidpoint.sync(x, x, { c: 1 }),
    'RangeError',
    'ERR_HOROBALL_SHAPE',
    '[weightedMidpoint] weights:',
  ],
  [
    'an option of another function',
    () => dist.sync(x, x, loose({ c: 1, metric: 'cosine' })),
    'RangeError',
    'ERR_HOROBALL_OPTION',
    '[dist] options:',
  ],
  [
    'a wide gradC',
    () => dist.vjp.sync(x, x, new Float64Array(2), { c: 1, gradC: new Float64Array(2) }),
    'TypeError',
    'ERR_HOROBALL_TYPE',
    '[dist.vjp] gradC:',
  ],
];

for (const [what, call, name, code, start] of refusals) {
  test(`${what} is rejected`, async (t) => {
    const error = await failure(call);
    t.deepEqual([error.name, error.code], [name, code], error.message);
    t.true(error.message.startsWith(start), error.message);
    t.regex(error.message, /expected .*, got /);
  });
}

test('promises reject with the same errors', async (t) => {
  const { code, message } = await failure(() => mobiusAdd(x, wide, { c: 1 }));
  t.is(code, 'ERR_HOROBALL_SHAPE');
  t.true(message.startsWith('[mobiusAdd] y:'));
});

test('a detached buffer is rejected by name', async (t) => {
  const data = new Float64Array(4);
  const detached = matrix(data, 2, 2);
  structuredClone(data, { transfer: [data.buffer] });
  const error = await failure(() => mobiusAdd.sync(detached, x, { c: 1 }));
  t.is(error.code, 'ERR_HOROBALL_DETACHED');
  t.true(error.message.startsWith('[mobiusAdd] x:'));
});

test('gradC of a buffer that is transferred during the call is rejected by name', async (t) => {
  const gradC = new Float64Array(1);
  const pending = failure(() => dist.vjp(x, x, new Float64Array(2), { c: 1, gradC }));
  structuredClone(gradC, { transfer: [gradC.buffer] });
  const { code, message } = await pending;
  t.is(code, 'ERR_HOROBALL_DETACHED');
  t.true(message.startsWith('[dist.vjp] gradC:'));
});

test('the midpoint of no rows is the origin, also in a given array', (t) => {
  const out = Float64Array.of(5, 6);
  t.deepEqual([...einsteinMidpoint.sync(none, { c: 1, out }).data], [0, 0]);
});

test('an aborted signal rejects with its reason', async (t) => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const pending = dist(x, x, { c: 1, signal: controller.signal });
  controller.abort(reason);
  t.is(
    await failure(() => dist(x, x, { c: 1, signal: AbortSignal.abort(reason) })).then((e) => e.message),
    'enough',
  );
  await pending.then(
    () => t.fail('the signal was aborted first'),
    (error: unknown) => t.is(error, reason),
  );
});

test('writes the result to out and returns it, even in shared memory', async (t) => {
  const out = new Float64Array(new SharedArrayBuffer(32));
  const result = await mobiusAdd(x, x, { c: 1, out });
  t.true(Object.is(result.data, out));
  t.deepEqual([...out], [...mobiusAdd.sync(x, x, { c: 1 }).data]);
});

test('a typed array counts as one row', (t) => {
  const row = Float64Array.of(0.1, 0.2);
  t.deepEqual(mobiusAdd.sync(row, row, { c: 1 }).data, mobiusAdd.sync(x, x, { c: 1 }).data.slice(0, 2));
  t.is(mobiusAdd.sync(x, row, { c: 1 }).rows, 2);
  t.is(mobiusAdd.sync(row, x, { c: 1 }).rows, 2);
});

test('weights may be left out or undefined, which is equivalent to equal weights', (t) => {
  const want = einsteinMidpoint.sync(x, { c: 1 });
  t.deepEqual(weightedMidpoint.sync(x, { c: 1 }), want);
  t.deepEqual(weightedMidpoint.sync(x, undefined, { c: 1 }), want);
  t.deepEqual(weightedMidpoint.sync(x, matrix(Float64Array.of(1, 1), 2, 1), { c: 1 }), want);
  const cotangent = Float64Array.of(1, 2);
  const [byX] = weightedMidpoint.vjp.sync(x, cotangent, { c: 1 });
  t.deepEqual(weightedMidpoint.vjp.sync(x, undefined, cotangent, { c: 1 }), [byX, undefined]);
  t.deepEqual(weightedMidpoint.vjp.sync(x, Float64Array.of(1, 1), cotangent, { c: 1 })[0], byX);
});

test('results do not share memory between calls', (t) => {
  const first = mobiusAdd.sync(x, x, { c: 1 });
  const copy = first.data.slice();
  mobiusAdd.sync(x, three.data.slice(0, 2), { c: 1 });
  t.deepEqual(first.data, copy);
});

test('the core itself rejects wrong shapes', (t) => {
  const numbers = Float64Array.of(0, 0, 1, 0, 2, 2, 2, 2, 3, 0, 0, 2, 2, -1, 1, 0); // x is 2 x 2, y is 2 x 3
  const out = new Float64Array(4);
  t.throws(() => core().row(numbers, x.data, wide.data, null, out), { message: /do not match/ });
  numbers[0] = 10_000;
  t.throws(() => core().row(numbers, x.data, wide.data, null, out), {
    message: /unknown row-wise operation/,
  });
});

test('a short synchronous call and an asynchronous one give identical bits', async (t) => {
  for (const type of [Float32Array, Float64Array]) {
    for (const card of cards) {
      const inputs = pointsOf(card, type, 2, 3, 1);
      const operation = operationOf(card);
      const args = argumentsOf(card, inputs, { c: 1 });
      const result = operation.sync(...args);
      t.deepEqual(await operation(...args), result, card.name);
      const [atOnce, later] = [new Float64Array(1), new Float64Array(1)];
      const vjpArgs = (gradC: Float64Array) => argumentsOf(card, inputs, { c: 1, gradC }, result);
      t.deepEqual(await operation.vjp(...vjpArgs(later)), operation.vjp.sync(...vjpArgs(atOnce)), card.name);
      t.deepEqual(later, atOnce, card.name);
    }
  }
});

test('the core rejects a short call that does not fit the call buffer', (t) => {
  core().callBuffer.set([0, 0, 1, 0, 2, 2, 100, 2, 100, 0, 0, 2, 100, -1, 1, 0, 8]);
  t.throws(() => core().rowShort(), { message: /matrices that fit in the memory/ });
});

test('every card that depends on c rejects a missing c by name', async (t) => {
  for (const card of cards) {
    const args = argumentsOf(card, pointsOf(card, Float64Array, 2, 3, 1), { c: Number.NaN });
    const call = () => operationOf(card).sync(...args);
    const error = await failure(call);
    t.is(error.code, 'ERR_HOROBALL_RANGE');
    t.true(error.message.startsWith(`[${card.name}] c:`));
  }
});
