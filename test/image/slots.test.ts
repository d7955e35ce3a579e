import { getEventListeners } from 'node:events';
import test from 'ava';
import { Slots } from '../../lib/image/slots.ts';

/** A call that ends when `end` is called. */
function held(): { work: () => Promise<void>; end: () => void } {
  const { promise, resolve } = withResolvers();
  return { work: () => promise, end: resolve };
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((given) => {
    resolve = given;
  });
  return { promise, resolve };
}

test('waiting calls run in order, no more than the limit at a time', async (t) => {
  const slots = new Slots(2);
  const { signal } = new AbortController();
  let [running, most] = [0, 0];
  const order: number[] = [];
  const work = async (i: number): Promise<number> => {
    order.push(i);
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    --running;
    return i;
  };
  const all = [...Array(7).keys()];
  t.deepEqual(await Promise.all(all.map((i) => slots.use(signal, () => work(i)))), all);
  t.deepEqual(order, all);
  t.is(most, 2);
  t.is(getEventListeners(signal, 'abort').length, 0);
});

test('a call whose signal is aborted while it waits rejects at once, and gives up its place', async (t) => {
  const slots = new Slots(1);
  const [first, { signal }] = [held(), new AbortController()];
  const done = slots.use(signal, first.work);
  const controller = new AbortController();
  const reason = new Error('enough');
  const waiting = slots.use(controller.signal, () => Promise.resolve('ran'));
  const last = slots.use(signal, () => Promise.resolve('ran'));
  controller.abort(reason);
  await t.throwsAsync(waiting, { is: reason });
  await t.throwsAsync(
    slots.use(controller.signal, () => Promise.resolve()),
    { is: reason },
  );
  first.end();
  await done;
  t.is(await last, 'ran');
  t.is(await slots.use(signal, () => Promise.resolve('free')), 'free');
});

test('a call that fails frees its slot', async (t) => {
  const slots = new Slots(1);
  const { signal } = new AbortController();
  await t.throwsAsync(
    slots.use(signal, () => Promise.reject(new Error('mine'))),
    { message: 'mine' },
  );
  t.is(await slots.use(signal, () => Promise.resolve('free')), 'free');
});
