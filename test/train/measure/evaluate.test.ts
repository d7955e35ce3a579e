import test from 'ava';
import { ImageLoader } from '../../../lib/train/data/loader.ts';
import { type Embedded, evaluate, gathered, measure } from '../../../lib/train/measure/evaluate.ts';
import { tinyEmbedder, tinyViT } from '../helpers.ts';
import { circle } from './points.ts';

/** Embeddings whose nearest neighbors differ between the three spaces. */
function disagreeing(): Embedded {
  const labels = Int32Array.of(0, 0, 1, 1);
  const direction = circle([0, 90, 10, 80]); // by angle, the nearest neighbors have the other class
  const radius = [0.1, 0.12, 0.9, 0.95];
  const hyperbolic = direction.map((value, i) => value * radius[i >> 1]!);
  return {
    body: circle([0, 1, 90, 91]),
    euclidean: direction,
    hyperbolic,
    bodyWidth: 2,
    width: 2,
    labels,
    indices: Int32Array.of(0, 1, 2, 3),
  };
}

test('each space uses its own output and distance', async (t) => {
  const split = { classes: ['a', 'b'], samples: [] };
  const { spaces, pictures, classes } = await measure(disagreeing(), split, 1, { ks: [1] });
  t.deepEqual([pictures, classes], [4, 2]);
  t.is(spaces.body.at['1'], 1);
  t.is(spaces.cosine.at['1'], 0);
  t.is(spaces.hyperbolic.at['1'], 1 / 2); // only the two points near the origin have a nearest neighbor of their class
});

test('the published evaluation ranks the unit vectors', async (t) => {
  const split = { classes: ['a', 'b'], samples: [] };
  const { spaces } = await measure(disagreeing(), split, 0.1, { ks: [1], compat: 'hypmix' });
  t.is(spaces.hyperbolic.at['1'], spaces.cosine.at['1']);
});

test('with a gallery, the first images are queries and the others the gallery', async (t) => {
  const split = { classes: ['a', 'b'], samples: [] };
  const labels = Int32Array.of(0, 1, 0, 1, 1);
  const direction = circle([0, 90, 80, 10, 89]); // the nearest image of each query has the class of the other query
  const embedded = {
    ...disagreeing(),
    labels,
    euclidean: direction,
    hyperbolic: direction.map((x) => x / 2),
  };
  const more = { ...embedded, body: direction, indices: Int32Array.of(0, 1, 2, 3, 4) };
  const { spaces } = await measure(more, split, 1, { ks: [1, 2, 9], queries: 2 });
  t.deepEqual(spaces.cosine.at, { 1: 1 / 2, 2: 1, 9: 1 });
  const missing = { ...more, indices: Int32Array.of(1, 2, 3, 4, 5) }; // as if the first query were unreadable
  t.deepEqual((await measure(missing, split, 1, { ks: [1], queries: 2 })).spaces.cosine.at, { 1: 0 });
});

test('the fused score is measured on request; for a tied head it ranks like the cosine', async (t) => {
  const split = { classes: ['a', 'b'], samples: [] };
  const weights = { tauE: 1, tauH: 0.01, lambda: 1 };
  const reported: string[] = [];
  const free = await measure(disagreeing(), split, 1, {
    ks: [1],
    fusion: { ...weights, tied: false },
    onQueries: (space, { rank }) => reported.push(`${space} ${rank.join(' ')}`),
  });
  t.is(free.spaces.fused!.at['1'], free.spaces.hyperbolic.at['1']); // the distance dominates the score
  t.deepEqual(
    reported.map((line) => line.split(' ')[0]),
    ['hyperbolic', 'cosine', 'body', 'fused'],
  );
  t.is(reported[2], 'body 1 1 1 1');
  const tied = await measure(disagreeing(), split, 1, { ks: [1], fusion: { ...weights, tied: true } });
  t.deepEqual(tied.spaces.fused, tied.spaces.cosine);
  t.is((await measure(disagreeing(), split, 1)).spaces.fused, undefined);
});

test('labels outside the classes and an incomplete fused score are rejected', async (t) => {
  const split = { classes: ['a', 'b'], samples: [] };
  const tree = { ...split, parents: [['g'], ['g']] };
  const outside = { ...disagreeing(), labels: disagreeing().labels.map(() => 99) };
  await t.throwsAsync(measure(outside, tree, 1), { code: 'ERR_HOROBALL_RANGE', message: /labels/ });
  const fusion = { tauE: 0.1, tauH: 0.1, lambda: 1, tied: false };
  for (const key of ['tauE', 'tauH', 'lambda'] as const)
    for (const wrong of [undefined, 'x', Number.NaN, -1])
      await t.throwsAsync(measure(disagreeing(), split, 1, { fusion: { ...fusion, [key]: wrong } }), {
        message: new RegExp(`^\\[measure\\] fusion\\.${key}: `),
      });
});

test('a loader of other images than the split is rejected', async (t) => {
  using embedder = await tinyEmbedder();
  const samples = ['a.png', 'b.png'].map((path) => ({ path, label: 0 }));
  const split = { classes: ['any', 'other'], samples };
  const loader = new ImageLoader(split, { size: tinyViT.imgSize as number, mode: 'eval', seed: 0 });
  const others = [samples.slice(1), samples.toReversed(), samples.map((sample) => ({ ...sample, label: 1 }))];
  for (const other of others)
    await t.throwsAsync(evaluate(embedder, { ...split, samples: other }, loader), {
      code: 'ERR_HOROBALL_RANGE',
      message: /loader: expected a loader of the split/,
    });
  await t.throwsAsync(evaluate(embedder, { ...split, samples: [...samples] }, loader), {
    code: 'ERR_HOROBALL_PICTURE',
  });
});

test('labels and indices of all ranks are gathered without rounding', async (t) => {
  const own = { ...disagreeing(), labels: Int32Array.of(2 ** 24 + 1, 2 ** 31 - 1, 0x7f800001, 3) };
  const parts = { ...own, indices: Int32Array.of(5, 2 ** 24 + 3, 2 ** 25 + 1, 2 ** 31 - 3).subarray(1) };
  const twice = async (values: Float32Array): Promise<Float32Array> => {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return new Float32Array(Uint8Array.of(...bytes, ...bytes).buffer);
  };
  const { labels, indices } = await gathered(parts, { size: 2, gatherValues: twice });
  t.deepEqual(labels, Int32Array.of(...parts.labels, ...parts.labels));
  t.deepEqual(indices, Int32Array.of(...parts.indices, ...parts.indices));
});
