// Random hostile arguments: wrong types, getters whose value changes, proxies, and shared, detached or resizable
// buffers.

/** The value that a hostile getter throws; a call may pass it on unchanged. */
export class HostileError extends Error {}

const arrays = [
  Float32Array,
  Float64Array,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
] as const;
const names = [
  'poincare',
  'lorentz',
  'cosine',
  'hybrid',
  'chordal',
  'hypmix',
  'self',
  'cpu',
  'cuda',
  'auto',
  'mean',
  'query',
  'points',
  'distances',
  '',
];
const keys = [
  'c',
  'metric',
  'geometry',
  'k',
  'exclude',
  'allowed',
  'labels',
  'views',
  'tied',
  'out',
  'gradC',
  'threads',
  'device',
  'compat',
  'signal',
  'seed',
  'size',
  'samples',
  'ks',
  'query',
  'gallery',
  'role',
  'reduction',
  'grad',
  'anchors',
  'lambda',
  'tauE',
  'tauH',
  'clipR',
  'euclidean',
  'hyperbolic',
  'input',
  'lr',
  'momentum',
  'betas',
  'eps',
  'perQuery',
  'margin',
  'normalize',
  'loss',
  'positives',
  'indptr',
  'indices',
  'ref',
  'weights',
  'alpha',
  'beta',
  'base',
];

type Draw = () => unknown;

/** Draws arguments with a generator of numbers from 0 to 1. */
export class Hostile {
  readonly #random: () => number;
  /** The options that the next call accepts, if known; most options are drawn from these. */
  accepted: readonly string[] | undefined;

  constructor(random: () => number) {
    this.#random = random;
  }

  below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /**
   * Returns up to `most` arbitrary values, or plausible arguments: sometimes a number, then matrices of one type and options.
   * Half of the plausible lists have one argument replaced by an arbitrary value.
   */
  args(most: number): unknown[] {
    if (this.#random() < 0.4) return Array.from({ length: this.below(most + 1) }, () => this.any());
    const Kind = this.pick([Float32Array, Float64Array]);
    const rows = this.pick([6, 6, 1]);
    const matrix = () => ({ data: new Kind(rows * 3).map(() => this.#random() / 4), rows, cols: 3 });
    const args: unknown[] = Array.from({ length: 1 + this.below(most - 1) }, matrix);
    if (this.#random() < 0.3) args.unshift(this.#random());
    args.push(this.options());
    if (this.#random() < 0.5) args[this.below(args.length)] = this.any();
    return args;
  }

  any(): unknown {
    const draws: readonly Draw[] = [
      () => this.matrix(),
      () => this.matrix(),
      () => this.options(),
      () => this.options(),
      () => this.reals(),
      () => this.scalar(),
      () => this.list(),
      () => this.changing(),
      () => this.proxy(),
      () => this.array(),
    ];
    return this.pick(draws)();
  }

  scalar(): unknown {
    const numbers = [0, 1, 2, 3, 6, -1, 0.5, 1e-3, 1e300, 5e-324, Number.NaN, Infinity, 2 ** 31, 2 ** 53];
    const others = [undefined, null, true, false, 10n, Symbol('x'), () => 1, Symbol.iterator];
    return this.pick<Draw>([
      () => this.pick(numbers),
      () => this.pick(numbers),
      () => this.pick(others),
      () => this.pick(names),
    ])();
  }

  /** A float32 or float64 array in fixed, shared, resizable or detached memory. */
  reals(length: number = this.pick([0, 1, 3, 6, 18])): ArrayBufferView {
    const Kind = this.pick([Float32Array, Float64Array]);
    const bytes = length * Kind.BYTES_PER_ELEMENT;
    const draws: readonly (() => ArrayBufferView)[] = [
      () => new Kind(length).fill(0.1),
      () => new Kind(length).map(() => this.#random() - 0.5),
      () =>
        Kind === Float32Array
          ? new Float32Array(new SharedArrayBuffer(bytes))
          : new Float64Array(new SharedArrayBuffer(bytes)),
      () => new Kind(length + 2).subarray(1, length + 1),
      () => {
        const array = new Kind(length);
        structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
        return array;
      },
      () => {
        const Resizable = ArrayBuffer as unknown as new (size: number, max: object) => ArrayBuffer;
        return new Kind(new Resizable(bytes, { maxByteLength: bytes + 64 }));
      },
    ];
    return this.pick([draws[0]!, draws[1]!, ...draws])();
  }

  array(): unknown {
    const Kind = this.pick(arrays);
    return this.pick<Draw>([() => new Kind(6), () => new DataView(new ArrayBuffer(8)), () => new Kind(0)])();
  }

  matrix(): unknown {
    const rows = this.pick([6, 6, 6, 1, 3, 0]);
    const cols = this.pick([3, 3, 3, 1, 2, 6]);
    const shape = { data: this.reals(rows * cols), rows, cols };
    const draws: readonly Draw[] = [
      () => shape,
      () => shape,
      () => shape,
      () => Object.freeze(shape),
      () => ({ ...shape, rows: this.scalar() }),
      () => ({ ...shape, cols: this.scalar() }),
      () => ({
        ...shape,
        data: this.pick<Draw>([() => this.array(), () => this.scalar(), () => this.list()])(),
      }),
      () => this.changing(shape),
      () => this.proxy(shape),
    ];
    return this.pick(draws)();
  }

  list(): unknown {
    const length = this.pick([0, 2, 6, 6]);
    return this.pick<Draw>([
      () => Array.from({ length }, () => this.scalar()),
      () => Array.from({ length }, (_, i) => i >> 1),
      () => Int32Array.from({ length }, (_, i) => i),
      () => ({ length: this.pick([-1, 0, 2.5, 6, 2 ** 40, Number.NaN, '6']) }),
      () => new Set([1, 2]),
      () => new Map([['velocity', { data: this.scalar() }]]),
      () => this.changing({ length, 0: 0, 1: 1, 2: 2 }),
      () => Object.create(null),
      () => new Array(2 ** 31),
    ])();
  }

  options(): unknown {
    const accepted = this.#random() < 0.9 ? this.accepted : undefined;
    const usual = Object.entries({ c: 1, k: 1, views: 2, role: 'query', lr: 0.1, tied: true });
    const given: Record<string, unknown> = Object.fromEntries(
      usual.filter(([key]) => accepted?.includes(key) ?? true),
    );
    // Every accepted option is read, so one or two wrong ones are enough.
    for (let i = accepted === undefined ? this.below(5) : this.pick([0, 0, 0, 1, 2]); i > 0; --i)
      given[this.pick(accepted ?? keys)] = this.pick<Draw>(this.#values)();
    return this.pick<Draw>([
      () => given,
      () => given,
      () => given,
      () => this.changing(given),
      () => this.proxy(given),
    ])();
  }

  readonly #values: readonly Draw[] = [
    () => this.scalar(),
    () => this.scalar(),
    () => this.list(),
    () => this.reals(),
    () => this.matrix(),
    () => new AbortController().signal,
    () => AbortSignal.abort(new HostileError('aborted')),
    () => Object.create(AbortSignal.prototype),
  ];

  /** Returns an object whose getters return `base`'s values at the first read, but may return others later, or throw. */
  changing(base: object = { data: this.reals(18), rows: 6, cols: 3 }): object {
    const out = {};
    for (const [key, value] of Object.entries(base)) {
      let readings = 0;
      Object.defineProperty(out, key, {
        enumerable: true,
        get: () => {
          if (this.#random() < 0.02) throw new HostileError(key);
          return readings++ === 0 || this.#random() < 0.5 ? value : this.#other(value);
        },
      });
    }
    return out;
  }

  proxy(base: object = { data: this.reals(18), rows: 6, cols: 3 }): object {
    return new Proxy(base, {
      get: (target, key) => {
        if (this.#random() < 0.02) throw new HostileError(String(key));
        const value: unknown = Reflect.get(target, key);
        return this.#random() < 0.7 ? value : this.#other(value);
      },
      has: (target, key) => (this.#random() < 0.8 ? Reflect.has(target, key) : false),
    });
  }

  #other(value: unknown): unknown {
    if (typeof value === 'number') return this.pick([0, 1, 3, 7, 2 ** 20, 2 ** 31, 2 ** 52, -1, Number.NaN]);
    return this.pick<Draw>([() => this.reals(), () => this.scalar(), () => null])();
  }
}
