// The child process of test/wrong-arguments.test.ts: `node wrong-arguments-child.js SEED SECONDS [NAME]` calls every
// exported function, constructor, method and getter with valid arguments, then with one argument, or one property of an
// argument, replaced by a wrong value, in an order that SEED determines. It prints each call before making it, so the last
// line names the call that crashed or hung. It stops after SECONDS, but always makes the calls with valid arguments and,
// of callables that are not slow, half of the calls with likely wrong values (the other half if SEED has the other parity).
import { random, shuffle } from '../lib/random.ts';
import { writeLine } from './write-line.ts';
import { type Callable, callables } from './wrong-arguments.ts';
import { likelyValues, WrongValueError, wrongValues } from './wrong-values.ts';

const [, , seed = '1', seconds = '10', only = ''] = process.argv;
/** Time limit of a call in seconds. A longer call counts as hanging; valid calls take milliseconds. */
const mostSeconds = 20;
/** Limit for the memory that one call adds. Valid calls add less than 100 MB. */
const mostKilobytes = 300_000;
/** Once SECONDS have passed, a callable whose calls took this many seconds in all is not called again. */
const enoughSeconds = 1;

interface Case {
  callable: Callable;
  /** Which argument is wrong, and how. */
  text: string;
  isLikely: boolean;
  /** Makes the arguments. */
  args(): Promise<unknown[]>;
}

/** A position for a wrong value, and a function that puts it there. */
type Place = [at: string, put: (into: unknown, wrong: unknown) => unknown];

/** Lists the positions in a valid value at which a wrong value can replace a part. */
function places(value: unknown): Place[] {
  if (value instanceof Map) {
    const [key, entry] = [...value][0] ?? [];
    const into = (made: unknown, wrong: unknown): Map<unknown, unknown> =>
      new Map(made as Map<unknown, unknown>).set(key, wrong);
    return [
      ['.first', into],
      ['.first.shape', (made, wrong) => into(made, { ...(entry as object), shape: wrong })],
      ['.first.data', (made, wrong) => into(made, { ...(entry as object), data: wrong })],
    ];
  }
  if (value === null || typeof value !== 'object') return [];
  if (Array.isArray(value))
    return value.length === 0 ? [] : [['[0]', (made, wrong) => [wrong, ...(made as unknown[]).slice(1)]]];
  if (Object.getPrototypeOf(value) !== Object.prototype) return [];
  return Object.keys(value).map((key) => [
    `.${key}`,
    (made, wrong) => ({ ...(made as object), [key]: wrong }),
  ]);
}

/** Whether both are objects of one class; the second may lack the fields of the class. */
function areOfOneClass(value: unknown, object: object): boolean {
  if (value === null || typeof value !== 'object') return false;
  return Object.getPrototypeOf(value) === Object.getPrototypeOf(object);
}

/** Returns a case with valid arguments, and one for every replacement of an argument or of a part of one. */
async function casesOf(callable: Callable): Promise<Case[]> {
  const valid = await callable.args();
  const cases: Case[] = [{ callable, text: 'valid arguments', isLikely: true, args: callable.args }];
  for (let i = 0; i <= valid.length; i++) {
    const add = (
      [at, put]: Place,
      name: string,
      value: () => unknown,
      isLikely = likelyValues.has(name),
    ): void => {
      const args = async (): Promise<unknown[]> => {
        const made = await callable.args();
        made[i] = put(made[i], value());
        return made;
      };
      cases.push({ callable, text: `argument ${i}${at} = ${name}`, isLikely, args });
    };
    const whole: Place = ['', (_, wrong) => wrong];
    for (const place of [whole, ...places(valid[i])])
      for (const [name, value] of Object.entries(wrongValues)) add(place, name, value);
    for (const [name, object] of objects) add(whole, name, () => object, areOfOneClass(valid[i], object));
  }
  return cases;
}

/** Whether an error has a code of horoball or of the system, or comes from the wrong value itself, such as a getter. */
function isExpected(error: unknown): boolean {
  if (error instanceof WrongValueError) return true;
  const { code, syscall, message } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
  if (typeof code === 'string' && code.startsWith('ERR_HOROBALL_')) return true;
  // Thrown by the wrong value itself: a revoked proxy, an object without private fields, a class as a callback.
  const own = /proxy that has been revoked|Cannot read private member|cannot be invoked without 'new'/;
  if (own.test(message ?? '')) return true;
  return typeof syscall === 'string' && typeof code === 'string' && /^E[A-Z]+$/.test(code);
}

async function settled(work: () => unknown): Promise<'result' | 'error' | 'hang'> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<'hang'>((resolve) => {
    timer = setTimeout(resolve, 1000 * mostSeconds, 'hang');
  });
  const ended = (async () => {
    await work();
    return 'result' as const;
  })();
  try {
    return await Promise.race([ended, limit]);
  } catch (error) {
    if (!isExpected(error)) writeLine(`uncoded: ${error instanceof Error ? error.stack : String(error)}`);
    return 'error';
  } finally {
    clearTimeout(timer);
  }
}

/** Retries, because a failed queued call rejects the next promise, which may be one that an example awaits. */
async function withRetries<T>(make: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await make();
    } catch (error) {
      if (attempts >= 4 || !isExpected(error)) throw error;
    }
  }
}

process.on('unhandledRejection', (error) => {
  if (!isExpected(error))
    writeLine(`uncoded, in the background: ${error instanceof Error ? error.stack : error}`);
});

const { found, objects } = await withRetries(callables);
const all = found.filter(({ name }) => name.includes(only));
const next = random(Number(seed));
const results = new Set<string>();
const slow: string[] = [];
let calls = 0;

interface Queue {
  cases: Case[];
  /** Number of cases that run even after SECONDS have passed, unless the callable is slow. */
  least: number;
  seconds: number;
}

/**
 * The cases of each callable: with valid arguments, then this seed's half of the likely ones, then all others in random
 * order. Callables take turns, because some have many more cases than others.
 */
const queues: Queue[] = [];
for (const callable of all) {
  const [valid, ...wrong] = await withRetries(() => casesOf(callable));
  const likely = wrong.filter(({ isLikely }) => isLikely);
  const own = new Set(likely.filter((_, i) => (i + Number(seed)) % 2 === 0));
  const first = shuffle(next, [...own]);
  const others = shuffle(
    next,
    wrong.filter((each) => !own.has(each)),
  );
  queues.push({ cases: [valid!, ...first, ...others], least: 1 + first.length, seconds: 0 });
}
const end = performance.now() + 1000 * Number(seconds);
const total = queues.reduce((sum, { cases }) => sum + cases.length, 0);
for (let round = 0; queues.some(({ cases }) => cases.length > round); round++) {
  for (const queue of queues) {
    const { cases, least } = queue;
    // The first round, with valid arguments, always completes.
    const isRequired = round === 0 || (round < least && queue.seconds < enoughSeconds);
    if (cases[round] === undefined || (!isRequired && performance.now() > end)) continue;
    const { callable, text, args } = cases[round]!;
    writeLine(`${callable.name}: ${text}`);
    const made = await withRetries(args);
    const [began, peak] = [performance.now(), process.resourceUsage().maxRSS];
    const outcome = await settled(() => callable.call(made));
    const took = performance.now() - began;
    queue.seconds += took / 1000;
    const added = process.resourceUsage().maxRSS - peak;
    if (added > mostKilobytes) writeLine(`memory: added ${(added / 1000).toFixed(0)} MB`);
    if (took > 1000) slow.push(`${took.toFixed(0)} ms: ${callable.name}: ${text}`);
    if (outcome === 'hang') writeLine(`hang: over ${mostSeconds} s`);
    if (outcome === 'result') results.add(callable.name);
    calls++;
  }
}
for (const each of slow) writeLine(`slow: ${each}`);
writeLine(`done: ${calls} of ${total} calls of ${all.length} callables, ${results.size} with a result`);
process.exit(0);
