// Values that break the protocols of JavaScript, such as iterators without results, or that come from another realm, cause
// the same errors as other invalid arguments.
import { createContext, runInContext } from 'node:vm';
import test from 'ava';
import { isTyped, itemsOf } from '../lib/check.ts';
import { embedTree, Gallery, matrix, rerank, retrievalMetrics, topK } from '../lib/index.ts';
import { readSafetensors } from '../lib/io/index.ts';
import { startCpuClock } from './cpu-clock.ts';
import { cloud, failure } from './support.ts';

const x = cloud(Float32Array, 6, 3, 0.5);
const c = 1;
const any = (value: unknown) => value as never;

test('typed arrays of another realm are typed arrays, and proxies of typed arrays are not', (t) => {
  const other = createContext({});
  const made = (text: string): unknown => runInContext(text, other);
  t.true(isTyped<Int32Array | Uint8Array>(made('new Uint8Array(3)'), Int32Array, Uint8Array));
  t.false(isTyped<Int32Array | Float32Array>(made('new Uint8Array(3)'), Int32Array, Float32Array));
  t.true(isTyped(Buffer.alloc(3), Uint8Array));
  for (const value of [
    new Proxy(new Uint8Array(3), {}),
    Object.create(Uint8Array.prototype),
    null,
    'Uint8Array',
  ])
    t.false(isTyped(value, Uint8Array));
  const array = made('new Float32Array(3)') as Float32Array;
  const read = () => [...itemsOf('read', 'list', 'a list', array)];
  t.deepEqual(read(), [0, 0, 0]);
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
  t.throws(read, { code: 'ERR_HOROBALL_TYPE', message: /^\[read\] list: expected a list, got/ });
});

/** Values whose iterators break the protocol. */
const brokenIterables: readonly (() => unknown)[] = [
  () => ({ [Symbol.iterator]: 1 }),
  () => ({ [Symbol.iterator]: () => 1 }),
  () => ({ [Symbol.iterator]: () => null }),
  () => ({ [Symbol.iterator]: () => ({}) }),
  () => ({ [Symbol.iterator]: () => ({ next: () => 1 }) }),
  () => Object.assign([0, 1], { [Symbol.iterator]: () => 5 }),
  () => Object.assign([0, 1], { [Symbol.iterator]: undefined }),
  () => new Proxy(new Set([1]), {}),
];

test('an iterator that breaks the protocol causes a coded error', async (t) => {
  using gallery = new Gallery({ c: 1 });
  await gallery.add(x);
  for (const make of brokenIterables) {
    const calls = [
      () => [...itemsOf('read', 'list', 'a list', any(make()))],
      () => gallery.topK(x, { k: 1, labels: any(make()) }),
      () => gallery.topK.sync(x, { k: 1, labels: any(make()) }),
      () => embedTree(any(make()), { dim: 2 }),
      () => readSafetensors('absent', { names: any(make()) }),
    ];
    for (const call of calls) t.is((await failure(call)).code, 'ERR_HOROBALL_TYPE', String(make));
  }
});

test('an iterator is read once, closed after an early exit, and not closed if it fails', (t) => {
  let reads = 0;
  const once = {
    get [Symbol.iterator]() {
      return reads++ === 0 ? [][Symbol.iterator] : undefined;
    },
  };
  t.deepEqual([...itemsOf('read', 'list', 'a list', any(once))], []);
  let closed = 0;
  const list = (next: () => unknown) => any({ [Symbol.iterator]: () => ({ next, return: () => closed++ }) });
  const sevens = list(() => ({ value: 7 }));
  for (const item of itemsOf<number>('read', 'list', 'a list', sevens)) {
    t.is(item, 7);
    break;
  }
  t.is(closed, 1);
  const failing = () => {
    throw new Error('mine');
  };
  t.throws(() => [...itemsOf('read', 'list', 'a list', list(failing))], { message: 'mine' });
  const empty = list(() => ({ done: true }));
  t.deepEqual([...itemsOf('read', 'list', 'a list', empty)], []);
  t.is(closed, 1);
});

test('lengths that are not numbers cause a coded error', async (t) => {
  const length = Object.create(null) as number;
  for (const call of [
    () => matrix(any([[1, 2], { length }])),
    () => matrix(any(new Proxy([], { get: (_, key) => (key === 'length' ? 2 ** 40 : undefined) }))),
    () => rerank(x, x, any({ 0: {}, length }), { k: 1, c }),
    () =>
      retrievalMetrics(x, [0, 0, 1, 1, 2, 2], {
        c,
        ks: any(new Proxy([1], { get: (_, key) => (key === 'length' ? 2 ** 40 : 9) })),
      }),
  ])
    t.regex((await failure(call)).code, /^ERR_HOROBALL_/, String(call));
});

test('a bigint with many digits takes little time', async (t) => {
  const many = 1n << 20_000_000n;
  const spent = startCpuClock();
  const { message } = await failure(() => topK.sync(x, x, { k: any(many), c }));
  t.regex(message, /got a bigint of more than 256 bits$/);
  const { recall } = retrievalMetrics.sync(x, [many, many, 1n, 1n, -many, -many], { c, ks: [1] });
  t.true(recall[1]! >= 0);
  t.true(spent() < 2000);
});
