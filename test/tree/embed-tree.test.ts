// embedTree: quality of the embedding, gradients, and independence of thread count and model.
import test from 'ava';
import { runStepsSync } from '../../lib/call/run.ts';
import { embedTree, isHoroballError, type Node, pairwiseDistance } from '../../lib/index.ts';
import { relationOf } from '../../lib/tree/graph.ts';
import { batchLosses, evaluateNodes, nodeGradients, scatter, type TreeState } from '../../lib/tree/kernel.ts';
import { runTree } from '../../lib/wasm/tree.ts';
import { coreError, referenceError } from '../tolerances.ts';

/** Edges from each node of a binary tree to its parent. */
function binaryTree(depth: number): [number, number][] {
  return Array.from({ length: 2 ** depth - 2 }, (_, i) => [i + 1, Math.floor(i / 2)]);
}

test('embeds a binary tree almost perfectly in two dimensions', async (t) => {
  const losses: number[] = [];
  const { points, nodes, meanRank, map } = await embedTree(binaryTree(6), {
    dim: 2,
    relation: 'ancestors',
    epochs: 150,
    onProgress: (done, total, loss) => {
      t.is(total, 150);
      t.is(losses.push(loss), done);
    },
  });
  t.is(points.rows, 63);
  t.is(points.cols, 2);
  t.deepEqual(nodes, [...Array(63).keys()]);
  t.true(map > 0.85, `MAP ${map}`);
  t.true(meanRank < 1.8, `mean rank ${meanRank}`);
  t.true(losses.at(-1)! < 0.3 * losses[0]!);
  const norm = (row: number): number => Math.hypot(...points.data.subarray(2 * row, 2 * row + 2));
  const leaves = [...Array(32).keys()].map((i) => norm(31 + i));
  t.true(norm(0) < Math.min(...leaves), 'the root is nearest to the origin');
});

test('a step of any size ends inside the ball', async (t) => {
  for (const lr of [1e3, 1e9]) {
    const { points } = await embedTree(binaryTree(4), { dim: 2, lr, epochs: 12, c: 1 });
    for (let row = 0; row < points.rows; ++row)
      t.true(Math.hypot(...points.data.subarray(2 * row, 2 * row + 2)) < 1, `lr ${lr}, row ${row}`);
  }
});

test('mean rank and MAP agree with the returned points', async (t) => {
  const edges = binaryTree(5);
  const { points, meanRank, map, ranked } = await embedTree(edges, { dim: 3, epochs: 20, c: 0.7 });
  t.is(ranked, points.rows);
  const { starts, related } = runStepsSync('embedTree', relationOf(edges, false));
  const distances = pairwiseDistance.sync(points, undefined, { c: 0.7 });
  let [ranks, precisions] = [0, 0];
  for (let u = 0; u < points.rows; ++u) {
    const own = new Set(related.subarray(starts[u], starts[u + 1]));
    const order = [...Array(points.rows).keys()]
      .filter((v) => v !== u)
      .sort((a, b) => distances.data[u * points.rows + a]! - distances.data[u * points.rows + b]!);
    let [found, rank, precision] = [0, 0, 0];
    for (const [at, v] of order.entries()) {
      if (!own.has(v)) continue;
      rank += at + 1 - found;
      found += 1;
      precision += found / (at + 1);
    }
    ranks += rank / own.size;
    precisions += precision / own.size;
  }
  t.true(Math.abs(ranks / points.rows - meanRank) < coreError.tree);
  t.true(Math.abs(precisions / points.rows - map) < coreError.tree);
});

test('results do not depend on the number of threads, nor distances on the model', async (t) => {
  const edges = binaryTree(5);
  const options = { dim: 3, c: 2, epochs: 4, seed: 7, batch: 8 };
  const one = await embedTree(edges, { ...options, threads: 1 });
  const three = await embedTree(edges, { ...options, threads: 3 });
  t.deepEqual(three, one);
  const { points } = await embedTree(edges, { ...options, model: 'lorentz' });
  const there = pairwiseDistance.sync(points, undefined, { metric: 'lorentz', c: 2 });
  const here = pairwiseDistance.sync(one.points, undefined, { c: 2 });
  for (const [i, d] of here.data.entries()) t.true(Math.abs(d - there.data[i]!) < coreError.tree);
  const other = await embedTree(edges, { ...options, seed: 8 });
  t.notDeepEqual(other.points, one.points);
});

/** Returns the state of a tree of three nodes, in different directions and at different distances from the origin. */
function stateOf(c: number): TreeState {
  const [dim, negatives] = [2, 1];
  const place = (r: number, angle: number): number[] => [
    Math.cosh(r),
    Math.sinh(r) * Math.cos(angle),
    Math.sinh(r) * Math.sin(angle),
  ];
  return {
    points: Float64Array.from([place(0.7, 0), place(1.1, 2), place(2, 4)].flat()),
    gradients: new Float64Array(9),
    pairs: Int32Array.of(0, 1),
    order: Int32Array.of(0),
    starts: Int32Array.of(0, 1, 1, 1),
    related: Int32Array.of(1),
    nodes: new Int32Array(3),
    factors: new Float64Array(2),
    losses: new Float64Array(1),
    ranks: new Float64Array(3),
    precisions: new Float64Array(3),
    ...{ dim, negatives, batch: 1, seed: 1, c },
  };
}

test('the gradient equals the slope of the loss', (t) => {
  for (const c of [1, 0.3]) {
    const lossAt = (change?: (points: Float64Array) => void): number => {
      const state = stateOf(c);
      change?.(state.points);
      batchLosses(state, 0, 0, 0, 1);
      return state.losses[0]!;
    };
    const state = stateOf(c);
    batchLosses(state, 0, 0, 0, 1);
    t.deepEqual(nodeGradients(state, 1, 0, 1), [0, 1, 2]);
    for (let node = 0; node < 3; ++node) {
      const at = 3 * node;
      const x = stateOf(c).points.slice(at, at + 3);
      // Along the tangent (0, 1, 0) + <x, (0, 1, 0)> x, the slope is the inner product with the gradient.
      const tangent = [x[1]! * x[0]!, 1 + x[1]! * x[1]!, x[1]! * x[2]!];
      const h = 1e-6;
      const moved = (sign: number): number =>
        lossAt((points) => {
          for (let i = 1; i < 3; ++i) points[at + i] = x[i]! + sign * h * tangent[i]!;
          points[at] = Math.hypot(1, points[at + 1]!, points[at + 2]!);
        });
      const slope = (moved(1) - moved(-1)) / (2 * h);
      const g = state.gradients.subarray(at, at + 3);
      const inner = -tangent[0]! * g[0]! + tangent[1]! * g[1]! + tangent[2]! * g[2]!;
      t.true(
        Math.abs(slope - inner / Math.sqrt(c)) < referenceError.differences * Math.max(1, Math.abs(slope)),
        `${slope} ${inner}`,
      );
    }
  }
});

test('gives the same result on one thread with pauses, as in browsers', async (t) => {
  const edges = binaryTree(5);
  const { points } = await embedTree(edges, { dim: 2, epochs: 3, batch: 4, model: 'lorentz' });
  const { pairs, starts, related } = runStepsSync('embedTree', relationOf(edges, false));
  const n = starts.length - 1;
  const state: TreeState = {
    ...{ pairs, starts, related, dim: 2, negatives: 50, batch: 4, seed: 0, c: 1 },
    points: new Float64Array(3 * n),
    gradients: new Float64Array(3 * n),
    order: new Int32Array(pairs.length / 2),
    nodes: new Int32Array(4 * 52),
    factors: new Float64Array(4 * 51),
    losses: new Float64Array(4),
    ranks: new Float64Array(n),
    precisions: new Float64Array(n),
  };
  const work = { state, epochs: 3, burnIn: 10, rate: 0.1, barrier: new Int32Array(2) };
  await runTree(work, 0, () => {}, undefined);
  t.deepEqual(state.points, points.data as Float64Array);
  const late = runTree(work, 0, () => {}, AbortSignal.abort(new Error('enough')));
  await late.catch(({ message }: Error) => t.is(message, 'enough'));
});

test('of a large graph, a random sample of nodes is ranked, with the same results for each', (t) => {
  const { pairs, starts, related } = runStepsSync('embedTree', relationOf(binaryTree(7), true));
  const n = starts.length - 1;
  const evaluated = (parts: number, seed: number, limits?: { distances: number; nodes: number }) => {
    const state: TreeState = {
      ...{ pairs, starts, related, dim: 2, negatives: 1, batch: 1, seed: 0, c: 1 },
      points: new Float64Array(3 * n),
      gradients: new Float64Array(0),
      order: new Int32Array(0),
      nodes: new Int32Array(0),
      factors: new Float64Array(0),
      losses: new Float64Array(0),
      ranks: new Float64Array(n),
      precisions: new Float64Array(n),
    };
    scatter(state);
    for (let part = 0; part < parts; ++part)
      for (const _ of evaluateNodes({ ...state, seed }, part, parts, limits));
    return state;
  };
  const chosen = ({ ranks }: TreeState): number[] =>
    [...ranks.keys()].filter((u) => !Number.isNaN(ranks[u]!));
  const whole = evaluated(1, 0);
  t.is(chosen(whole).length, n - 1, 'all except the root, which has no ancestors');
  for (const [limits, count] of [
    [{ distances: 20 * n, nodes: 1 }, 20],
    [{ distances: 20 * n + n - 1, nodes: 1 }, 20],
    [{ distances: n, nodes: 30 }, 30],
    [{ distances: 2 * n * n, nodes: 1 }, n - 1],
  ] as const) {
    const sample = evaluated(1, 0, limits);
    t.is(chosen(sample).length, count);
    for (const u of chosen(sample))
      t.deepEqual(
        [sample.ranks[u], sample.precisions[u]],
        [whole.ranks[u], whole.precisions[u]],
        `node ${u}`,
      );
    t.deepEqual(chosen(evaluated(3, 0, limits)), chosen(sample), 'independent of the threads');
    if (count < n - 1) t.notDeepEqual(chosen(evaluated(1, 1, limits)), chosen(sample));
  }
});

test('a chain with too many ancestors is rejected when the limit is reached', async (t) => {
  t.timeout(300_000);
  const chain = Array.from({ length: 40_000 }, (_, i) => [i + 1, i] as const);
  const before = process.memoryUsage.rss();
  await t.throwsAsync(embedTree(chain, { dim: 2, relation: 'ancestors' }), {
    code: 'ERR_HOROBALL_RANGE',
    message: /at most 134217728 pairs/,
  });
  t.true(process.memoryUsage.rss() - before < 2 ** 30, 'four bytes per pair, not those of 800 million pairs');
});

test("relation 'ancestors' includes indirect ancestors, and rejects a cycle", async (t) => {
  const edges: [Node, Node][] = [
    ['lion', 'cat'],
    ['cat', 'animal'],
    ['dog', 'animal'],
  ];
  const { nodes, starts, related } = runStepsSync('embedTree', relationOf(edges, true));
  const of = (name: string): unknown[] => {
    const u = nodes.indexOf(name);
    return Array.from(related.subarray(starts[u], starts[u + 1]), (v) => nodes[v]);
  };
  t.deepEqual(of('lion'), ['cat', 'animal']);
  t.deepEqual(of('animal'), []);
  const star = Array.from({ length: 200_000 }, (_, i): [Node, Node] => [0, i + 1]);
  t.is(runStepsSync('embedTree', relationOf(star, true)).related.length, star.length);
  const cycle = embedTree([...edges, ['animal', 'lion']], { dim: 2, relation: 'ancestors' });
  t.regex(
    (await t.throwsAsync(cycle))!.message,
    /^\[embedTree\] edges: expected edges without a cycle .*, got a cycle through/,
  );
});

test('rejects wrong arguments, and ends an aborted call', async (t) => {
  const edges: [Node, Node][] = [['a', 'b']];
  const wrong: [unknown, object, RegExp][] = [
    [undefined, { dim: 2 }, /edges: expected pairs of nodes/],
    [[], { dim: 2 }, /edges: expected at least one pair/],
    [[['a', 'a']], { dim: 2 }, /edges\[0\]: expected two different nodes/],
    [[['a', 1.5]], { dim: 2 }, /edges\[0\]: expected strings or integers/],
    [[['a']], { dim: 2 }, /edges\[0\]: expected a pair of nodes/],
    [edges, {}, /dim: expected an integer/],
    [edges, { dim: 2, epoch: 3 }, /options: expected one of .* got 'epoch'/],
    [edges, { dim: 2, c: 0 }, /c: expected a finite number > 0/],
    [edges, { dim: 2, model: 'klein' }, /model: expected one of 'poincare', 'lorentz'/],
  ];
  for (const [given, options, message] of wrong) {
    const error = await t.throwsAsync(embedTree(given as typeof edges, options as never));
    t.true(isHoroballError(error));
    t.regex(error!.message, message);
  }
  const controller = new AbortController();
  const long = embedTree(binaryTree(8), {
    ...{ dim: 4, epochs: 1000, signal: controller.signal },
    onProgress: () => controller.abort(new Error('enough')),
  });
  t.is((await t.throwsAsync(long))!.message, 'enough');
  const failing = embedTree(edges, {
    dim: 2,
    onProgress: () => {
      throw new Error('mine');
    },
  });
  t.is((await t.throwsAsync(failing))!.message, 'mine');
});

test('an iterable without an end is rejected', (t) => {
  function* same(): Generator<[string, string]> {
    for (;;) yield ['a', 'b'];
  }
  function* chain(): Generator<[number, number]> {
    for (let i = 0; ; ++i) yield [i, i + 1];
  }
  const limits = { edges: 1000, nodes: 100 };
  for (const [edges, limit] of [
    [same(), '1000 pairs of nodes'],
    [chain(), '100 nodes'],
  ] as const)
    t.throws(() => runStepsSync('embedTree', relationOf(edges, false, limits)), {
      code: 'ERR_HOROBALL_RANGE',
      message: `[embedTree] edges: expected at most ${limit}, got more (is the iterable endless?)`,
    });
});
