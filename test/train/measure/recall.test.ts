import test from 'ava';
import { matrix } from '../../../lib/matrix.ts';
import { random } from '../../../lib/random.ts';
import { recallOf } from '../../../lib/train/measure/recall.ts';
import { startCpuClock } from '../../cpu-clock.ts';
import { circle } from './points.ts';

const cosine = { metric: 'cosine' } as const;

const rows = (angles: readonly number[]) => matrix(circle(angles), angles.length, 2);

test('a query is a hit if one of its k nearest neighbors has its class', async (t) => {
  // The pairs 0, 1 and 40, 41 are mutual nearest neighbors of the same class; the nearest neighbor of 30 (class 0) is 40
  // (class 1).
  const labels = Int32Array.of(0, 0, 0, 1, 1);
  const { at, strict } = await recallOf(rows([0, 1, 30, 40, 41]), labels, undefined, {
    ks: [1, 2, 4],
    distance: cosine,
  });
  t.deepEqual(at, { 1: 4 / 5, 2: 4 / 5, 4: 1 });
  t.deepEqual(strict, []);
});

test('a class with one image is a miss; a larger k is limited to the whole set', async (t) => {
  const { at } = await recallOf(rows([0, 1, 2]), Int32Array.of(0, 0, 1), undefined, {
    ks: [1, 8],
    distance: cosine,
  });
  t.deepEqual(at, { 1: 2 / 3, 8: 2 / 3 });
});

test('strict recall excludes the class, then the genus', async (t) => {
  // Classes 0, 1 are genus a; 2 is genus b, both of family p; 3 is genus c of family q.
  const parents = [
    ['p/a', 'p'],
    ['p/a', 'p'],
    ['p/b', 'p'],
    ['q/c', 'q'],
  ];
  const labels = Int32Array.of(0, 0, 1, 2, 3);
  const { strict } = await recallOf(rows([0, 5, 20, 33, 60]), labels, parents, { ks: [1], distance: cosine });
  // Without the query's class, 0 and 5 find 20 (a). The others miss: 20 finds 33 (b), 33 finds 20 (a), 60 finds 33 (b).
  t.is(strict[0], 2 / 5);
  // Without genus a, 0, 5 and 20 find 33 (p); without b, 33 finds 20 (p); without c, 60 finds 33 (a miss).
  t.is(strict[1], 4 / 5);
});

test('if all classes have the same genus, excluding it leaves no candidates', async (t) => {
  const parents = [
    ['p/a', 'p'],
    ['p/a', 'p'],
  ];
  const labels = Int32Array.of(0, 0, 1);
  const { strict } = await recallOf(rows([0, 5, 20]), labels, parents, { ks: [1], distance: cosine });
  t.deepEqual(strict, [1, 0]);
});

test('an abort also ends strict recall', async (t) => {
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

test('strict recall in a tree with branches of different depths is aligned at the top', async (t) => {
  // Classes 1 and 2 are in a/b, which is in a; class 3 is directly in a; class 0 is in no group.
  const parents = [[], ['a/b', 'a'], ['a/b', 'a'], ['a']];
  const labels = Int32Array.of(0, 1, 2, 3, 3);
  const { strict } = await recallOf(rows([0, 40, 41, 43, 90]), labels, parents, {
    ks: [1],
    distance: cosine,
  });
  // Without the query's class, classes 1 and 2 find each other, both in a/b; 0 and 3 share no group of this level.
  // Without the query's group, 1 and 2 find class 3, and both images of 3 find class 2, all in a; class 0 finds class 1.
  t.deepEqual(strict, [2 / 5, 4 / 5]);
  const order = [3, 0, 1, 2]; // the class with the most ancestors need not be the first
  const moved = Int32Array.from(labels, (label) => order[label]!);
  const ancestors = order.map((_, label) => parents[order.indexOf(label)]!);
  const same = await recallOf(rows([0, 40, 41, 43, 90]), moved, ancestors, { ks: [1], distance: cosine });
  t.deepEqual(same.strict, strict);
});

test('strict recall equals a search per group, whatever the sizes of the groups', async (t) => {
  const count = 700;
  const next = random(7);
  const angles = Array.from({ length: count }, () => 360 * next());
  // Class 0 has 400 adjacent images, so the 256 nearest neighbors of most of them have the same class.
  const labels = Int32Array.from(angles, (_, i) => (i < 400 ? 0 : 1 + ((i - 400) >> 1)));
  for (let i = 0; i < 400; i++) angles[i] = 90 * next();
  const parents = Array.from({ length: 151 }, (_, label) => [`g${label % 7}`, `f${label % 2}`]);
  const { strict } = await recallOf(rows(angles), labels, parents, { ks: [1], distance: cosine });
  const apart = (a: number, b: number): number => Math.abs(((((a - b) % 360) + 540) % 360) - 180);
  const wanted = [0, 1].map((level) => {
    const groups = Array.from(labels, (label) => (level === 0 ? `${label}` : parents[label]![0]!));
    const hits = angles.filter((angle, row) => {
      let best = -1;
      for (let other = 0; other < count; other++) {
        if (groups[other] === groups[row]) continue;
        if (best < 0 || apart(angle, angles[other]!) < apart(angle, angles[best]!)) best = other;
      }
      return parents[labels[best]!]![level] === parents[labels[row]!]![level];
    });
    return hits.length / count;
  });
  for (const [i, share] of wanted.entries())
    t.true(Math.abs(strict[i]! - share) <= 3 / count, `${strict[i]}, expected ${share}`); // because the cosine has ties
});

test('computes strict recall of 20,000 classes in seconds', async (t) => {
  const classes = 20_000;
  const angles = Array.from({ length: 2 * classes }, (_, i) => (i >> 1) * 0.017 + (i % 2) * 0.001);
  const labels = Int32Array.from(angles, (_, i) => i >> 1);
  const parents = Array.from({ length: classes }, (_, i) => [`g${i >> 2}`, `f${i >> 9}`]);
  const spent = startCpuClock();
  const { strict } = await recallOf(rows(angles), labels, parents, { ks: [1], distance: cosine });
  const ms = spent();
  t.log(`${ms} ms of CPU time`);
  t.true(
    strict.every((share) => share > 0.5 && share <= 1),
    `${strict}`,
  );
  t.true(ms < 60_000, `${ms} ms`);
});
