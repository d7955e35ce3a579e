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
  await t.throwsAsync(new Listeners([counter]).notify('onEnd', 'complete'), { message: 'full' });
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

for (const [name, hooks, message] of [
  ['a number as a callback', { onStep: 1 }, /onStep: expected a function, got 1/],
  ['text as a signal', { signal: 'now' }, /signal/],
  ['a number as hooks', 7, /hooks: expected an object/],
] as const) {
  test(`${name} is rejected`, (t) => {
    t.throws(() => checkHooks(hooks as never), { code: 'ERR_HOROBALL_TYPE', message });
  });
}
