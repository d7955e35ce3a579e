// The child process of test/wrong-arguments.test.ts: `node wrong-arguments-child.js SEED SECONDS [NAME]` calls every
// exported function, constructor, method and getter with valid arguments, then with one argument, or one property of an
// argument, replaced by a wrong value. SEED determines the order. It prints each call before making it, so the last line
// names the call that crashed or hung.
import { writeSync } from 'node:fs';
import { random, shuffle } from '../lib/random.ts';
import { type Callable, callables } from './wrong-arguments.ts';
import { WrongValueError, wrongValues } from './wrong-values.ts';

const [, , seed = '1', seconds = '10', only = ''] = process.argv;
/** Time limit of a call in seconds. A longer call counts as hanging; valid calls take milliseconds. */
const mostSeconds = 20;

interface Case {
  callable: Callable;
  /** Which argument is wrong, and how. */
  text: string;
  /** Makes the arguments. */
  args(): Promise<unknown[]>;
}

function say(text: string): void {
  writeSync(1, `${text}\n`);
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

/** Every single replacement of an argument, or of a part of one. */
async function casesOf(callable: Callable): Promise<Case[]> {
  const valid = await callable.args();
  const cases: Case[] = [{ callable, text: 'valid arguments', args: callable.args }];
  for (let i = 0; i <= valid.length; i++) {
    const add = (at: string, put: Place[1], name: string, value: () => unknown): void => {
      const args = async (): Promise<unknown[]> => {
        const made = await callable.args();
        made[i] = put(made[i], value());
        return made;
      };
      cases.push({ callable, text: `argument ${i}${at} = ${name}`, args });
    };
    const whole: Place = ['', (_, wrong) => wrong];
    for (const [at, put] of [whole, ...places(valid[i])])
      for (const [name, value] of Object.entries(wrongValues)) add(at, put, name, value);
    for (const [name, object] of objects) add(...whole, name, () => object);
  }
  return cases;
}

/** Whether an error has a code of horoball or of the system, or was thrown by a getter of the argument. */
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
    if (!isExpected(error)) say(`uncoded: ${error instanceof Error ? error.stack : String(error)}`);
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
  if (!isExpected(error)) say(`uncoded, in the background: ${error instanceof Error ? error.stack : error}`);
});

const { found, objects } = await withRetries(callables);
const all = found.filter(({ name }) => name.includes(only));
const next = random(Number(seed));
const results = new Set<string>();
const slow: string[] = [];
let calls = 0;

/** The cases of each callable in a random order. Callables take turns, because some have many more cases than others. */
const queues: Case[][] = [];
for (const callable of all) {
  const [valid, ...wrong] = await withRetries(() => casesOf(callable));
  queues.push([valid!, ...shuffle(next, wrong)]);
}
const end = performance.now() + 1000 * Number(seconds);
const total = queues.reduce((sum, { length }) => sum + length, 0);
for (let round = 0; queues.some(({ length }) => length > round); round++) {
  for (const queue of queues) {
    // The first round, with valid arguments, always completes.
    if (queue[round] === undefined || (round > 0 && performance.now() > end)) continue;
    const { callable, text, args } = queue[round]!;
    say(`${callable.name}: ${text}`);
    const made = await withRetries(args);
    const began = performance.now();
    const outcome = await settled(() => callable.call(made));
    const took = performance.now() - began;
    if (took > 1000) slow.push(`${took.toFixed(0)} ms: ${callable.name}: ${text}`);
    if (outcome === 'hang') say(`hang: over ${mostSeconds} s`);
    if (outcome === 'result') results.add(callable.name);
    calls++;
  }
}
for (const each of slow) say(`slow: ${each}`);
say(`done: ${calls} of ${total} calls of ${all.length} callables, ${results.size} with a result`);
process.exit(0);
