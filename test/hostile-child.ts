// The child process of test/hostile.test.ts: `node hostile-child.js public|native SEED CALLS` makes that many calls with
// hostile arguments. It prints each call before making it, so the last line names the call that crashed.
import type { PlacedCalls } from '../lib/call/binding-calls.ts';
import * as coreCalls from '../lib/call/binding-calls.ts';
import * as imageCalls from '../lib/image/binding-calls.ts';
import * as lib from '../lib/index.ts';
import { core } from '../lib/native.ts';
import { random } from '../lib/random.ts';
import { Hostile, HostileError } from './hostile.ts';
import { writeLine } from './write-line.ts';

const [, , kind = 'public', seed = '0', calls = '1000'] = process.argv;
const next = random(Number(seed), kind === 'native' ? 1 : 0);
const hostile = new Hostile(next);

type Call = (...args: unknown[]) => unknown;

/** The number of calls per function, and how many of them returned a result. */
const called = new Map<string, [calls: number, results: number]>();

/** The options that a function accepts, as listed in its error for an unknown one. */
const accepted = new Map<string, readonly string[]>();

/** Calls a function with an unknown option after 0 to 4 matrices, because its error lists the accepted options. */
async function askOptions(name: string, call: Call): Promise<void> {
  const points = lib.matrix(new Float64Array(18).fill(0.1), 6, 3);
  for (let count = 0; count <= 4; ++count) {
    try {
      await call(...Array(count).fill(points), { unknown: 1 });
    } catch (error) {
      check(name, error);
      learnOptions(name, error);
    }
  }
}

function learnOptions(name: string, error: unknown): void {
  const { code, message } = error as { code?: unknown; message?: string };
  const [, list] = /options: expected one of (.+), got '/.exec(message ?? '') ?? [];
  if (code === 'ERR_HOROBALL_OPTION' && list !== undefined) accepted.set(name, list.split(', '));
}

function coded(error: unknown): boolean {
  if (error instanceof HostileError) return true;
  const code: unknown = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && code.startsWith('ERR_HOROBALL_');
}

function check(name: string, error: unknown): void {
  if (coded(error)) return;
  writeLine(`uncoded error of ${name}: ${error instanceof Error ? error.stack : String(error)}`);
  process.exit(3);
}

/** Detaches some buffers that a call may still be using, by transferring them. */
function transferSome(args: readonly unknown[]): void {
  for (const arg of args) {
    const data = ArrayBuffer.isView(arg)
      ? arg
      : (Object.getOwnPropertyDescriptor(Object(arg), 'data')?.value as unknown);
    if (!ArrayBuffer.isView(data) || !(data.buffer instanceof ArrayBuffer) || next() < 0.7) continue;
    try {
      structuredClone(data.buffer, { transfer: [data.buffer] });
    } catch {
      // The buffer was detached before the call.
    }
  }
  if (next() < 0.05) (globalThis as { gc?: () => void }).gc?.();
}

async function attempt(name: string, call: Call, args: unknown[]): Promise<void> {
  const count = called.get(name) ?? [0, 0];
  called.set(name, count);
  ++count[0];
  try {
    const result = call(...args);
    if (result instanceof Promise && next() < 0.3) transferSome(args);
    await result;
    ++count[1];
  } catch (error) {
    check(name, error);
  }
}

/** Every public function of lib/index.ts, with its sync variant and gradients, and calls of the public classes. */
function publicCalls(): [string, Call][] {
  const found: [string, Call][] = [];
  for (const [name, value] of Object.entries(lib)) {
    if (typeof value !== 'function') continue;
    if (/^[A-Z]/.test(name)) continue;
    const call = value as unknown as Call & { sync?: Call; vjp?: Call & { sync?: Call } };
    found.push([name, call]);
    if (call.sync) found.push([`${name}.sync`, call.sync]);
    if (call.vjp) found.push([`${name}.vjp`, call.vjp]);
    if (call.vjp?.sync) found.push([`${name}.vjp.sync`, call.vjp.sync]);
  }
  return [...found, ...objectCalls()];
}

const any = (value: unknown) => value as never;

function objectCalls(): [string, Call][] {
  const points = () => lib.matrix(new Float64Array(18).fill(0.1), 6, 3);
  const gallery = new lib.Gallery<lib.Reals>({ c: 1 });
  const sgd = new lib.RiemannianSGD(points(), { c: 1, lr: 0.1 });
  const adam = new lib.RiemannianAdam(points(), { c: 1, lr: 0.1 });
  return [
    ['Gallery', (options) => new lib.Gallery(any(options))],
    ['Gallery.add', (rows, labels) => gallery.add(any(rows), any(labels))],
    ['Gallery.remove', (numbers) => gallery.remove(any(numbers))],
    ['Gallery.buildIndex', (options) => gallery.buildIndex(any(options))],
    ['Gallery.topK', (rows, options) => gallery.topK(any(rows), any(options))],
    ['Gallery.topK.sync', (rows, options) => gallery.topK.sync(any(rows), any(options))],
    ['RiemannianSGD', (rows, options) => new lib.RiemannianSGD(any(rows), any(options))],
    ['RiemannianSGD.step', (rows, options) => sgd.step(any(rows), any(options))],
    ['RiemannianSGD.loadState', (state) => sgd.loadState(any(state))],
    ['RiemannianAdam', (rows, options) => new lib.RiemannianAdam(any(rows), any(options))],
    ['RiemannianAdam.step', (rows, options) => adam.step(any(rows), any(options))],
    ['RiemannianAdam.loadState', (state) => adam.loadState(any(state))],
  ];
}

/** The number of arguments of the core's exports that `describeCalls` omits. */
const arity: Record<string, number> = {
  row: 5,
  rowVjp: 9,
  rowShort: 0,
  rowVjpShort: 0,
  cancel: 1,
  backend: 1,
  dlopenLibrary: 2,
  openJpegDecoder: 1,
  lockFile: 2,
  unlockFile: 1,
  describeCalls: 0,
};

let placed: unknown[] = [];
const bound = { ...coreCalls, ...imageCalls };

/** A fake core that records the positional arguments of a call. */
const recorder = new Proxy({} as PlacedCalls, {
  get:
    () =>
    (...given: unknown[]) => {
      placed = given;
    },
});

/** Returns arguments for an export of the core: mostly valid ones if `whole` has the export, otherwise random ones. */
function nativeArguments(name: string): unknown[] {
  const data = () => (next() < 0.1 ? null : new Float64Array(hostile.pick([18, 36, 6])).fill(0.1));
  const of = (rows: number, cols: number) => ({ data: data(), rows, cols });
  const metric = { metric: 0, guards: 0, c: 1 };
  const how = { device: -1, threads: 1, job: 0 };
  const whole: Record<string, () => unknown> = {
    pairwise: () => bound.pairwise(recorder, { ...metric, x: of(6, 3), y: of(6, 3), out: of(6, 6), ...how }),
    pairwiseVjp: () =>
      bound.pairwiseVjp(recorder, {
        ...{ ...metric, x: of(6, 3), y: of(6, 3), cotangent: of(6, 6) },
        ...{ gradX: of(6, 3), gradY: of(6, 3), gradC: null, ...how },
      }),
    contrast: () => {
      const order = Int32Array.from({ length: 6 }, (_, i) =>
        next() < 0.05 ? hostile.pick([-1, 6, 1e9]) : i,
      );
      return bound.contrast(recorder, {
        ...{ geometry: hostile.below(4), guards: 0, tied: next() < 0.5, mean: false, views: 2 },
        ...{ tauE: 0.1, tauH: 0.2, lambda: 0.5, c: 0.1, clip: 2.3 },
        ...{ euclidean: of(6, 3), hyperbolic: of(6, 3), order, loss: new Float64Array(1) },
        ...{ gradEuclidean: of(6, 3), gradHyperbolic: of(6, 3) },
        ...{ gradParams: new Float64Array(4), stats: new Float64Array(4), ...how },
      });
    },
    select: () =>
      bound.select(recorder, {
        ...{ ...metric, k: 1, queries: of(6, 3), gallery: of(6, 3), exclude: null, allowed: null },
        ...{ indices: new Int32Array(6), distances: of(6, 1), ...how },
      }),
    delta: () => {
      const results = { delta: new Float64Array(1), diameter: new Float64Array(1) };
      return bound.delta(recorder, { distances: of(6, 6), base: 0, ...results, ...how });
    },
    augment: () => {
      const list = new Float64Array(8);
      return bound.augment(recorder, {
        size: 2,
        steps: 1,
        list,
        pixels: new Uint8Array(12),
        out: new Uint8Array(12),
        threads: 1,
        job: 0,
      });
    },
    decodeJpeg: () =>
      bound.decodeJpeg(recorder, {
        ...{ width: 4, height: 4, channels: 3, length: 8, file: new Uint8Array(8), out: new Uint8Array(48) },
        ...{ decoded: new Uint8Array(1), threads: 1, job: 0 },
      }),
    resample: () =>
      bound.resample(recorder, {
        ...{ width: 4, height: 4, layout: 2, pixels: new Uint8Array(48), background: -1 },
        ...{ top: 0, left: 0, boxHeight: 4, boxWidth: 4, outHeight: 2, outWidth: 2 },
        ...{ windowTop: 0, windowLeft: 0, size: 2, flip: false, out: new Uint8Array(12), threads: 1, job: 0 },
      }),
  };
  whole[name]?.();
  const args = name in whole ? placed : hostile.args(arity[name]!);
  const numbers = [hostile.below(30), 0, 1, 0.5, 6, 6, 3, 6, 3, 6, 3, 6, 3, -1, 1, 0];
  if (name.startsWith('row')) {
    const list = Float64Array.from(numbers, (each) =>
      next() < 0.05 ? Number(hostile.pick([-1, 1e300, 0, 7, Number.NaN, 2 ** 52])) : each,
    );
    if (name.endsWith('Short')) core().callBuffer.set(list);
    else args.splice(0, args.length, list, ...Array.from({ length: arity[name]! - 1 }, data));
  }
  for (let i = 0; i < args.length; ++i) if (next() < 0.03) args[i] = hostile.any();
  // A job number other than 0 makes the call asynchronous.
  const last = args.length - 1;
  if (whole[name] && args[last] === 0 && next() < 0.3) args[last] = hostile.below(2 ** 20) + 1;
  return args;
}

/** Whether a call could load a library, whose constructors would run. */
const unsafe = (name: string, args: readonly unknown[]) =>
  /^(dlopenLibrary|openJpegDecoder)$/.test(name) && typeof args[0] === 'string' && args[0] !== '';

async function run(): Promise<void> {
  const binary = core() as unknown as Record<string, unknown>;
  const exported =
    kind === 'native' ? Object.keys(binary).filter((name) => typeof binary[name] === 'function') : [];
  const list: [string, Call][] =
    kind === 'native' ? exported.map((name) => [name, binary[name] as Call]) : publicCalls();
  for (const name of exported)
    if (arity[name] === undefined && !(name in bound))
      throw new Error(`the number of arguments of ${name} is not listed in this file`);
  if (kind === 'public') for (const each of list) await askOptions(...each);
  for (let i = 0; i < Number(calls); ++i) {
    const [name, call] = hostile.pick(list);
    hostile.accepted = accepted.get(name);
    const args = kind === 'native' ? nativeArguments(name) : hostile.args(6);
    if (unsafe(name, args)) continue;
    writeLine(`${i} ${name}`);
    await attempt(name, call, args);
    if (i % 50 === 49) await new Promise(setImmediate);
  }
  const results = [...called.values()].filter(([, results]) => results > 0).length;
  writeLine(`done: ${called.size} of ${list.length} functions called, ${results} with a result`);
}

await run();
