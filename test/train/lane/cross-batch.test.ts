import test from 'ava';
import { hybridContrastiveLoss, matrix } from '../../../lib/index.ts';
import { CrossBatchMemory } from '../../../lib/train/index.ts';
import { setThreads } from '../../../lib/train/lane/native.ts';
import { networkError } from '../../tolerances.ts';
import { embed, relativeError, tinyEmbedder, tinyLoss } from '../helpers.ts';

test.before(() => setThreads(1));

const loss = tinyLoss({ tied: false, clipR: null });
const options = { classes: 3, views: 2, dim: 6 };
/** Rows whose values encode their label and position. */
const rows = (labels: number[]): Float32Array =>
  Float32Array.from({ length: 6 * labels.length }, (_, i) => labels[Math.floor(i / 6)]! + i / 1000);

test('the oldest classes are evicted', (t) => {
  const memory = new CrossBatchMemory(options);
  for (const labels of [
    [1, 2, 1, 2],
    [3, 3],
    [1, 1],
    [4, 4],
  ])
    memory.remember(rows(labels), rows(labels), Int32Array.from(labels));
  t.is(memory.size, 3);
  t.deepEqual([...memory.state().get('labels')!.data], [3, 1, 4]);
});

test('a class with another number of rows than views is rejected, and nothing is stored', (t) => {
  const memory = new CrossBatchMemory(options);
  for (const labels of [[1, 1, 1], [1], [1, 1, 2]])
    t.throws(() => memory.remember(rows(labels), rows(labels), Int32Array.from(labels)), {
      code: 'ERR_HOROBALL_SHAPE',
      message: /^\[crossBatchMemory\.remember\] labels: expected 2 rows per class/,
    });
  t.is(memory.size, 0);
});

test('arrays of a subclass with its own constructor are stored like plain arrays', (t) => {
  class Point extends Float32Array {
    constructor(x = 0, y = 0) {
      super([x, y]);
    }
  }
  const memory = new CrossBatchMemory({ classes: 1, views: 2, dim: 1 });
  memory.remember(new Point(1, 2), new Point(3, 4), Int32Array.of(5, 5));
  t.deepEqual([...memory.state().get('euclidean')!.data], [1, 2]);
  t.deepEqual([...memory.state().get('hyperbolic')!.data], [3, 4]);
  const state = memory.state();
  state.set('euclidean', { shape: [1, 2, 1], data: new Point(6, 7) });
  memory.loadState(state);
  t.deepEqual([...memory.state().get('euclidean')!.data], [6, 7]);
});

test.serial('embeddings of another dimension are rejected', async (t) => {
  using model = await tinyEmbedder();
  using batch = embed(model, 4, 1);
  const memory = new CrossBatchMemory({ ...options, dim: 3 });
  const error = { code: 'ERR_HOROBALL_SHAPE', message: /embeddings: expected rows of dimension 3, got 6/ };
  t.throws(() => memory.extend(batch, Int32Array.of(0, 0, 1, 1)), error);
});

test.serial(
  'the loss equals that of one batch with all rows, and only new rows get a gradient',
  async (t) => {
    using model = await tinyEmbedder({ head: 'hyp-vit' });
    const labels = Int32Array.of(0, 1, 0, 1);
    const [older, newer] = [embed(model, 4, 1), embed(model, 4, 2)];
    const memory = new CrossBatchMemory(options);
    // Class 1 is in the batch as well, so only class 7 is appended to it.
    memory.remember(await older.euclidean.data(), await older.hyperbolic.data(), Int32Array.of(7, 7, 1, 1));
    using extended = memory.extend(newer, labels);
    t.deepEqual([...extended.labels], [0, 1, 0, 1, 7, 7]);
    t.is(extended.factor, 1.5);
    using objective = loss.apply(extended, extended.labels);
    objective.backward(extended.factor);

    const [e, h] = [await extended.euclidean.data(), await extended.hyperbolic.data()];
    const fresh = await newer.euclidean.data();
    t.deepEqual(e.subarray(0, 24), fresh);
    t.deepEqual(e.subarray(24), (await older.euclidean.data()).subarray(0, 12));
    t.deepEqual(h.subarray(24), (await older.hyperbolic.data()).subarray(0, 12));
    const got = await model.gradients();

    // The same loss computed directly on all six rows, of which only the first four have a graph.
    using other = await tinyEmbedder({ head: 'hyp-vit' });
    using again = embed(other, 4, 2);
    const {
      loss: value,
      gradEuclidean,
      gradHyperbolic,
    } = hybridContrastiveLoss.sync({
      ...{ geometry: 'hybrid', views: 2, tauE: 0.1, tauH: 0.2, lambda: 1, c: 0.1 },
      labels: extended.labels,
      euclidean: matrix(e, 6, 6),
      hyperbolic: matrix(h, 6, 6),
    });
    t.true(Math.abs((await objective.read()).loss / value - 1) < networkError.order);
    again.euclidean.backward(gradEuclidean!.data.slice(0, 24).map((x) => 1.5 * x));
    const half = await other.gradients();
    using once = await tinyEmbedder({ head: 'hyp-vit' });
    using third = embed(once, 4, 2);
    third.hyperbolic.backward(gradHyperbolic!.data.slice(0, 24).map((x) => 1.5 * x));
    const rest = await once.gradients();
    for (const [name, { data }] of got) {
      const expected = data.map((_, i) => half.get(name)!.data[i]! + rest.get(name)!.data[i]!);
      if (Math.hypot(...expected) > 1e-6)
        t.true(relativeError(data, expected) < networkError.layerGradients, name);
    }
    for (const each of [older, newer]) each.dispose();
  },
);

test('a restored memory equals the saved one', (t) => {
  const one = new CrossBatchMemory(options);
  one.remember(rows([5, 6, 5, 6]), rows([6, 5, 6, 5]), Int32Array.of(5, 6, 5, 6));
  const other = new CrossBatchMemory(options);
  other.loadState(one.state());
  t.deepEqual(other.state(), one.state());
  t.throws(() => new CrossBatchMemory({ ...options, dim: 5 }).loadState(one.state()), {
    code: 'ERR_HOROBALL_SHAPE',
  });
});

test('a state with transferred labels, or rows that are not an array, is rejected with a code', (t) => {
  const one = new CrossBatchMemory(options);
  const labels = new Int32Array(1);
  structuredClone(labels.buffer, { transfer: [labels.buffer] });
  const lost = new Map(one.state()).set('labels', { shape: [1], data: labels });
  t.throws(() => one.loadState(lost), { code: 'ERR_HOROBALL_DETACHED' });
  const data = new Proxy(new Float32Array(1), {});
  t.throws(() => one.loadState(new Map(one.state()).set('euclidean', { shape: [1], data })), {
    code: 'ERR_HOROBALL_SHAPE',
  });
});
