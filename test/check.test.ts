// Invalid arguments cause an error that has a code and names the argument, in sync and async variants, and never a crash.
import test from 'ava';
import {
  autoCurvature,
  clusteringMetrics,
  contrastiveLoss,
  Gallery,
  gromovDelta,
  hybridContrastiveLoss,
  hyperbolicSoftmax,
  type Matrix,
  matrix,
  mobiusMatvec,
  negativeWeights,
  normalize,
  pairwiseDistance,
  type Reals,
  rerank,
  retrievalMetrics,
  toInnerProductIndex,
  topK,
} from '../lib/index.ts';
import { cloud, failure, half } from './support.ts';

const x = cloud(Float32Array, 6, 3, 0.5);
const narrow = cloud(Float32Array, 6, 2, 0.5);
const double = cloud(Float64Array, 6, 3, 0.5);
const none = matrix(new Float32Array(0), 0, 3);
const c = 1;
const any = (value: unknown) => value as never;

/** A matrix whose buffer has been transferred. */
function detached(): Matrix {
  const lost = cloud(Float32Array, 6, 3, 0.5);
  structuredClone(lost.data.buffer, { transfer: [lost.data.buffer as ArrayBuffer] });
  return lost;
}

/** A matrix whose buffer was resized after the matrix was created. */
function resizable(bytes: number): Matrix {
  const buffer = resizableBuffer(72);
  const shape = { data: new Float32Array(buffer), rows: 6, cols: 3 };
  (buffer as unknown as { resize(bytes: number): void }).resize(bytes);
  return shape;
}

function resizableBuffer(size: number): ArrayBuffer {
  const Resizable = ArrayBuffer as unknown as new (
    size: number,
    options: { maxByteLength: number },
  ) => ArrayBuffer;
  return new Resizable(size, { maxByteLength: 144 });
}

const loss = (options: object) => ({ euclidean: x, hyperbolic: x, views: 2, c, ...options });

type Row = readonly [what: string, call: () => unknown, code: string, argument: string];

const three = (rows: number) => matrix(new Float64Array(3 * rows).fill(0.1), rows, 3);
/** Declares a case for the asynchronous and the synchronous variant of a call. */
const bothVariants = (
  what: string,
  call: Variants,
  args: readonly unknown[],
  code: string,
  argument: string,
): Row[] => [
  [what, () => call(...(args as never[])), code, argument],
  [`${what}, sync`, () => call.sync(...(args as never[])), code, argument],
];
type Variants = ((...args: never[]) => unknown) & { sync(...args: never[]): unknown };

const rows: readonly Row[] = [
  ...bothVariants('no classes', hyperbolicSoftmax, [three(2), three(0), three(0), { c }], 'SHAPE', 'p'),
  ...bothVariants(
    'no classes for no points',
    hyperbolicSoftmax,
    [three(0), three(0), three(0), { c }],
    'SHAPE',
    'p',
  ),
  ...bothVariants('a matrix without rows', mobiusMatvec, [three(0), three(2), { c }], 'SHAPE', 'm'),
  ...bothVariants('its gradient', mobiusMatvec.vjp, [three(0), three(2), three(0), { c }], 'SHAPE', 'm'),
  ...bothVariants('no embeddings', retrievalMetrics, [none, [], { c }], 'SHAPE', 'embeddings'),
  ...bothVariants(
    'a loss without rows',
    hybridContrastiveLoss,
    [{ euclidean: none, tied: true, views: 2, c }],
    'SHAPE',
    'views',
  ),
  ...bothVariants('tied as text', hybridContrastiveLoss, [loss({ tied: any('yes') })], 'TYPE', 'tied'),
  ...bothVariants('tied as a number', negativeWeights, [loss({ tied: any(1) })], 'TYPE', 'tied'),
  ...bothVariants('grad as text', hybridContrastiveLoss, [loss({ grad: any('no') })], 'TYPE', 'grad'),
  ...bothVariants('out as text', hybridContrastiveLoss, [loss({ out: any('x') })], 'TYPE', 'out'),
  ...bothVariants(
    'perQuery as text',
    retrievalMetrics,
    [x, [0, 0, 0, 1, 1, 1], { c, ks: [1], perQuery: 'yes' }],
    'TYPE',
    'perQuery',
  ),
  ['not an array', () => matrix(any([1, 2]), 1, 2), 'TYPE', 'data'],
  ['another element type', () => matrix(any(new Int32Array(2)), 1, 2), 'TYPE', 'data'],
  ['too few elements', () => matrix(new Float32Array(3), 2, 2), 'SHAPE', 'data'],
  ['a fractional shape', () => matrix(new Float32Array(3), 1.5, 2), 'SHAPE', 'rows'],
  ['zero columns', () => matrix(new Float32Array(0), 1, 0), 'SHAPE', 'cols'],
  ['an empty nested array', () => matrix([]), 'SHAPE', 'data'],
  ['nested rows of two lengths', () => matrix([[1, 2], [3]]), 'SHAPE', 'data[1]'],
  ['a hole in nested rows', () => matrix(any([[1, undefined]])), 'TYPE', 'data[0][1]'],
  ['nested numbers', () => matrix(any([1, 2])), 'TYPE', 'data[0]'],
  [
    'float16 in a function other than matrix',
    () => topK.sync(any(half([1, 2])), x, { k: 1, c }),
    'TYPE',
    'queries',
  ],
  ['a row beyond the last', () => matrix([[1, 2]]).row(1), 'RANGE', 'i'],
  ['a fractional row', () => matrix([[1, 2]]).row(0.5), 'RANGE', 'i'],
  ...bothVariants('a row of zeros', normalize, [matrix([[1], [0]])], 'RANGE', 'x'),
  ...bothVariants('an option of normalize', normalize, [x, { axis: 1 }], 'OPTION', 'options'),
  ...bothVariants('normalize in place', normalize, [x, { out: x }], 'RANGE', 'out'),
  ...bothVariants(
    'rows of another length',
    hybridContrastiveLoss,
    [loss({ tied: true })],
    'RANGE',
    'euclidean',
  ),
  ...bothVariants('rows to weigh', negativeWeights, [loss({ tied: true })], 'RANGE', 'euclidean'),
  ...bothVariants('normalize as text', negativeWeights, [loss({ normalize: 'yes' })], 'TYPE', 'normalize'),
  ...bothVariants('a misspelled option', topK, [x, x, { k: 1, c, metrics: 'cosine' }], 'OPTION', 'options'),
  ...bothVariants(
    'an option of other operations',
    pairwiseDistance,
    [x, x, { c, k: 1 }],
    'OPTION',
    'options',
  ),
  ...bothVariants('its gradient', pairwiseDistance.vjp, [x, x, x, { c, out: x }], 'OPTION', 'options'),
  ...bothVariants('temperature', hybridContrastiveLoss, [loss({ temperature: 1 })], 'OPTION', 'options'),
  ...bothVariants('grad', negativeWeights, [loss({ grad: true })], 'OPTION', 'options'),
  ...bothVariants(
    'an out of another shape',
    hybridContrastiveLoss,
    [loss({ out: { loss: x } })],
    'OPTION',
    'out',
  ),
  ...bothVariants('delta', gromovDelta, [x, { subsets: 3 }], 'OPTION', 'options'),
  ...bothVariants('recall', retrievalMetrics, [x, [0, 0, 0, 1, 1, 1], { c, k: 1 }], 'OPTION', 'options'),
  ...bothVariants('a row operation', mobiusMatvec, [x, x, { c, eps: 1 }], 'OPTION', 'options'),
  ...bothVariants(
    'an index option',
    toInnerProductIndex,
    [x, { c, role: 'query', k: 1 }],
    'OPTION',
    'options',
  ),
  ...bothVariants('reranking', rerank, [x, x, [0, 1, 2, 3, 4, 5], { c, k: 1, n: 2 }], 'OPTION', 'options'),
  ...bothVariants('candidates', rerank, [x, x, [0, 1, 2, 3, 4], { c, k: 1 }], 'SHAPE', 'candidates'),
  ...bothVariants('a candidate', rerank, [x, x, [0, 1, 2, 3, 4, 6], { c, k: 1 }], 'RANGE', 'candidates'),
  ['a gallery', () => new Gallery(any({ c, k: 1 })), 'OPTION', 'options'],
  ['null', () => pairwiseDistance.sync(any(null), x, { c }), 'TYPE', 'x'],
  ['a plain object', () => pairwiseDistance.sync(x, any({ rows: 1 }), { c }), 'TYPE', 'y'],
  ['a detached buffer', () => pairwiseDistance.sync(detached(), x, { c }), 'DETACHED', 'x'],
  ['a shrunk buffer', () => pairwiseDistance.sync(resizable(8), x, { c }), 'TYPE', 'x'],
  ['a resizable buffer', () => pairwiseDistance.sync(x, resizable(72), { c }), 'TYPE', 'y'],
  ['another number of columns', () => pairwiseDistance.sync(x, narrow, { c }), 'SHAPE', 'y'],
  ['mixed types', () => pairwiseDistance.sync(x, any(double), { c }), 'TYPE', 'y'],
  ['no c', () => pairwiseDistance.sync(x, x, any({})), 'TYPE', 'c'],
  ['c = 0', () => pairwiseDistance.sync(x, x, { c: 0 }), 'RANGE', 'c'],
  ['c < 0', () => pairwiseDistance.sync(x, x, { c: -1 }), 'RANGE', 'c'],
  ['c = NaN', () => pairwiseDistance.sync(x, x, { c: Number.NaN }), 'RANGE', 'c'],
  ['an unknown metric', () => pairwiseDistance.sync(x, x, { c, metric: any('manhattan') }), 'TYPE', 'metric'],
  ['an unknown compat', () => pairwiseDistance.sync(x, x, { c, compat: any('geoopt') }), 'TYPE', 'compat'],
  ['an unknown device', () => pairwiseDistance.sync(x, x, { c, device: any('tpu') }), 'TYPE', 'device'],
  ['zero threads', () => pairwiseDistance.sync(x, x, { c, threads: 0 }), 'RANGE', 'threads'],
  [
    'a fractional number of threads',
    () => pairwiseDistance.sync(x, x, { c, threads: 1.5 }),
    'RANGE',
    'threads',
  ],
  ['a short out', () => pairwiseDistance.sync(x, x, { c, out: new Float32Array(7) }), 'SHAPE', 'out'],
  [
    'out of another type',
    () => pairwiseDistance.sync(x, x, { c, out: any(new Float64Array(36)) }),
    'TYPE',
    'out',
  ],
  [
    'out over an input',
    () =>
      pairwiseDistance.sync(x.data.subarray(0, 1), x.data.subarray(1, 2), { c, out: x.data.subarray(0, 1) }),
    'RANGE',
    'out',
  ],
  ['a cotangent of another shape', () => pairwiseDistance.vjp.sync(x, x, x, { c }), 'SHAPE', 'cotangent'],
  [
    'gradC of another type',
    () => pairwiseDistance.vjp.sync(x, x, cloud(Float32Array, 6, 6, 1), { c, gradC: any([0]) }),
    'TYPE',
    'gradC',
  ],
  [
    'a resizable gradC',
    () => {
      const gradC = new Float64Array(resizableBuffer(8));
      return pairwiseDistance.vjp.sync(x, x, cloud(Float32Array, 6, 6, 1), { c, gradC });
    },
    'TYPE',
    'gradC',
  ],
  [
    'a resizable mask',
    () => topK.sync(x, x, { c, k: 1, allowed: new Uint8Array(resizableBuffer(6)).fill(1) }),
    'TYPE',
    'allowed',
  ],
  [
    'the same memory for both gradients',
    () => {
      const gradEuclidean = new Float32Array(18);
      return hybridContrastiveLoss.sync(loss({ out: { gradEuclidean, gradHyperbolic: gradEuclidean } }));
    },
    'RANGE',
    'out.gradHyperbolic',
  ],
  [
    'a gradient over the other input',
    () =>
      hybridContrastiveLoss.sync(
        loss({ euclidean: cloud(Float32Array, 6, 3, 1), out: { gradEuclidean: x } }),
      ),
    'RANGE',
    'out.gradEuclidean',
  ],
  ['delta of NaN', () => gromovDelta.sync(matrix(new Float64Array(8).fill(Number.NaN), 4, 2)), 'RANGE', 'x'],
  [
    'delta of distances with NaN',
    () => gromovDelta.sync(matrix(Float64Array.of(0, 1, Number.NaN, 0), 2, 2), { input: 'distances' }),
    'RANGE',
    'x',
  ],
  ['no options', () => hybridContrastiveLoss.sync(any(null)), 'TYPE', 'options'],
  ['no euclidean', () => hybridContrastiveLoss.sync(loss({ euclidean: undefined })), 'TYPE', 'euclidean'],
  ['no hyperbolic', () => hybridContrastiveLoss.sync(loss({ hyperbolic: undefined })), 'TYPE', 'hyperbolic'],
  [
    'heads of two shapes',
    () => hybridContrastiveLoss.sync(loss({ hyperbolic: narrow })),
    'SHAPE',
    'hyperbolic',
  ],
  [
    'heads of two types',
    () => hybridContrastiveLoss.sync(loss({ hyperbolic: double })),
    'TYPE',
    'hyperbolic',
  ],
  ['views that do not divide', () => hybridContrastiveLoss.sync(loss({ views: 4 })), 'SHAPE', 'views'],
  ['one view', () => hybridContrastiveLoss.sync(loss({ views: 1 })), 'RANGE', 'views'],
  ['no views', () => hybridContrastiveLoss.sync(loss({ views: undefined })), 'TYPE', 'views'],
  [
    'no rows',
    () => hybridContrastiveLoss.sync(loss({ euclidean: none, hyperbolic: none })),
    'SHAPE',
    'views',
  ],
  ['tauE = 0', () => hybridContrastiveLoss.sync(loss({ tauE: 0 })), 'RANGE', 'tauE'],
  ['tauH < 0', () => hybridContrastiveLoss.sync(loss({ tauH: -1 })), 'RANGE', 'tauH'],
  ['lambda = NaN', () => hybridContrastiveLoss.sync(loss({ lambda: Number.NaN })), 'RANGE', 'lambda'],
  ['loss without c', () => hybridContrastiveLoss.sync(loss({ c: undefined })), 'TYPE', 'c'],
  [
    'an unknown geometry',
    () => hybridContrastiveLoss.sync(loss({ geometry: 'spherical' })),
    'TYPE',
    'geometry',
  ],
  [
    'an unknown reduction',
    () => hybridContrastiveLoss.sync(loss({ reduction: 'none' })),
    'TYPE',
    'reduction',
  ],
  [
    'too few labels',
    () => hybridContrastiveLoss.sync(loss({ views: undefined, labels: [1, 1] })),
    'SHAPE',
    'labels',
  ],
  [
    'labels and other views',
    () => hybridContrastiveLoss.sync(loss({ views: 3, labels: [1, 1, 2, 2, 3, 3] })),
    'RANGE',
    'views',
  ],
  ['k = 0', () => topK.sync(x, x, { c, k: 0 }), 'RANGE', 'k'],
  ['k above the gallery', () => topK.sync(x, x, { c, k: 7 }), 'RANGE', 'k'],
  ['an empty gallery', () => topK.sync(x, none, { c, k: 1 }), 'SHAPE', 'gallery'],
  [
    'an exclusion out of range',
    () => topK.sync(x, x, { c, k: 1, exclude: [0, 1, 2, 3, 4, 6] }),
    'RANGE',
    'exclude',
  ],
  [
    'exclude self with another gallery',
    () => topK.sync(narrow, matrix(narrow.data.subarray(0, 8), 4, 2), { c, k: 1, exclude: 'self' }),
    'SHAPE',
    'exclude',
  ],
  ['too few exclusions', () => topK.sync(x, x, { c, k: 1, exclude: [0] }), 'SHAPE', 'exclude'],
  ['a short mask', () => topK.sync(x, x, { c, k: 1, allowed: new Uint8Array(5) }), 'SHAPE', 'allowed'],
  [
    'a mask of another type',
    () => topK.sync(x, x, { c, k: 1, allowed: any([1, 1, 1, 1, 1, 1]) }),
    'TYPE',
    'allowed',
  ],
  ['labels of another length', () => retrievalMetrics.sync(x, [1], { c }), 'SHAPE', 'labels'],
  ['ks above the gallery', () => retrievalMetrics.sync(x, [1, 1, 2, 2, 3, 3], { c, ks: [7] }), 'RANGE', 'ks'],
  [
    'a query out of range',
    () => retrievalMetrics.sync(x, [1, 1, 2, 2, 3, 3], { c, ks: [1], query: [6] }),
    'RANGE',
    'query',
  ],
  [
    'a gallery row twice',
    () => retrievalMetrics.sync(x, [1, 1, 2, 2, 3, 3], { c, ks: [1], gallery: [2, 2] }),
    'RANGE',
    'gallery',
  ],
  ['one row', () => gromovDelta.sync(matrix(new Float32Array(3), 1, 3)), 'SHAPE', 'x'],
  ['distances that are not square', () => gromovDelta.sync(x, { input: 'distances' }), 'SHAPE', 'x'],
  ['a subset of one', () => gromovDelta.sync(x, { size: 1 }), 'RANGE', 'size'],
  ['a dimension of 0', () => autoCurvature(0), 'RANGE', 'dim'],
  ['no role', () => toInnerProductIndex.sync(x, any({ c })), 'TYPE', 'role'],
  ['an anchor out of range', () => negativeWeights.sync(loss({ anchors: [6] })), 'RANGE', 'anchors'],
  ['a gallery without c', () => new Gallery(any({})), 'TYPE', 'c'],
];

for (const [what, call, code, argument] of rows) {
  test(`${what}: ERR_HOROBALL_${code} names ${argument}`, async (t) => {
    const error = await failure(call);
    t.is(error.code, `ERR_HOROBALL_${code}`);
    t.is(error.name, ['RANGE', 'SHAPE', 'OPTION'].includes(code) ? 'RangeError' : 'TypeError');
    t.regex(
      error.message,
      new RegExp(`^\\[[\\w.]+\\] ${argument.replaceAll(/[[\]]/g, '\\$&')}: expected .+, got .+`),
    );
  });
}

test('promises reject with the same errors', async (t) => {
  t.is((await failure(() => pairwiseDistance(x, narrow, { c }))).code, 'ERR_HOROBALL_SHAPE');
  t.is((await failure(() => hybridContrastiveLoss(loss({ views: 4 })))).code, 'ERR_HOROBALL_SHAPE');
  t.is((await failure(() => topK(x, x, { c, k: 7 }))).code, 'ERR_HOROBALL_RANGE');
  t.is((await failure(() => gromovDelta(x, { size: 1 }))).code, 'ERR_HOROBALL_RANGE');
  t.is((await failure(() => pairwiseDistance(x, x, { c, signal: any({}) }))).code, 'ERR_HOROBALL_TYPE');
});

test('the error for a negative lambda says that 0 is allowed', async (t) => {
  const { code, message } = await failure(() => hybridContrastiveLoss.sync(loss({ lambda: -1 })));
  t.is(code, 'ERR_HOROBALL_RANGE');
  t.is(message, '[hybridContrastiveLoss] lambda: expected a finite number of at least 0, got -1');
});

test('rejects a call whose result does not fit in memory', async (t) => {
  const many = matrix(new Float32Array(1 << 20), 1 << 20, 1);
  const k = many.rows;
  for (const [name, call] of Object.entries({
    pairwiseDistance: () => pairwiseDistance.sync(many, undefined, { c }),
    topK: () => topK.sync(many, many, { c, k }),
    negativeWeights: () => negativeWeights.sync({ euclidean: many, tied: true, views: 2, c }),
  })) {
    const { code, message } = await failure(call);
    t.is(`${code} ${message}`, `ERR_HOROBALL_MEMORY [${name}] out: cannot allocate ${k ** 2} elements`);
  }
  await t.throwsAsync(topK(many, many, { c, k }), { code: 'ERR_HOROBALL_MEMORY' });
});

test('errors of toInnerProductIndex name that function, not the ones that it calls', async (t) => {
  for (const options of [{ c: -1 }, { c, threads: 0 }, { c, signal: any(3) }, { c, device: any('tpu') }]) {
    const given = { ...options, role: 'query' } as const;
    t.regex(
      (await failure(() => toInnerProductIndex(x, given))).message,
      /^\[toInnerProductIndex\] (c|threads|signal|device): /,
    );
    t.regex((await failure(() => toInnerProductIndex.sync(x, given))).message, /^\[toInnerProductIndex\] /);
  }
});

test('a label that is missing or of another type is rejected by name', async (t) => {
  const calls: Readonly<Record<string, (labels: never) => unknown>> = {
    retrievalMetrics: (labels) => retrievalMetrics(x, labels, { c }),
    clusteringMetrics: (labels) => clusteringMetrics(x, labels, { c }),
    hybridContrastiveLoss: (labels) => hybridContrastiveLoss(loss({ views: undefined, labels })),
    contrastiveLoss: (labels) => contrastiveLoss({ euclidean: x, geometry: 'euclidean', labels }),
  };
  for (const [name, call] of Object.entries(calls))
    for (const wrong of [
      undefined,
      null,
      Symbol('a'),
      () => 1,
      ...(name === 'contrastiveLoss' ? [] : [[1]]),
    ]) {
      const { code, message } = await failure(() => call(any([1, wrong, 1, 2, 2, 2])));
      t.is(code, 'ERR_HOROBALL_TYPE');
      t.regex(message, new RegExp(`^\\[${name}\\] labels\\[1\\]: expected a number, bigint or string, got `));
    }
});

test('a gallery rejects invalid labels and numbers', async (t) => {
  const gallery = new Gallery<Reals>({ c });
  t.is((await failure(() => gallery.add(x, any(null)))).code, 'ERR_HOROBALL_TYPE');
  await gallery.add(x);
  const search = (options: object) => failure(() => gallery.topK(x, { k: 1, ...options }));
  t.is((await search({ labels: 7 })).code, 'ERR_HOROBALL_TYPE');
  t.is((await search({ labels: ['x'] })).code, 'ERR_HOROBALL_RANGE');
  t.is((await search({ exclude: [0.5, 0, 0, 0, 0, 0] })).code, 'ERR_HOROBALL_RANGE');
  t.is((await search({ exclude: 'self' })).code, 'ERR_HOROBALL_TYPE');
});
