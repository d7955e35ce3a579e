import test from 'ava';
import { expmap0, type Matrix, matrix, RiemannianAdam } from '../../lib/index.ts';
import { ArrayAdamW } from '../../lib/layers/array-adamw.ts';
import {
  ConcatPoincareLayer,
  FromPoincare,
  HyperbolicDistanceLayer,
  HyperbolicMLR,
  HypLinear,
  type LayerCallOptions,
  type LayerParameter,
  type LayerPass,
  ToPoincare,
} from '../../lib/layers/layers.ts';
import { close, cloud, inner, type RealsType, Reference, types } from '../support.ts';
import { coreError, referenceError } from '../tolerances.ts';

/** Any layer, without its types. */
interface AnyLayer {
  readonly c: number;
  parameters(): readonly LayerParameter[];
  forward(...args: (Matrix | LayerCallOptions)[]): Promise<LayerPass<Float64Array>>;
}
const layers = {
  ConcatPoincareLayer,
  FromPoincare,
  HyperbolicDistanceLayer,
  HyperbolicMLR,
  HypLinear,
  ToPoincare,
} as unknown as Record<string, new (options: object) => AnyLayer>;

interface Case {
  readonly layer: string;
  readonly options: { readonly c: number };
  readonly parameters: readonly string[];
}
const reference = await Reference.open('layers');
const cases = JSON.parse(reference.metadata['cases']!) as Case[];
const typeName = (type: RealsType) => (type === Float64Array ? 'float64' : 'float32');

/** Creates the layer of a case, with the parameters of the reference file. */
function layerOf({ layer, options, parameters }: Case, index: number, type: RealsType, more = {}): AnyLayer {
  const made = new layers[layer]!({ ...options, type: typeName(type), ...more });
  const own = made.parameters();
  for (const name of parameters)
    own.find((each) => each.name === name)!.value.data.set(reference.reals(`${index}.${name}`));
  return made;
}

const inputsOf = (index: number, type: RealsType): Matrix[] =>
  ['x0', 'x1'].flatMap((name) =>
    reference.has(`${index}.${name}`) ? [reference.matrix(`${index}.${name}`, type)] : [],
  );

for (const [index, one] of cases.entries()) {
  const title = `${one.layer} ${JSON.stringify(one.options)}`;
  for (const type of types) {
    test(`${title} ${type.name}: values and gradients equal those of the published code`, async (t) => {
      const layer = layerOf(one, index, type, { compat: 'hypmix' });
      const { output, backward } = await layer.forward(...inputsOf(index, type));
      const limit = referenceError.layers[typeName(type)];
      const at = (name: string) => reference.reals(`${index}.${name}`);
      close(t, output.data, at('out'), limit, 'output');
      const cotangent = reference.matrix(`${index}.cotangent`, type) as Matrix<Float64Array>;
      const { inputs, parameters, c } = await backward(cotangent);
      for (const [i, gradient] of inputs.entries()) close(t, gradient.data, at(`grad.x${i}`), limit, `x${i}`);
      for (const name of one.parameters)
        close(t, parameters.get(name)!.data, at(`grad.${name}`), limit, name);
      // In the published ConcatPoincareLayer, the linear layers ignore the c of the call, so its gradient is incomplete.
      if (one.layer !== 'ConcatPoincareLayer') close(t, [c], at('grad.c'), limit, 'c');
      if ('learnC' in one.options) t.is(parameters.get('c')!.data[0], c);
    });
  }

  test(`${title}: gradients equal finite differences of the clean formulas`, async (t) => {
    const options = { riemannian: false };
    const layer = layerOf(one, index, Float64Array, one.layer === 'ToPoincare' ? options : {});
    const rows = inputsOf(index, Float64Array) as Matrix<Float64Array>[];
    // Finite differences need points away from the projection radius and from the norm at which features are clipped.
    const share = one.layer === 'ToPoincare' ? 0.9 : 0.7 / Math.sqrt(one.options.c);
    const smooth = rows.map(
      ({ rows: n, cols }, i) => cloud(Float64Array, n, cols, share, i + 3) as Matrix<Float64Array>,
    );
    const { output, backward } = await layer.forward(...smooth);
    const cotangent = cloud(Float64Array, output.rows, output.cols, 1, 9) as Matrix<Float64Array>;
    const got = await backward(cotangent);
    const value = async () => inner((await layer.forward(...smooth)).output.data, cotangent.data);
    const check = async (what: string, { data, cols }: Matrix, gradient: Matrix) => {
      const want: number[] = [];
      for (let i = 0; i < data.length; i++) {
        const row = Math.floor(i / cols) * cols;
        // The step is relative to the row's norm, because the formulas are smooth on that scale.
        const [center, step] = [data[i]!, 1e-3 * (Math.hypot(...data.subarray(row, row + cols)) || 0.1)];
        const from: number[] = [];
        for (const k of [-2, -1, 1, 2]) {
          data[i] = center + k * step;
          from.push(await value());
        }
        data[i] = center;
        want.push((from[0]! - 8 * from[1]! + 8 * from[2]! - from[3]!) / (12 * step));
      }
      close(t, gradient.data, want, referenceError.differences, what);
    };
    for (const [i, each] of smooth.entries()) await check(`x${i}`, each, got.inputs[i]!);
    for (const { name, value: parameter } of layer.parameters())
      await check(name, parameter, got.parameters.get(name)!);
  });
}

test('forward passes of one layer are independent, and each runs backward once', async (t) => {
  const layer = new HypLinear({ inputs: 3, outputs: 2, c: 1, type: 'float64' });
  const [x, y] = [
    cloud(Float64Array, 4, 3, 0.5, 1),
    cloud(Float64Array, 4, 3, 0.5, 2),
  ] as Matrix<Float64Array>[];
  const cotangent = cloud(Float64Array, 4, 2, 1, 3) as Matrix<Float64Array>;
  const alone = await (await layer.forward(x!)).backward(cotangent);
  const [first, second] = [await layer.forward(x!), await layer.forward(y!)];
  await second.backward(cotangent);
  for (const { value } of layer.parameters()) value.data.fill(0.1); // a step between the passes
  t.deepEqual(await first.backward(cotangent), alone);
  await t.throwsAsync(first.backward(cotangent), { code: 'ERR_HOROBALL_NO_GRAPH' });
  await t.throwsAsync((await layer.forward(x!)).backward(x!), { code: 'ERR_HOROBALL_SHAPE' });
});

test('a pass uses the parameters as they were when it began', async (t) => {
  const options = { inputs: 3, outputs: 2, c: 0.7, type: 'float64' as const };
  const x = matrix([[0.1, -0.2, 0.3]]);
  const expected = await new HypLinear(options).forward(x);
  const layer = new HypLinear(options);
  const pass = layer.forward(x);
  for (const { value } of layer.parameters()) value.data.fill(0.5);
  t.deepEqual((await pass).output, expected.output);
});

test('transferred parameters are errors that name them', async (t) => {
  const transfer = (layer: HypLinear | ToPoincare, name: string): void => {
    const { data } = layer.parameters().find((each) => each.name === name)!.value;
    structuredClone(data, { transfer: [data.buffer as ArrayBuffer] });
  };
  const layer = new HypLinear({ inputs: 3, outputs: 2, c: 0.7 });
  const { output, backward } = await layer.forward(new Float32Array(3));
  const { parameters } = await backward(output);
  const optimizer = new ArrayAdamW(layer.parameters(), { lr: 0.1 });
  transfer(layer, 'bias');
  const detached = (operation: string) => ({
    code: 'ERR_HOROBALL_DETACHED',
    message: new RegExp(`^\\[${operation}\\] bias:`),
  });
  await t.throwsAsync(layer.forward(new Float32Array(3)), detached('hypLinear.forward'));
  t.throws(() => optimizer.step(parameters), detached('arrayAdamW.step'));
  t.is(optimizer.state().get('steps')!.data[0], 0);
  const map = new ToPoincare({ c: 0.7, learnC: true });
  transfer(map, 'c');
  t.throws(() => map.c, { code: 'ERR_HOROBALL_DETACHED' });
});

test('initial parameters depend only on the seed and have the published range', (t) => {
  const made = (seed: number) =>
    new HyperbolicMLR({ dim: 4, classes: 50, c: 1, seed }).parameters().map(({ value }) => value.data);
  t.deepEqual(made(3), made(3));
  t.notDeepEqual(made(3), made(4));
  for (const data of made(3)) {
    const largest = Math.max(...data.map(Math.abs));
    t.true(largest <= 0.5 && largest > 0.48, `${largest}`);
  }
});

test('rejects an input of another type or width', async (t) => {
  const layer = new HypLinear({ inputs: 3, outputs: 2, c: 1 });
  await t.throwsAsync(layer.forward(new Float64Array(3)), { code: 'ERR_HOROBALL_TYPE' });
  await t.throwsAsync(layer.forward(matrix(new Float32Array(4), 1, 4)), { code: 'ERR_HOROBALL_SHAPE' });
  t.throws(() => new ToPoincare({ c: 0 }), { code: 'ERR_HOROBALL_RANGE' });
  t.throws(() => new ToPoincare({ c: 1, ball_dim: 3 } as never), { code: 'ERR_HOROBALL_OPTION' });
});

test('refuses parameters that would take gigabytes and a minute to fill', (t) => {
  const most = 2 ** 29;
  const error = { code: 'ERR_HOROBALL_MEMORY', message: /parameters of at most 2\^29 elements/ };
  t.throws(() => new HypLinear({ inputs: most + 1, outputs: 1, c: 1 }), error);
  t.throws(() => new HyperbolicMLR({ dim: 2 ** 16, classes: 2 ** 14, c: 1 }), error);
  t.throws(() => new ConcatPoincareLayer({ inputs: [2, most], outputs: 2, c: 1 }), error);
  t.throws(() => new ToPoincare({ dim: Number.MAX_SAFE_INTEGER, c: 1 }), error);
});

for (const space of ['tangent', 'ball'] as const) {
  test(`training separates classes, with points in the ${space} space`, async (t) => {
    const c = 0.5;
    const labels = Int32Array.from({ length: 30 }, (_, i) => i % 3);
    const features = cloud(Float64Array, 30, 2, 0.3, 5);
    for (const [i, label] of labels.entries()) {
      features.data[2 * i]! += Math.cos((2 * Math.PI * label) / 3);
      features.data[2 * i + 1]! += Math.sin((2 * Math.PI * label) / 3);
    }
    const x = expmap0.sync(features, { c }) as Matrix<Float64Array>;
    const layer = new HyperbolicMLR({ dim: 2, classes: 3, c, type: 'float64', points: space, seed: 1 });
    const vectors = layer.parameters().filter((each) => each.space === 'vector');
    const inBall = layer.parameters().filter((each) => each.space === 'ball');
    t.is(inBall.length, space === 'ball' ? 1 : 0);
    const adam = new ArrayAdamW(vectors, { lr: 0.05 });
    const riemannian = inBall.map(({ value }) => new RiemannianAdam(value, { c, lr: 0.05 }));
    let losses: number[] = [];
    for (let step = 0; step < 60; step++) {
      const { output, backward } = await layer.forward(x);
      const cotangent = matrix(new Float64Array(90), 30, 3);
      let loss = 0;
      for (let i = 0; i < 30; i++) {
        const row = output.data.subarray(3 * i, 3 * i + 3);
        const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
        for (let k = 0; k < 3; k++) cotangent.data[3 * i + k] = Math.exp(row[k]!) / total / 30;
        cotangent.data[3 * i + labels[i]!]! -= 1 / 30;
        loss += (Math.log(total) - row[labels[i]!]!) / 30;
      }
      losses = [...losses, loss];
      const { parameters } = await backward(cotangent);
      adam.step(parameters);
      for (const each of riemannian) each.step(parameters.get('points')! as never);
    }
    t.true(losses.at(-1)! < 0.1 * losses[0]!, `${losses[0]} to ${losses.at(-1)}`);
  });
}

test('with a learnable c, a step changes the curvature of the next pass', async (t) => {
  const layer = new ToPoincare({ c: 1, learnC: true, type: 'float64' });
  const x = cloud(Float64Array, 3, 2, 1, 4) as Matrix<Float64Array>;
  const { output, backward } = await layer.forward(x);
  const { parameters } = await backward(output);
  new ArrayAdamW(layer.parameters(), { lr: 0.1, weightDecay: 0 }).step(parameters);
  const gradient = parameters.get('c')!.data[0]!;
  close(t, [layer.c], [1 - (0.1 * gradient) / (Math.abs(gradient) + 1e-8)], coreError.tree, 'c');
  t.notDeepEqual((await layer.forward(x)).output.data, output.data);
});
