import test from 'ava';
import { describe } from '../lib/errors.ts';

test('describes arrays by their length', (t) => {
  t.is(describe([]), 'an array of length 0');
  t.is(describe(new Float32Array(3)), 'a Float32Array of length 3');
  t.is(describe(new Int32Array(1)), 'an Int32Array of length 1');
  t.is(describe(Buffer.alloc(2)), 'a Buffer of length 2');
});

test('distinguishes an object that only looks like an instance of a built-in class', (t) => {
  t.is(describe(new Map()), 'an instance of Map');
  for (const fake of [new Proxy(new Map(), {}), Object.create(Map.prototype)])
    t.is(describe(fake), 'a proxy or an object that only inherits from Map');
  for (const fake of [new Proxy(new Float64Array(1), {}), Object.create(Float64Array.prototype)])
    t.is(describe(fake), 'a proxy or an object that only inherits from Float64Array');
  t.is(describe(new URL('file:///a')), 'an instance of URL');
});

test('describes an object whose getters throw', (t) => {
  const { proxy, revoke } = Proxy.revocable([], {});
  revoke();
  t.is(describe(proxy), 'an object');
  const throwing = {
    get constructor(): never {
      throw new Error('no');
    },
  };
  t.is(describe(throwing), 'an object');
  t.is(describe(Object.create(null)), 'an object');
});
