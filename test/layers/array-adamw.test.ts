import test from 'ava';
import { matrix, RiemannianAdam, type StateEntry } from '../../lib/index.ts';
import { ArrayAdamW } from '../../lib/layers/array-adamw.ts';
import type { LayerParameter } from '../../lib/layers/layers.ts';
import { close } from '../support.ts';
import { coreError } from '../tolerances.ts';

const parameter = (values: number[], name = 'w'): LayerParameter<Float64Array> => ({
  name,
  value: matrix(Float64Array.from(values), 1, values.length),
  space: 'vector',
});
const gradientOf = (values: number[], name = 'w') =>
  new Map([[name, matrix(Float64Array.from(values), 1, values.length)]]);

test('takes the same three steps as torch.optim.AdamW', (t) => {
  // torch.optim.AdamW([w], lr=0.1, weight_decay=0.05), in float64, with these gradients
  const w = parameter([1, -2, 0.5]);
  const optimizer = new ArrayAdamW([w], { lr: 0.1, weightDecay: 0.05 });
  const want = [
    [0.8950000033333332, -1.980909090909091, 0.3975000005],
    [0.8505031479114141, -1.9665804554939428, 0.2955125009975007],
    [0.8153136222592126, -2.020628913155167, 0.30159987154144313],
  ];
  for (const [i, gradient] of [
    [0.3, -1e-9, 2],
    [-0.1, 0, 2],
    [0, 1e3, -4],
  ].entries()) {
    optimizer.step(gradientOf(gradient));
    close(t, w.value.data, want[i]!, coreError.tree, `step ${i}`);
  }
});

test('a restored state gives the same steps, and a rejected step changes no parameter', (t) => {
  const steps = (count: number, from?: ReturnType<ArrayAdamW['state']>, start = [1, 2]) => {
    const w = parameter(start);
    const optimizer = new ArrayAdamW([w], { lr: 0.1 });
    if (from !== undefined) optimizer.loadState(from);
    for (let i = 0; i < count; i++) optimizer.step(gradientOf([0.5, -1]));
    return { data: [...w.value.data], state: optimizer.state() };
  };
  const [half, whole] = [steps(2), steps(4)];
  t.deepEqual(steps(2, half.state, half.data), whole);
  const w = parameter([1, 2]);
  const optimizer = new ArrayAdamW([w, parameter([3], 'b')], { lr: 0.1 });
  t.throws(() => optimizer.step(gradientOf([1, 1])), {
    code: 'ERR_HOROBALL_SHAPE',
    message: /b: expected a gradient/,
  });
  t.deepEqual([...w.value.data], [1, 2]);
  t.throws(() => optimizer.loadState(half.state), { code: 'ERR_HOROBALL_SHAPE' });
  t.is(optimizer.state().get('steps')!.data[0], 0);
});

test('a state whose number of steps is not a count is rejected', (t) => {
  const array = new ArrayAdamW([parameter([1, 2])], { lr: 0.1 });
  const points = new RiemannianAdam(Float64Array.of(0.1, 0.2), { c: 1, lr: 0.1 });
  for (const optimizer of [array, points])
    for (const steps of [-1, 0.5, Number.NaN, Infinity]) {
      const before = optimizer.state();
      const state = new Map<string, StateEntry>(before);
      state.set('steps', { shape: [1], data: Float64Array.of(steps) });
      t.throws(() => optimizer.loadState(state as never), { code: 'ERR_HOROBALL_RANGE' }, String(steps));
      t.deepEqual(optimizer.state(), before);
    }
});

test('rejects parameters in the ball and duplicate names', (t) => {
  const inBall = { ...parameter([0.1]), space: 'ball' as const };
  t.throws(() => new ArrayAdamW([inBall], { lr: 0.1 }), { code: 'ERR_HOROBALL_TYPE' });
  t.throws(() => new ArrayAdamW([parameter([1]), parameter([1])], { lr: 0.1 }), {
    code: 'ERR_HOROBALL_TYPE',
  });
  t.throws(() => new ArrayAdamW([], { lr: -1 }), { code: 'ERR_HOROBALL_RANGE' });
});

test('a state that does not fit is rejected by name, and changes nothing', (t) => {
  const optimizer = new ArrayAdamW([parameter([1, 2])], { lr: 0.1 });
  optimizer.step(gradientOf([1, 1]));
  const before = optimizer.state();
  const changed = (data: unknown): typeof before =>
    new Map<string, unknown>([...before, ['w.second', { shape: [1], data }]]) as typeof before;
  const refused = (code: string, data: unknown) =>
    t.throws(() => optimizer.loadState(changed(data)), {
      code,
      message: /^\[arrayAdamW\.loadState\] w\.second:/,
    });
  refused('ERR_HOROBALL_SHAPE', new Float64Array(3));
  refused('ERR_HOROBALL_SHAPE', new Float64Array(1));
  refused('ERR_HOROBALL_SHAPE', undefined);
  refused('ERR_HOROBALL_TYPE', [1, 2]);
  t.deepEqual(optimizer.state(), before);
});

test('names are strings, and a parameter that was replaced is checked', (t) => {
  for (const name of [Symbol('w'), Object.create(null), undefined, 1])
    t.throws(() => new ArrayAdamW([{ ...parameter([1]), name: name as never }], { lr: 0.1 }), {
      code: 'ERR_HOROBALL_TYPE',
    });
  const replaced = { ...parameter([1, 2]) };
  const optimizer = new ArrayAdamW([replaced], { lr: 0.1 });
  for (const value of [null, parameter([1]).value, new Float64Array(0)]) {
    Object.assign(replaced, { value });
    const error = t.throws<NodeJS.ErrnoException>(() => optimizer.step(gradientOf([1, 1])));
    t.regex(String(error?.code), /^ERR_HOROBALL_/);
  }
  t.is(optimizer.state().get('steps')?.data[0], 0);
});

test('a state whose arrays are transferred while it is read changes nothing', (t) => {
  const optimizer = new ArrayAdamW([parameter([1, 2])], { lr: 0.1 });
  optimizer.step(gradientOf([1, 1]));
  const before = optimizer.state();
  const state = new Map(before);
  const first = new Float64Array(2);
  state.set('w.first', { shape: [1, 2], data: first });
  const second = {
    shape: [1, 2],
    get data() {
      structuredClone(first.buffer, { transfer: [first.buffer] });
      return new Float64Array(2);
    },
  };
  state.set('w.second', second);
  t.throws(() => optimizer.loadState(state), { code: 'ERR_HOROBALL_DETACHED', message: /w\.first/ });
  t.deepEqual(optimizer.state(), before);
});
