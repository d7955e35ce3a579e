// No argument crashes the process or causes an error without a code.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { contrast, type PairwiseCall, pairwise } from '../lib/call/binding-calls.ts';
import {
  einsteinMidpoint,
  hybridContrastiveLoss,
  type Matrix,
  matrix,
  pairwiseDistance,
  RiemannianAdam,
  RiemannianSGD,
  retrievalMetrics,
  topK,
} from '../lib/index.ts';
import { core } from '../lib/native.ts';
import { rowCall, rowNumbers } from '../lib/row/call.ts';
import { rowCards } from '../lib/row/card.ts';
import { cloud, failure } from './support.ts';

const run = promisify(execFile);
const child = fileURLToPath(new URL('hostile-child.js', import.meta.url));
const any = (value: unknown) => value as never;
const c = 1;
/** How a call runs: on the CPU, on one thread. */
const how = { device: -1, threads: 1 };

for (const [kind, seed, calls] of [
  ['public', 1, 16_000],
  ['public', 2, 16_000],
  ['native', 3, 20_000],
  ['native', 4, 20_000],
] as const) {
  test(`${kind} functions never crash or throw uncoded errors, seed ${seed}`, async (t) => {
    const args = ['--expose-gc', child, kind, String(seed), String(calls)];
    const { stdout } = await run(process.execPath, args, { maxBuffer: 1 << 26 }).catch(
      (error: Error & { stdout: string; signal: string | null }) => {
        const last = error.stdout.trimEnd().split('\n').slice(-1);
        throw new Error(`${error.signal ?? 'failed'} at call ${last}`);
      },
    );
    const [, called, all, results] = /done: (\d+) of (\d+) functions called, (\d+) with/.exec(stdout)!;
    t.is(called, all);
    t.true(Number(results) > 0.5 * Number(all), `${results} of ${all} functions had a result`);
  });
}

/** A matrix that reports `claimed` rows from the second read on. */
function growing(claimed: number): Matrix {
  let readings = 0;
  const data = new Float64Array(18).fill(0.1);
  return {
    data,
    cols: 3,
    get rows() {
      return readings++ === 0 ? 6 : claimed;
    },
  };
}

test('a getter that returns another value on its second read has no effect', async (t) => {
  const still = matrix(new Float64Array(18).fill(0.1), 6, 3);
  const distances = pairwiseDistance.sync(still, undefined, { c });
  t.deepEqual(pairwiseDistance.sync(growing(1e7), undefined, { c }), distances);
  t.deepEqual(pairwiseDistance.sync(growing(1e7), growing(1e7), { c }), distances);
  t.deepEqual(await pairwiseDistance(growing(1e7), growing(1e7), { c }), distances);
  t.is(pairwiseDistance.vjp.sync(growing(1e7), growing(1e7), distances, { c })[0]!.rows, 6);
  t.is(topK.sync(growing(1e7), growing(1e7), { k: 1, c }).indices.length, 6);
});

/** An object that counts the reads of each of its properties. */
function counted<O extends object>(base: O): { object: O; most: () => [string, number] } {
  const readings = new Map<string, number>();
  const object = new Proxy(base, {
    get(target, key) {
      readings.set(String(key), (readings.get(String(key)) ?? 0) + 1);
      return Reflect.get(target, key) as unknown;
    },
  });
  return { object, most: () => [...readings].reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0]) };
}

test('each property of an argument is read once', async (t) => {
  const points = () => counted({ ...cloud(Float64Array, 6, 3, 0.5) } as Matrix);
  const shared = { c, threads: 1, device: 'cpu', compat: undefined } as const;
  const [x, y] = [points(), points()];
  const options = counted({ ...shared, metric: 'poincare' as const });
  await pairwiseDistance(x.object, y.object, options.object);
  for (const { most } of [x, y, options]) t.is(most()[1], 1, most()[0]);

  const loss = counted({
    ...shared,
    euclidean: cloud(Float64Array, 6, 3, 0.5),
    normalize: true,
    tied: true,
    views: 2,
  });
  hybridContrastiveLoss.sync(loss.object);
  t.is(loss.most()[1], 1, loss.most()[0]);

  const search = counted({ ...shared, k: 1, exclude: 'self' as const });
  topK.sync(points().object, points().object, search.object);
  t.is(search.most()[1], 1, search.most()[0]);

  const labels = counted([0, 0, 1, 1, 2, 2]);
  const metrics = counted({ ...shared, ks: [1] });
  retrievalMetrics.sync(points().object, labels.object, metrics.object);
  for (const { most } of [labels, metrics]) t.is(most()[1], 1, most()[0]);
});

test('values without a valid length, without fields or with an unknown device cause a coded error', async (t) => {
  const x = cloud(Float64Array, 6, 3, 0.5);
  const sgd = new RiemannianSGD(x, { c, lr: 0.1 });
  const adam = new RiemannianAdam(x, { c, lr: 0.1 });
  const calls: (() => unknown)[] = [
    () => topK.sync(x, x, { k: 1, c, exclude: { length: -1 } }),
    () => topK.sync(x, x, { k: 1, c, exclude: new Proxy(new Int32Array(6), {}) }),
    () => topK.sync(x, x, { k: 1, c, device: any({}) }),
    () => topK.sync(x, x, { k: 1, c, device: any(Object.create(null)) }),
    () => topK.sync(x, x, any(null)),
    () => retrievalMetrics.sync(x, { length: -1 }, { c }),
    () => retrievalMetrics.sync(x, any([Symbol('a'), 1, 2, 3]), { c }),
    () =>
      hybridContrastiveLoss.sync({ euclidean: x, tied: true, c, labels: any([Symbol('a'), 1, 1, 2, 2, 2]) }),
    () => sgd.loadState(any({})),
    () => sgd.loadState(any(new Map([['velocity', null]]))),
    () => adam.loadState(any(new Map([['steps', { data: null }]]))),
    () => sgd.step(x, any(null)),
    () => new RiemannianAdam(x, { c, lr: 0.1, betas: any(null) }),
    () => pairwiseDistance(x, x, { c, signal: any(Object.create(AbortSignal.prototype)) }),
  ];
  for (const call of calls) t.regex((await failure(call)).code, /^ERR_HOROBALL_/, String(call));
});

test('the core itself rejects arguments that are null or out of range', (t) => {
  const some = matrix(new Float64Array(18).fill(0.1), 6, 3);
  const none = { data: null, rows: 6, cols: 3 };
  const loss = (order: Int32Array, geometry = 0) =>
    contrast(core(), {
      ...{ geometry, guards: 0, tied: true, mean: false, views: 2 },
      ...{ tauE: 0.1, tauH: 0.2, lambda: 0.5, c: 0.1, clip: 2.3, euclidean: some, hyperbolic: none, order },
      ...{ loss: new Float64Array(1), gradEuclidean: some, gradHyperbolic: none },
      ...{ gradParams: new Float64Array(4), stats: new Float64Array(4), ...how, job: 0 },
    });
  const distances = (changes: Partial<PairwiseCall>) => {
    const out = matrix(new Float64Array(36), 6, 6);
    return pairwise(core(), {
      metric: 0,
      guards: 0,
      c: 1,
      x: some,
      y: some,
      out,
      ...how,
      job: 0,
      ...changes,
    });
  };
  const calls: (() => unknown)[] = [
    () => loss(Int32Array.of(0, 1, 2, 3, 4, 6)),
    () => loss(Int32Array.of(0, 1, 2, 3, 4, -1)),
    () => loss(Int32Array.of(0, 1, 2, 3, 4, 5), 200),
    () => distances({ x: none }),
    () => distances({ out: { data: null, rows: 6, cols: 6 } }),
    () => distances({ metric: 99 }),
    () => distances({ x: { data: some.data, rows: 2 ** 53, cols: 2 ** 53 } }),
    () => distances({ x: { data: some.data, rows: Number.NaN, cols: 3 } }),
    () => core().row(new Float64Array(16).fill(1e300), null, null, null, some.data),
    () => core().cancel(Number.NaN),
  ];
  for (const call of calls) t.throws(call, { code: 'ERR_HOROBALL_TYPE' }, String(call));
  t.notThrows(() => loss(Int32Array.of(5, 1, 2, 3, 4, 0)));
  t.notThrows(() => distances({}));
});

test('mismatched matrices of a row-wise call cause a shape error', (t) => {
  const numbers = new Float64Array(rowNumbers);
  const shapes = {
    rows: 2,
    xRows: 2,
    xCols: 3,
    yRows: 2,
    yCols: 2,
    resultRows: 2,
    resultCols: 3,
    device: -1,
  };
  const values = { op: rowCards().findIndex(({ name }) => name === 'mobiusAdd'), c, threads: 1, ...shapes };
  for (const [name, value] of Object.entries(values)) numbers[rowCall[name as keyof typeof rowCall]] = value;
  const call = (y: Float64Array) => core().row(numbers, new Float64Array(6), y, null, new Float64Array(6));
  t.throws(() => call(new Float64Array(4)), { code: 'ERR_HOROBALL_SHAPE', message: /shapes/ });
  numbers[rowCall.yCols] = 3;
  t.notThrows(() => call(new Float64Array(6)));
  numbers[rowCall.op] = 1000;
  t.throws(() => call(new Float64Array(6)), { code: 'ERR_HOROBALL_UNSUPPORTED' });
});

test('an asynchronous call rejects resizable buffers', async (t) => {
  if (!('resizable' in ArrayBuffer.prototype)) return t.pass();
  const Resizable = ArrayBuffer as unknown as new (size: number, max: object) => ArrayBuffer;
  const buffer = new Resizable(18 * 8, { maxByteLength: 1 << 20 });
  const points = new Float64Array(buffer, 0, 18);
  const x = { data: points, rows: 6, cols: 3 };
  const call = (job: number) => {
    const out = matrix(new Float64Array(36), 6, 6);
    return pairwise(core(), { metric: 0, guards: 0, c: 1, x, y: x, out, ...how, job });
  };
  for (const hidden of [false, true]) {
    if (hidden) Object.defineProperty(buffer, 'resizable', { value: false });
    t.throws(() => call(7), { code: 'ERR_HOROBALL_TYPE', message: /resizable/ }, String(hidden));
    await t.throwsAsync(pairwiseDistance({ data: points, rows: 6, cols: 3 }, undefined, { c }), {
      code: 'ERR_HOROBALL_TYPE',
    });
  }
  t.notThrows(() => call(0)); // a synchronous call blocks the caller, so the buffer cannot change
});

test('a midpoint of zero rows rejects 2^31 columns', (t) => {
  t.deepEqual([...einsteinMidpoint.sync(matrix(new Float32Array(0), 0, 3), { c }).data], [0, 0, 0]);
  t.throws(() => einsteinMidpoint.sync(matrix(new Float32Array(0), 0, 2 ** 31), { c }), {
    code: 'ERR_HOROBALL_SHAPE',
  });
});

test('transferred and dropped memory stays valid until the promise settles', async (t) => {
  const script = `
    import { matrix, pairwiseDistance } from ${JSON.stringify(new URL('../lib/index.js', import.meta.url).href)};
    const codes = [];
    for (let round = 0; round < 2; ++round) {
      const points = matrix(new Float64Array(4000 * 512).fill(0.01), 4000, 512);
      const options = { metric: 'euclidean', threads: 1 };
      const done = pairwiseDistance(points, undefined, options).catch((error) => codes.push(error.code));
      structuredClone(points.data.buffer, { transfer: [points.data.buffer] });
      for (let i = 0; i < 4; ++i) {
        globalThis.gc();
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
      await done;
    }
    console.log(codes.join());`;
  const { stdout } = await run(process.execPath, ['--expose-gc', '--input-type=module', '-e', script]);
  t.is(stdout.trim(), Array(2).fill('ERR_HOROBALL_DETACHED').join());
});

test('a failed allocation in the binding causes a coded error with its size', async (t) => {
  if (process.platform !== 'linux') return t.pass('prlimit is Linux only');
  // `npm run test:asan` sets ASAN_OPTIONS.
  if (process.env['ASAN_OPTIONS'] !== undefined) return t.pass('AddressSanitizer ends the process');
  const script = `
    import { execFileSync } from 'node:child_process';
    import { core } from ${JSON.stringify(new URL('../lib/native.js', import.meta.url).href)};
    const path = Buffer.alloc(2 ** 28, 'x').toString('latin1'); // contiguous, so V8 does not copy it
    const { dlopenLibrary } = core();
    const statm = execFileSync('cat', ['/proc/' + process.pid + '/statm'], { encoding: 'utf8' });
    const limit = Number.parseInt(statm, 10) * 4096 + 2 ** 27;
    execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + limit]);
    try { dlopenLibrary(path, false); } catch ({ code, message }) { console.log(code, message); }`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
  t.regex(stdout, /^ERR_HOROBALL_MEMORY could not allocate 268435456 bytes/);
});

test('a failed allocation of scratch memory causes a coded error with its size', async (t) => {
  if (process.platform !== 'linux') return t.pass('prlimit is Linux only');
  // `npm run test:asan` sets ASAN_OPTIONS.
  if (process.env['ASAN_OPTIONS'] !== undefined) return t.pass('AddressSanitizer ends the process');
  const script = `
    import { execFileSync } from 'node:child_process';
    import { core } from ${JSON.stringify(new URL('../lib/native.js', import.meta.url).href)};
    import { pairwiseVjp } from ${JSON.stringify(new URL('../lib/call/binding-calls.js', import.meta.url).href)};
    const n = 2 ** 23;
    const [x, cotangent, gradX] = [0, 1, 2].map(() => ({ data: new Float32Array(n), rows: n, cols: 1 }));
    const [y, gradY] = [0, 1].map(() => ({ data: new Float32Array(1), rows: 1, cols: 1 }));
    const all = { metric: 0, guards: 0, c: 1, x, y, cotangent, gradX, gradY, gradC: null, device: -1, threads: 1, job: 0 };
    const loaded = core();
    const statm = execFileSync('cat', ['/proc/' + process.pid + '/statm'], { encoding: 'utf8' });
    const limit = Number.parseInt(statm, 10) * 4096 + 2 ** 29; // less than the scratch memory, enough for Node
    execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + limit]);
    try { pairwiseVjp(loaded, all); }
    catch ({ code, message }) { console.log(code, message); }`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
  t.regex(stdout, /^ERR_HOROBALL_MEMORY could not allocate \d{8,} bytes of scratch memory/);
});
