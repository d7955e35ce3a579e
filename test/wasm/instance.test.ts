import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import test from 'ava';
import { pairwise } from '../../lib/call/binding-calls.ts';
import { metrics } from '../../lib/card-names.ts';
import type { Reals } from '../../lib/matrix.ts';
import { Instance, isSame } from '../../lib/wasm/instance.ts';

const path = new URL('../../lib/horoball.wasm.gz', import.meta.url);
const onWasm = existsSync(path) ? test : test.skip;
if (!existsSync(path))
  test('skipped: the WebAssembly core is not built (npm run build:wasm)', (t) => t.pass());

const start = (canceled = () => 0): Instance =>
  new Instance(new WebAssembly.Module(gunzipSync(readFileSync(path))), canceled);

/** Writes the Euclidean distances of the rows of two matrices to `out`. */
function distances(instance: Instance, x: Reals, y: Reals, out: Reals, cols = 1): void {
  const run = instance.functions.get('pairwise')!;
  const matrix = (data: Reals) => ({ data, rows: data.length / cols, cols });
  const call = { metric: metrics.indexOf('euclidean'), guards: 0, c: 0, x: matrix(x), y: matrix(y) };
  const core = {
    pairwise: (...args: readonly unknown[]): undefined => void instance.call(run, args, true),
  };
  const shape = { rows: call.x.rows, cols: call.y.rows };
  pairwise(core, { ...call, out: { data: out, ...shape }, device: -1, threads: 1, job: 0 });
}

onWasm('an array that is both read and written is copied in both directions', (t) => {
  const instance = start();
  const values = new Float64Array([3]);
  distances(instance, new Float64Array([100]), new Float64Array([1]), new Float64Array(1));
  distances(instance, values, new Float64Array([5]), values);
  t.deepEqual([...values], [2]);
});

onWasm('views at different offsets of a buffer are different arrays', (t) => {
  const instance = start();
  const { buffer } = new Float64Array([1, 8]);
  const out = new Float64Array(1);
  distances(instance, new Float64Array(buffer, 0, 1), new Float64Array(buffer, 8, 1), out);
  t.deepEqual([...out], [7]);
});

onWasm('the call buffer stays usable when memory grows', (t) => {
  const instance = start();
  const before = instance.callBuffer;
  const { length } = before;
  const rows = new Float64Array(2 ** 21).fill(1); // 16 MB
  distances(instance, rows, rows.subarray(0, 2 ** 20), new Float64Array(2), 2 ** 20);
  t.is(before.length, 0, 'memory has grown');
  t.is(instance.callBuffer.length, length);
});

test('arrays of different types over the same memory are treated as different', (t) => {
  const { buffer } = new Float32Array(2);
  t.false(isSame(new Float32Array(buffer), new Int32Array(buffer)));
  t.true(isSame(new Float32Array(buffer), new Float32Array(buffer)));
});

onWasm('a wrong argument causes a TypeError with a code', (t) => {
  const instance = start();
  t.throws(() => instance.call(instance.functions.get('pairwise')!, ['poincare'], false), {
    instanceOf: TypeError,
    code: 'ERR_HOROBALL_TYPE',
  });
});

onWasm('a call that traps replaces the instance', (t) => {
  const trap = new Error('trap');
  let traps = true;
  const instance = start(() => {
    if (traps) throw trap;
    return 0;
  });
  const before = instance.callBuffer;
  const out = new Float64Array(1);
  const call = () => distances(instance, new Float64Array([3]), new Float64Array([5]), out);
  t.is(t.throws(call), trap);
  t.not(instance.callBuffer, before);
  traps = false;
  call();
  t.deepEqual([...out], [2]);
});
