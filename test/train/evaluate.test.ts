import test from 'ava';
import { matrix } from '../../lib/matrix.ts';
import { type Embedded, measure, recallOf } from '../../lib/train/evaluate.ts';

const cosine = { metric: 'cosine' } as const;

/** Unit vectors in the plane, by angle in degrees. */
function circle(angles: readonly number[]): Float32Array {
  const radians = angles.map((angle) => (angle * Math.PI) / 180);
  return Float32Array.from(radians.flatMap((angle) => [Math.cos(angle), Math.sin(angle)]));
}

const rows = (angles: readonly number[]) => matrix(circle(angles), angles.length, 2);

test('recall counts a query as found where one of the k nearest others is of its class', async (t) => {
  // 0 and 1 are each other's nearest; 4 (class 0) sees 20, 21 (class 1) first, and those see each other.
  const labels = Int32Array.of(0, 0, 0, 1, 1);
  const { at, strict } = await recallOf(rows([0, 1, 30, 40, 41]), labels, undefined, {
    ks: [1, 2, 4],
    distance: cosine,
  });
  t.deepEqual(at, { 1: 4 / 5, 2: 4 / 5, 4: 1 });
  t.deepEqual(strict, []);
});

test('a class with one picture is a miss; k beyond the set is the whole set', async (t) => {
  const { at } = await recallOf(rows([0, 1, 2]), Int32Array.of(0, 0, 1), undefined, {
    ks: [1, 8],
    distance: cosine,
  });
  t.deepEqual(at, { 1: 2 / 3, 8: 2 / 3 });
});

test('strict recall leaves out the class, then the genus', async (t) => {
  // Classes 0, 1 are genus a; 2 is genus b, both of family p; 3 is genus c of family q.
  const parents = [
    ['p/a', 'p'],
    ['p/a', 'p'],
    ['p/b', 'p'],
    ['q/c', 'q'],
  ];
  const labels = Int32Array.of(0, 0, 1, 2, 3);
  const { strict } = await recallOf(rows([0, 5, 20, 33, 60]), labels, parents, { ks: [1], distance: cosine });
  // Without their class, 0 and 5 find 20 (a), 20 finds 33 (b: a miss), 33 finds 20 (a miss), 60 finds 33 (a miss): 20 is 15 from 5 and 13 from 33.
  t.is(strict[0], 2 / 5);
  // Without genus a, 0, 5 and 20 find 33 (p); without b, 33 finds 20 (p); without c, 60 finds 33 (a miss).
  t.is(strict[1], 4 / 5);
});

test('where every class is of one genus, leaving the genus out leaves nobody to be found', async (t) => {
  const parents = [
    ['p/a', 'p'],
    ['p/a', 'p'],
  ];
  const labels = Int32Array.of(0, 0, 1);
  const { strict } = await recallOf(rows([0, 5, 20]), labels, parents, { ks: [1], distance: cosine });
  t.deepEqual(strict, [1, 0]);
});

test('an abort ends strict recall too', async (t) => {
  const controller = new AbortController();
  const parents = [['a'], ['a'], ['b']];
  const hooks = { signal: controller.signal, onQueries: () => controller.abort(new Error('enough')) };
  const call = recallOf(rows([0, 5, 20]), Int32Array.of(0, 1, 2), parents, {
    ks: [1],
    distance: cosine,
    ...hooks,
  });
  await t.throwsAsync(call, { message: 'enough' });
});

/** Embeddings whose three spaces disagree about who is near whom. */
function disagreeing(): Embedded {
  const labels = Int32Array.of(0, 0, 1, 1);
  const direction = circle([0, 90, 10, 80]); // by angle, neighbours are of the other class
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

test('each space is measured on its own output under its own distance', async (t) => {
  const split = { classes: ['a', 'b'], samples: [] };
  const { spaces, pictures, classes } = await measure(disagreeing(), split, 1, { ks: [1] });
  t.deepEqual([pictures, classes], [4, 2]);
  t.is(spaces.body.at['1'], 1);
  t.is(spaces.cosine.at['1'], 0);
  t.is(spaces.hyperbolic.at['1'], 1 / 2); // the two near the origin find each other; those at the rim are far apart
});

test('the published way to evaluate ranks the unit vectors', async (t) => {
  const split = { classes: ['a', 'b'], samples: [] };
  const { spaces } = await measure(disagreeing(), split, 0.1, { ks: [1], compat: 'hypmix' });
  t.is(spaces.hyperbolic.at['1'], spaces.cosine.at['1']);
});

test('with a gallery, the first pictures are looked up in the others', async (t) => {
  const split = { classes: ['a', 'b'], samples: [] };
  const labels = Int32Array.of(0, 1, 0, 1, 1);
  const direction = circle([0, 90, 80, 10, 89]); // the queries find each other's class first
  const embedded = {
    ...disagreeing(),
    labels,
    euclidean: direction,
    hyperbolic: direction.map((x) => x / 2),
  };
  const more = { ...embedded, body: direction, indices: Int32Array.of(0, 1, 2, 3, 4) };
  const { spaces } = await measure(more, split, 1, { ks: [1, 2, 9], queries: 2 });
  t.deepEqual(spaces.cosine.at, { 1: 1 / 2, 2: 1, 9: 1 });
  const missing = { ...more, indices: Int32Array.of(1, 2, 3, 4, 5) }; // the first query could not be read
  t.deepEqual((await measure(missing, split, 1, { ks: [1], queries: 2 })).spaces.cosine.at, { 1: 0 });
});

test('the fused score is measured on request; a tied head ranks it as the cosine', async (t) => {
  const split = { classes: ['a', 'b'], samples: [] };
  const weights = { tauE: 1, tauH: 0.01, lambda: 1 };
  const heard: string[] = [];
  const free = await measure(disagreeing(), split, 1, {
    ks: [1],
    fusion: { ...weights, tied: false },
    onQueries: (space, { rank }) => heard.push(`${space} ${rank.join(' ')}`),
  });
  t.is(free.spaces.fused!.at['1'], free.spaces.hyperbolic.at['1']); // the distance outweighs all
  t.deepEqual(
    heard.map((line) => line.split(' ')[0]),
    ['hyperbolic', 'cosine', 'body', 'fused'],
  );
  t.is(heard[2], 'body 1 1 1 1');
  const tied = await measure(disagreeing(), split, 1, { ks: [1], fusion: { ...weights, tied: true } });
  t.deepEqual(tied.spaces.fused, tied.spaces.cosine);
  t.is((await measure(disagreeing(), split, 1)).spaces.fused, undefined);
});
