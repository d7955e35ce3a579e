// Wrong values for arguments, each newly created.

/** The value that getters of wrong values throw; a call may pass it on unchanged. */
export class WrongValueError extends Error {}

/** A class of another package, with property names that this package's objects have. */
class Foreign {
  readonly handle = {};
  readonly config = {};
  readonly shape = [1];
  readonly data = new Float32Array(1);
  #private = 1;
  get private(): number {
    return this.#private;
  }
}

function detached(): Float32Array {
  const array = new Float32Array(8);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function resizable(): Float32Array {
  const Resizable = ArrayBuffer as unknown as new (size: number, max: object) => ArrayBuffer;
  return new Float32Array(new Resizable(32, { maxByteLength: 64 }));
}

const thrower = (): never => {
  throw new WrongValueError('a getter that throws');
};

/** An object whose properties have another value at each read. */
function changing(): object {
  let reads = 0;
  const values = [1, undefined, 'x', -1, null, [], Number.NaN];
  return new Proxy({}, { get: () => values[reads++ % values.length] });
}

/** An array whose length is correct at the first read and a billion afterwards. */
function lengthening(values: number[]): number[] {
  let readings = 0;
  const get = (target: number[], key: keyof number[]) =>
    key === 'length' ? (readings++ === 0 ? values.length : 1e9) : target[key];
  return new Proxy(values, { get: get as never });
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** The wrong values that most often found a fault. Seeds 1 and 2 together try them at every position. */
export const likelyValues: ReadonlySet<string> = new Set([
  '2^31',
  'a symbol',
  'an object without a prototype',
  'an array of symbols',
  'a pair that becomes long',
  'a detached array',
  'a proxy of an array of float32',
  'a proxy of an array of int32',
  'an object that inherits from Map',
  'an object that inherits from URL',
  'getters that change',
]);

export const wrongValues: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  '0': () => 0,
  '1': () => 1,
  '-1': () => -1,
  '0.5': () => 0.5,
  NaN: () => Number.NaN,
  Infinity: () => Infinity,
  '2^31': () => 2 ** 31,
  '2^53': () => 2 ** 53,
  '1e300': () => 1e300,
  '10n': () => 10n,
  'a symbol': () => Symbol('wrong'),
  'an empty string': () => '',
  'a string': () => 'wrong',
  'a string with a null character': () => 'a\0b',
  'an http URL': () => new URL('http://127.0.0.1:9/'),
  'a file URL with a host': () => new URL('file://host/a%00b'),
  'a million characters': () => 'a'.repeat(1_000_000),
  'an empty object': () => ({}),
  'an object without a prototype': () => Object.create(null),
  'an empty array': () => [],
  'an array of null': () => [null],
  'an array of symbols': () => [Symbol('wrong'), Symbol('wrong')],
  'an array of NaN': () => [Number.NaN, Number.NaN],
  'a pair that becomes long': () => lengthening([1, 2]),
  'a triple that becomes long': () => lengthening([1, 2, 3]),
  'a negative length': () => ({ length: -1 }),
  'a length of 2^40': () => ({ length: 2 ** 40 }),
  'a function': () => () => 1,
  'a function that throws': () => thrower,
  'a class': () => Foreign,
  'an instance of another class': () => new Foreign(),
  'a date': () => new Date(0),
  'a Map of null': () => new Map([['labels', null]]),
  'a Map of empty objects': () => new Map([['labels', {}]]),
  'a proxy of a Map': () => new Proxy(new Map([['labels', { shape: [1], data: new Float32Array(1) }]]), {}),
  'an object that inherits from Map': () => Object.create(Map.prototype, { size: { value: 1 } }),
  'an object that inherits from URL': () => Object.create(URL.prototype),
  'a Set': () => new Set([1]),
  'a proxy of a Set': () => new Proxy(new Set([1]), {}),
  'a promise': () => Promise.resolve(1),
  'a regular expression': () => /x/,
  'a detached array': detached,
  'a shared array': () => new Float32Array(new SharedArrayBuffer(32)),
  'a resizable array': resizable,
  'an array of float32': () => new Float32Array(3),
  'an array of float64': () => new Float64Array(768).fill(Number.NaN),
  'an array of bytes': () => new Uint8Array(768),
  'an array of int32': () => Int32Array.of(1, -1, 2 ** 30),
  'an array of bigints': () => new BigInt64Array(3),
  'a proxy of an array of float32': () => new Proxy(new Float32Array(8), {}),
  'a proxy of an array of bytes': () => new Proxy(new Uint8Array(768), {}),
  'a proxy of an array of int32': () => new Proxy(new Int32Array(6), {}),
  'a DataView': () => new DataView(new ArrayBuffer(8)),
  'an ArrayBuffer': () => new ArrayBuffer(8),
  'a getter that throws': () => new Proxy({}, { get: thrower, has: thrower, ownKeys: thrower }),
  'getters that change': changing,
  'a revoked proxy': revoked,
  'an instance without its private fields': () => Object.create(Foreign.prototype),
  'an object that inherits from AbortSignal': () => Object.create(AbortSignal.prototype),
  'an object that calls itself iterable': () => ({ [Symbol.iterator]: 1 }),
};
