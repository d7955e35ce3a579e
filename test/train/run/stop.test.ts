import test from 'ava';
import { singleProcess } from '../../../lib/train/lane/group.ts';
import { isAbort, Stop } from '../../../lib/train/run/stop.ts';

const twoRanks = { ...singleProcess, size: 2 };

test('a single process stops immediately on request', (t) => {
  const controller = new AbortController();
  const stop = new Stop(singleProcess, controller.signal);
  t.false(stop.isRequested || stop.isStopped);
  controller.abort();
  t.true(stop.isRequested && stop.isStopped);
  t.is(stop.signal, controller.signal);
});

test('ranks stop once they have agreed, whichever received the request', (t) => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const [asked, other] = [new Stop(twoRanks, controller.signal), new Stop(twoRanks)];
  controller.abort(reason);
  t.true(asked.isRequested);
  t.false(asked.isStopped || other.isRequested);
  for (const stop of [asked, other]) stop.agree();
  t.true(asked.isStopped && other.isStopped);
  t.is(asked.signal.reason, reason);
  t.is((other.signal.reason as Error).name, 'AbortError');
});

test('between parts of its work, a rank stops only on its own request, and notifies the others; after the last part, on a request of any rank', async (t) => {
  const controller = new AbortController();
  const sums: number[] = [];
  const withRequests = (others: number) => ({
    ...twoRanks,
    sum: async (values: Float64Array) => {
      sums.push(values[0]!);
      values[0]! += others;
    },
  });
  const asked = new Stop(withRequests(0), controller.signal);
  await asked.between();
  t.deepEqual(sums, [], 'ranks have different numbers of parts');
  await asked.after();
  controller.abort(new Error('enough'));
  await t.throwsAsync(asked.between(), { message: 'enough' });
  const aborted = await new Stop(withRequests(1)).after().catch((error: unknown) => error);
  t.is((aborted as Error).name, 'AbortError');
  t.deepEqual(sums, [0, 1, 0]);
});

test('untilRequested ends work on a request, and passes errors on', async (t) => {
  const controller = new AbortController();
  const stop = new Stop(twoRanks, controller.signal);
  controller.abort(new Error('enough'));
  await stop.untilRequested(async (signal) => signal.throwIfAborted());
  await t.throwsAsync(
    stop.untilRequested(async () => {
      throw new Error('full');
    }),
    { message: 'full' },
  );
});

test('untilStopped passes on errors, except the reason of the stop', async (t) => {
  const controller = new AbortController();
  const stop = new Stop(singleProcess, controller.signal);
  const reason = new Error('enough');
  await t.throwsAsync(stop.untilStopped(Promise.reject(reason)), { is: reason });
  controller.abort(reason);
  await t.notThrowsAsync(stop.untilStopped(Promise.reject(reason)));
  await t.throwsAsync(stop.untilStopped(Promise.reject(new Error('full'))), { message: 'full' });
});

test('only the reason of an aborted signal counts as an abort', (t) => {
  const controller = new AbortController();
  const reason = new Error('stop');
  t.false(isAbort(reason, controller.signal));
  controller.abort(reason);
  t.true(isAbort(reason, controller.signal));
  t.true(isAbort(new DOMException('x', 'AbortError'), controller.signal));
  t.false(isAbort(new Error('other'), controller.signal));
});
