import test from 'ava';
import { checkHooks, Listeners, type RunListener } from '../../../lib/train/run/hooks.ts';

test('notifies listeners in order, and awaits each promise', async (t) => {
  const seen: string[] = [];
  const listener = (name: string, ms: number): RunListener => ({
    onCheckpoint: () =>
      new Promise<void>((resolve) => setTimeout(() => resolve(void seen.push(name)), ms)) as never,
  });
  const all = new Listeners([listener('slow', 20), {}, listener('fast', 0)]);
  await all.notify('onCheckpoint');
  t.deepEqual(seen, ['slow', 'fast']);
  t.true(all.has('onCheckpoint'));
  t.false(all.has('onSnapshot'));
});

test('calls methods with the listener as `this`, and passes its errors to the caller', async (t) => {
  class Counter implements RunListener {
    texts: string[] = [];
    onWarning(text: string): void {
      this.texts.push(text);
    }
    onEnd(): void {
      throw new Error('full');
    }
  }
  const counter = new Counter();
  const listeners = new Listeners([counter]);
  listeners.warn('careful');
  await listeners.flush();
  t.deepEqual(counter.texts, ['careful']);
  await t.throwsAsync(new Listeners([counter]).end('complete'), { message: 'full' });
});

test('awaits the promise of onWarning before the next callback', async (t) => {
  const seen: string[] = [];
  const listeners = new Listeners([
    {
      onWarning: async (text) => {
        await new Promise((resolve) => setTimeout(resolve, 10));
        seen.push(text);
      },
      onCheckpoint: () => void seen.push('checkpoint'),
    },
  ]);
  listeners.warn('first');
  listeners.warn('second');
  await listeners.notify('onCheckpoint');
  t.deepEqual(seen, ['first', 'second', 'checkpoint']);
});

test('an error of onWarning rejects the next call instead of being unhandled', async (t) => {
  const listeners = new Listeners([
    {
      onWarning: async () => {
        throw new Error('full');
      },
    },
  ]);
  listeners.warn('careful'); // ava fails on an unhandled rejection
  await new Promise((resolve) => setTimeout(resolve, 5));
  await t.throwsAsync(listeners.notify('onCheckpoint'), { message: 'full' });
  await t.notThrowsAsync(listeners.notify('onCheckpoint'));
});

test('every listener is notified of the end, even if others or warnings fail', async (t) => {
  const ends: string[] = [];
  const fails = {
    onWarning: () => {
      throw new Error('first');
    },
    onEnd: () => {
      throw new Error('second');
    },
  };
  const listeners = new Listeners([fails, { onEnd: (how) => void ends.push(how) }]);
  listeners.warn('careful');
  await t.throwsAsync(listeners.end('interrupted'), { message: 'first' });
  t.deepEqual(ends, ['interrupted']);
});

test('each hook is read once, and called with the hooks as `this`', async (t) => {
  const reads = new Map<string, number>();
  const seen: unknown[] = [];
  const hooks = new Proxy(
    {
      onStep(this: unknown): void {
        seen.push(this);
      },
      signal: AbortSignal.abort(),
      resume: 'auto',
    },
    {
      get(target, name: string) {
        reads.set(name, (reads.get(name) ?? 0) + 1);
        return reads.get(name) === 1 ? target[name as keyof typeof target] : 5;
      },
    },
  );
  const checked = checkHooks(hooks);
  await new Listeners([checked]).notify('onStep', {} as never, null);
  t.deepEqual([...new Set(reads.values())], [1]);
  t.is(seen[0], hooks);
  t.deepEqual([checked.resume, checked.signal?.aborted, checked.onEnd], ['auto', true, undefined]);
});

for (const [name, hooks, message] of [
  ['a number as a callback', { onStep: 1 }, /onStep: expected a function, got 1/],
  ['text as a signal', { signal: 'now' }, /signal/],
  ['a number as hooks', 7, /hooks: expected an object/],
] as const) {
  test(`${name} is rejected`, (t) => {
    t.throws(() => checkHooks(hooks as never), { code: 'ERR_HOROBALL_TYPE', message });
  });
}
