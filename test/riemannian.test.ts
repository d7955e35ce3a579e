import test from 'ava';
import { dist, type Matrix, matrix } from '../lib/index.ts';
import { random } from '../lib/random.ts';
import { RiemannianAdam, RiemannianSGD } from '../lib/riemannian.ts';
import { accuracyOf } from './row-points.ts';
import { close } from './support.ts';
import { allowed, referenceError } from './tolerances.ts';

type Optimizer = RiemannianAdam<Float64Array> | RiemannianSGD<Float64Array>;
const c = 0.7;
const makers: [string, (points: Matrix<Float64Array>, lr?: number) => Optimizer][] = [
  ['SGD', (points, lr = 0.05) => new RiemannianSGD(points, { c, lr })],
  ['SGD with momentum', (points, lr = 0.01) => new RiemannianSGD(points, { c, lr, momentum: 0.9 })],
  ['Adam', (points, lr = 0.05) => new RiemannianAdam(points, { c, lr })],
];

/** Points of the ball of curvature -c, up to the fraction `share` of its radius. */
function points(rows: number, cols: number, share: number, seed: number): Matrix<Float64Array> {
  const next = random(seed);
  const data = new Float64Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    const x = data.subarray(row * cols, (row + 1) * cols);
    for (let i = 0; i < cols; i++) x[i] = next() - 0.5;
    const radius = (share * next()) / Math.sqrt(c) / Math.hypot(...x);
    for (let i = 0; i < cols; i++) x[i]! *= radius;
  }
  return matrix(data, rows, cols);
}

type Pull = { loss: number; gradient: Matrix<Float64Array> };

/** Half the sum of the squared distances between points and their targets, and its Euclidean gradient. */
function pull(x: Matrix<Float64Array>, target: Matrix<Float64Array>): Pull {
  const distances = dist.sync(x, target, { c });
  const [gradient] = dist.vjp.sync(x, target, distances, { c });
  return { loss: distances.data.reduce((sum, distance) => sum + distance ** 2 / 2, 0), gradient };
}

for (const [name, make] of makers) {
  test(`${name} converges to the targets of the points`, (t) => {
    const [x, target] = [points(5, 3, 0.9, 1), points(5, 3, 0.95, 2)];
    const optimizer = make(x);
    const before = pull(x, target).loss;
    for (let step = 0; step < 400; step++) optimizer.step(pull(x, target).gradient);
    t.true(pull(x, target).loss < 1e-3 * before, `${before} to ${pull(x, target).loss}`);
  });

  test(`${name} stays in the ball for any step`, (t) => {
    const x = points(4, 3, 0.9, 3);
    const optimizer = make(x, 1e6);
    const rim = (1 - 1e-3) / Math.sqrt(c);
    for (let step = 0; step < 5; step++) {
      optimizer.step(points(4, 3, 1, step));
      for (let row = 0; row < 4; row++) {
        const radius = Math.hypot(...x.data.subarray(3 * row, 3 * row + 3));
        t.true(radius <= rim * (1 + 1e-12), `${radius}`);
      }
    }
  });

  test(`${name} continues from a saved state bit for bit`, (t) => {
    const [x, target] = [points(5, 3, 0.9, 1), points(5, 3, 0.95, 2)];
    const whole = make(x);
    for (let step = 0; step < 7; step++) whole.step(pull(x, target).gradient);
    const copy = matrix(x.data.slice(), 5, 3);
    const resumed = make(copy);
    resumed.loadState(whole.state());
    for (let step = 0; step < 7; step++) {
      whole.step(pull(x, target).gradient);
      resumed.step(pull(copy, target).gradient);
    }
    t.deepEqual(copy.data, x.data);
    t.throws(() => resumed.loadState(new Map()), { code: 'ERR_HOROBALL_SHAPE' });
  });
}

test('one step of SGD applies the exponential map to the Riemannian gradient', (t) => {
  // On a diameter, artanh(sqrt c exp_x(v)) = artanh(sqrt c x) + sqrt c v / (1 - c x^2), and the Riemannian gradient is the
  // Euclidean one times (1 - c x^2)^2 / 4.
  const [x, gradient, lr] = [0.4, -0.3, 0.8];
  const line = matrix(Float64Array.of(x, 0), 1, 2);
  new RiemannianSGD(line, { c, lr }).step(Float64Array.of(gradient, 0));
  const a = 1 - c * x * x;
  const velocity = (-lr * gradient * a * a) / 4;
  const expected = Math.tanh(Math.atanh(Math.sqrt(c) * x) + (Math.sqrt(c) * velocity) / a) / Math.sqrt(c);
  close(t, [line.data[0]!], [expected], accuracyOf('expmap').value.float64, 'step');
});

test('the first step of Adam has the length of the learning rate at any point', (t) => {
  for (const radius of [0, 0.5, 0.9]) {
    const start = Float64Array.of(radius / Math.sqrt(c), 0);
    const x = matrix(start.slice(), 1, 2);
    new RiemannianAdam(x, { c, lr: 0.01, eps: 1e-30 }).step(Float64Array.of(0.3, -0.7));
    const moved = dist.sync(start, x, { c }).data[0]!;
    close(
      t,
      [moved],
      [0.01],
      allowed(Float64Array, accuracyOf('dist').value, referenceError.closedForms),
      `${radius}`,
    );
  }
});

test('transport preserves the Riemannian length of a moment', (t) => {
  const x = matrix(Float64Array.of(0.5, 0.1, -0.2), 1, 3);
  const optimizer = new RiemannianSGD(x, { c, lr: 0.5, momentum: 0.9 });
  const length = (): number => {
    const velocity = optimizer.state().get('velocity')!.data;
    return (2 * Math.hypot(...velocity)) / (1 - c * Math.hypot(...x.data) ** 2);
  };
  const start = 1 - c * (0.25 + 0.01 + 0.04);
  const gradient = Float64Array.of(1, 2, 3);
  optimizer.step(gradient);
  const expected = (2 / start) * ((start * start) / 4) * Math.hypot(...gradient);
  const limit = allowed(Float64Array, accuracyOf('parallelTransport').value, referenceError.closedForms);
  close(t, [length()], [expected], limit, 'length');
});

test('invalid arguments are rejected', (t) => {
  const x = points(2, 3, 0.5, 1);
  t.throws(() => new RiemannianSGD(x, { c: 0, lr: 1 }), { code: 'ERR_HOROBALL_RANGE' });
  t.throws(() => new RiemannianSGD(x, { c, lr: -1 }), { code: 'ERR_HOROBALL_RANGE' });
  t.throws(() => new RiemannianSGD(x, { c, lr: 1, momentum: 1 }), { code: 'ERR_HOROBALL_RANGE' });
  t.throws(() => new RiemannianAdam(x, { c, lr: 1 }).step(new Float64Array(3)), {
    code: 'ERR_HOROBALL_SHAPE',
  });
});

test('errors name the method of the optimizer, not the operations that it uses', (t) => {
  for (const [name, Optimizer] of [
    ['riemannianSGD', RiemannianSGD],
    ['riemannianAdam', RiemannianAdam],
  ] as const) {
    const made = (x = points(2, 3, 0.5, 1)) => new Optimizer(x, { c, lr: 1 });
    const detached = points(2, 3, 0.5, 1);
    const optimizer = made(detached);
    structuredClone(detached.data.buffer, { transfer: [detached.data.buffer as ArrayBuffer] });
    const calls: [string, () => unknown, string][] = [
      [name, () => made(null as never), 'points'],
      [`${name}.step`, () => made().step(new Float64Array(3)), 'gradient'],
      [`${name}.step`, () => made().step(points(2, 3, 0.5, 1), { lr: -1 }), 'lr'],
      [`${name}.step`, () => made().step(points(2, 3, 0.5, 1), { rate: 1 } as object), 'options'],
      [`${name}.step`, () => optimizer.step(points(2, 3, 0.5, 1)), 'points'],
      [`${name}.loadState`, () => made().loadState([] as never), 'state'],
    ];
    for (const [operation, call, argument] of calls) {
      const { message } = t.throws(call)!;
      t.true(message.startsWith(`[${operation}] ${argument}: expected `), message);
    }
  }
  const betas = [0.9] as unknown as readonly [number, number];
  t.throws(() => new RiemannianAdam(points(2, 3, 0.5, 1), { c, lr: 1, betas }), {
    message: '[riemannianAdam] betas: expected two numbers, got an array of length 1',
  });
  const optimizer = new RiemannianAdam(points(2, 3, 0.5, 1), { c, lr: 1 });
  t.throws(() => optimizer.loadState(new Proxy(optimizer.state(), {})), {
    message:
      /state: expected a Map returned by state\(\), got a proxy or an object that only inherits from Map/,
  });
});

test('a rejected step or state changes nothing', (t) => {
  for (const [, make] of makers) {
    const [x, target] = [points(5, 3, 0.9, 1), points(5, 3, 0.95, 2)];
    const optimizer = make(x);
    const { gradient } = pull(x, target);
    optimizer.step(gradient);
    const before = optimizer.state();
    t.throws(() => optimizer.step(gradient, { lr: Number.NaN }), { code: 'ERR_HOROBALL_RANGE' });
    const halfMissing = new Map(
      [...before].map(([key, { data }], i, all) => [
        key,
        { shape: [], data: i === all.length - 1 ? new Float64Array(0) : data.map(() => 1) },
      ]),
    );
    t.throws(() => optimizer.loadState(halfMissing), { code: 'ERR_HOROBALL_SHAPE' });
    t.deepEqual(optimizer.state(), before);
  }
});

test('a state whose arrays are transferred while it is read changes nothing', (t) => {
  const optimizer = new RiemannianAdam(points(2, 3, 0.9, 1), { c, lr: 0.1 });
  const before = optimizer.state();
  const first = new Float64Array(6).fill(1);
  const second = {
    shape: [2],
    get data() {
      structuredClone(first.buffer, { transfer: [first.buffer] });
      return new Float64Array(2).fill(1);
    },
  };
  const state = new Map(before).set('first', { shape: [2, 3], data: first }).set('second', second);
  t.throws(() => optimizer.loadState(state), { code: 'ERR_HOROBALL_DETACHED', message: /first/ });
  t.deepEqual(optimizer.state(), before);
});
