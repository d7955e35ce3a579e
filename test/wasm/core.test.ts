// Compares the WebAssembly core with the native one. `npm run test:wasm` runs the core's other tests on it.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { contrastiveLoss, geometryCard, hybridContrastiveLoss, metricCards, topK } from '../../lib/index.ts';
import { close, cloud } from '../support.ts';
import { allowed, referenceError } from '../tolerances.ts';

const library = new URL('../../lib/index.js', import.meta.url).href;
const support = new URL('../support.js', import.meta.url).href;
const built = existsSync(fileURLToPath(new URL('../../lib/horoball.wasm.gz', import.meta.url)));
const onWasm = built ? test : test.skip;
if (!built) test('skipped: the WebAssembly core is not built (npm run build:wasm)', (t) => t.pass());

/** Runs a module that prints JSON, with the WebAssembly core. */
async function run<T>(code: string, env: Record<string, string> = {}): Promise<T> {
  const whole = `import * as h from '${library}'; import { cloud } from '${support}'; ${code}`;
  const options = { env: { ...process.env, HOROBALL_WASM: '1', ...env }, maxBuffer: 1 << 28 };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', whole],
    options,
  );
  return JSON.parse(stdout) as T;
}

/** The largest difference of two lists, relative to max(1, value). */
function difference(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let most = got.length === want.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < want.length; ++i) {
    most = Math.max(most, Math.abs(got[i]! - want[i]!) / Math.max(1, Math.abs(want[i]!)));
  }
  return most;
}

onWasm('distances agree with the native core within the tolerance of every metric', async (t) => {
  const code = (kind: string): string => `
    const x = cloud(${kind}, 150, 37, 0.95), y = cloud(${kind}, 75, 37, 0.5);
    const found = {};
    for (const { name, points } of h.metricCards()) {
      const [a, b] = points === 'hyperboloid' ? [h.poincareToLorentz.sync(x, { c: 1 }), h.poincareToLorentz.sync(y, { c: 1 })] : [x, y];
      found[name] = [...h.pairwiseDistance.sync(a, b, { metric: name, c: 1 }).data];
    }`;
  for (const kind of ['Float32Array', 'Float64Array'] as const) {
    const wasm = await run<Record<string, number[]>>(`${code(kind)} console.log(JSON.stringify(found))`);
    const native = await run<Record<string, number[]>>(`${code(kind)} console.log(JSON.stringify(found))`, {
      HOROBALL_WASM: '',
    });
    for (const { name, tolerance } of metricCards()) {
      const limit = tolerance.value[kind === 'Float32Array' ? 'float32' : 'float64'];
      t.true(difference(wasm[name]!, native[name]!) <= limit, `${name} ${kind}`);
    }
  }
});

onWasm(
  'a job in a worker is bit-identical to the synchronous call, and does not change its inputs',
  async (t) => {
    const same = await run<boolean[]>(`
    const x = cloud(Float32Array, 200, 19, 0.9), before = x.data.slice();
    const equal = (a, b) => a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
    const [d, nearest, gradients] = await Promise.all([
      h.pairwiseDistance(x, undefined, { c: 1 }), h.topK(x, x, { k: 5, c: 1 }), h.dist0.vjp(x, new Float32Array(200).fill(1), { c: 1 }),
    ]);
    const again = h.topK.sync(x, x, { k: 5, c: 1 });
    console.log(JSON.stringify([
      equal(d.data, h.pairwiseDistance.sync(x, undefined, { c: 1 }).data),
      equal(nearest.indices, again.indices) && equal(nearest.distances, again.distances),
      equal(gradients[0].data, h.dist0.vjp.sync(x, new Float32Array(200).fill(1), { c: 1 })[0].data),
      equal(x.data, before),
    ]))`);
    t.deepEqual(same, [true, true, true, true]);
  },
);

onWasm('the loss and a search agree with the native core', async (t) => {
  const x = cloud(Float64Array, 96, 24, 0.9);
  const options = { views: 2, c: 0.5 } as const;
  const native = hybridContrastiveLoss.sync({ euclidean: x, hyperbolic: x, normalize: true, ...options });
  const nearest = topK.sync(x, x, { k: 7, c: 1 });
  const wasm = await run<{ loss: number; gradient: number[]; indices: number[] }>(`
    const x = cloud(Float64Array, 96, 24, 0.9);
    const r = h.hybridContrastiveLoss.sync({ euclidean: x, hyperbolic: x, normalize: true, views: 2, c: 0.5 });
    console.log(JSON.stringify({ loss: r.loss, gradient: [...r.gradHyperbolic.data], indices: [...h.topK.sync(x, x, { k: 7, c: 1 }).indices] }))`);
  const { value, gradient } = geometryCard('hybrid').tolerance;
  close(t, [wasm.loss], [native.loss], allowed(Float64Array, value, referenceError.sums), 'loss');
  close(
    t,
    wasm.gradient,
    native.gradHyperbolic!.data,
    allowed(Float64Array, gradient, referenceError.sums),
    'gradient',
  );
  t.deepEqual(wasm.indices, [...nearest.indices]);
  const labels = Array.from({ length: 96 }, (_, i) => i % 37);
  const settings = { normalize: true, c: 0.5, loss: 'supcon' } as const;
  const ref = { euclidean: x, hyperbolic: x, labels };
  const pair = contrastiveLoss.sync({ euclidean: x, hyperbolic: x, labels, ref, ...settings });
  const pairOnWasm = await run<{ loss: number; gradient: number[] }>(`
    const x = cloud(Float64Array, 96, 24, 0.9), labels = Array.from({ length: 96 }, (_, i) => i % 37);
    const ref = { euclidean: x, hyperbolic: x, labels };
    const r = await h.contrastiveLoss({ euclidean: x, hyperbolic: x, labels, ref, ...${JSON.stringify(settings)} });
    console.log(JSON.stringify({ loss: r.loss, gradient: [...r.gradRefHyperbolic.data] }))`);
  close(t, [pairOnWasm.loss], [pair.loss], allowed(Float64Array, value, referenceError.sums), 'pair loss');
  const limit = allowed(Float64Array, gradient, referenceError.sums);
  close(t, pairOnWasm.gradient, pair.gradRefHyperbolic!.data, limit, 'its gradient in the references');
});

onWasm('errors have the codes of the native core', async (t) => {
  const found = await run<string[]>(`
    const codes = [];
    const attempt = async (call) => { try { await call(); codes.push('none'); } catch (error) { codes.push(error.code ?? String(error)); } };
    const x = cloud(Float32Array, 40, 3, 0.9), large = cloud(Float32Array, 30_000, 2, 0.9);
    await attempt(() => h.pairwiseDistance.sync(x, undefined, { c: 1, device: 'cuda' }));
    await attempt(() => h.pairwiseDistance(x, undefined, { c: 1, device: 'cuda' }));
    const out = { data: new Float32Array(9e8), rows: 30_000, cols: 30_000 };
    await attempt(() => h.pairwiseDistance.sync(large, undefined, { c: 1, out }));
    await attempt(() => h.pairwiseDistance.sync(x, undefined, { c: 1 }));
    const controller = new AbortController();
    const promise = h.pairwiseDistance(cloud(Float32Array, 4000, 512, 0.9), undefined, { c: 1, signal: controller.signal });
    controller.abort(Object.assign(new Error('enough'), { code: 'ENOUGH' }));
    await attempt(() => promise);
    const moved = h.pairwiseDistance(x, undefined, { c: 1 });
    structuredClone(x.data, { transfer: [x.data.buffer] });
    await attempt(() => moved);
    console.log(JSON.stringify(codes))`);
  t.deepEqual(found, [
    'ERR_HOROBALL_UNSUPPORTED',
    'ERR_HOROBALL_UNSUPPORTED',
    'ERR_HOROBALL_MEMORY',
    'none',
    'ENOUGH',
    'ERR_HOROBALL_DETACHED',
  ]);
});

onWasm('HOROBALL_ISA accepts only the level of the core', async (t) => {
  const code = `try { console.log(JSON.stringify(h.coreInfo().level)) } catch (error) { console.log(JSON.stringify(error.code)) }`;
  t.is(await run(code), 'simd128');
  t.is(await run(code, { HOROBALL_ISA: 'simd128' }), 'simd128');
  t.is(await run(code, { HOROBALL_ISA: 'avx2' }), 'ERR_HOROBALL_ISA');
});

onWasm('job numbers are rejected as by the native core', async (t) => {
  const code = `
    const { core } = await import('${new URL('../../lib/native.js', import.meta.url).href}');
    const codes = [];
    const attempt = (call) => { try { call(); codes.push('none'); } catch (error) { codes.push(error.code ?? String(error)); } };
    for (const job of [-1, 1.5, 2 ** 32, NaN, '1', undefined]) attempt(() => core().cancel(job));
    const x = new Float64Array(2);
    for (const job of [-1, 1.5, 2 ** 32, NaN])
      attempt(() => core().row(Float64Array.of(0, 0, 1, 0, 1, 1, 2, 1, 2, 0, 0, 1, 2, -1, 1, job), x, x, null, new Float64Array(2)));
    console.log(JSON.stringify(codes))`;
  t.deepEqual(await run(code), await run(code, { HOROBALL_WASM: '' }));
});

onWasm('short calls work after memory has grown, which moves their array', async (t) => {
  const same = await run<boolean[]>(`
    const values = () => [Float32Array, Float64Array].map((Kind) => h.dist0.sync(Kind.of(0.1, 0.2), { c: 1 }).data[0]);
    const before = values();
    h.pairwiseDistance.sync(cloud(Float32Array, 3000, 8, 0.9), undefined, { c: 1 });
    console.log(JSON.stringify(values().map((value, i) => value === before[i])))`);
  t.deepEqual(same, [true, true]);
});

onWasm('memory is reused by later calls, and released after a large one', async (t) => {
  const [many, large] = await run<number[]>(`
    const { core } = await import('${new URL('../../lib/native.js', import.meta.url).href}');
    const bytes = () => core().callBuffer.buffer.byteLength;
    const distances = (rows) => h.pairwiseDistance.sync(cloud(Float32Array, rows, 2, 0.9), undefined, { c: 1 });
    for (let i = 0; i < 12; ++i) distances(2000);
    const many = bytes();
    distances(9000);
    console.log(JSON.stringify([many, bytes()]))`);
  t.true(many! < 4 * 16e6, `${many} bytes after twelve calls of 16 MB`);
  t.true(large! < many!, `${large} bytes after a call of 324 MB`);
});

onWasm('arrays that exceed the address space cause a coded error', async (t) => {
  const code = await run<string>(`
    const rows = 33_000, out = { data: new Float32Array(rows * rows), rows, cols: rows };
    try { h.pairwiseDistance.sync(cloud(Float32Array, rows, 2, 0.9), undefined, { c: 1, out }); console.log('"none"'); }
    catch (error) { console.log(JSON.stringify(error.code ?? String(error))); }`);
  t.is(code, 'ERR_HOROBALL_MEMORY');
});
