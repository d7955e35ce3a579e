// Tests prepared calls and steps without calling the core: job numbers, signals, turns of the event loop and errors.
import { performance } from 'node:perf_hooks';
import test from 'ava';
import { checkSignal, pause, runAsync, runSteps, runSync, type Steps } from '../../lib/call/run.ts';
import { core } from '../../lib/native.ts';
import { failure } from '../support.ts';

test.serial(
  'a signal that is aborted, even while a call is prepared, rejects before the core is called',
  async (t) => {
    const controller = new AbortController();
    const prepare = () => {
      controller.abort(new Error('while it was prepared'));
      return { start: () => void t.fail('started'), finish: () => t.fail('finished') };
    };
    t.is(
      (await failure(() => runAsync('test', controller.signal, prepare))).message,
      'while it was prepared',
    );
  },
);

test.serial('a call that is aborted as its work ends has no result', async (t) => {
  const controller = new AbortController();
  const start = async (): Promise<undefined> => controller.abort(new Error('at the end')) as undefined;
  const prepare = () => ({ start, finish: () => t.fail('finished') });
  t.is((await failure(() => runAsync('test', controller.signal, prepare))).message, 'at the end');
});

test.serial('job numbers restart at 1 after the largest 32-bit number', async (t) => {
  const last = core().lastJob;
  const jobs: number[] = [];
  const prepare = () => ({ start: (job: number) => void jobs.push(job), finish: () => {} });
  try {
    core().lastJob = 0xfffffffe;
    for (let i = 0; i < 3; ++i) await runAsync('test', undefined, prepare);
  } finally {
    core().lastJob = last ?? 0;
  }
  t.deepEqual(jobs, [0xffffffff, 1, 2]);
});

/** Pauses `turns` times without calling the core, each time after more work than a turn of the event loop may do. */
function* busy(turns: number, between: () => void): Steps<string> {
  for (let turn = 0; turn < turns; ++turn) {
    const began = performance.now();
    while (performance.now() - began < 1);
    between();
    yield pause;
  }
  return 'done';
}

test.serial('the event loop gets turns between long steps', async (t) => {
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns += 1;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  t.is(await runSteps('test', undefined, () => busy(10, () => {})), 'done');
  isDone = true;
  t.true(turns >= 5, `${turns} turns`);
});

test.serial('steps without core calls stop at an aborted signal', async (t) => {
  const controller = new AbortController();
  let steps = 0;
  const abort = (): void => {
    steps += 1;
    controller.abort(new Error('enough'));
  };
  t.is((await failure(() => runSteps('test', controller.signal, () => busy(10, abort)))).message, 'enough');
  t.is(steps, 1);
});

test('only an AbortSignal is accepted as a signal', (t) => {
  checkSignal('test', undefined);
  checkSignal('test', new AbortController().signal);
  const others = [null, 1, {}, Object.create(AbortSignal.prototype)];
  for (const other of others) {
    const error = t.throws(() => checkSignal('test', other as AbortSignal), { code: 'ERR_HOROBALL_TYPE' });
    t.true(error.message.startsWith('[test] signal:'));
  }
});

test("errors of the core get the operation's name once, and keep their type and code", (t) => {
  const thrown = (given: unknown): Error => {
    const start = (): never => {
      throw given;
    };
    return t.throws(() => runSync('test', { start, finish: () => {} }), { any: true }) as Error;
  };
  const coded = (message: string, Base = Error): Error =>
    Object.assign(new Base(message), { code: 'ERR_HOROBALL_TYPE' });
  t.is(thrown(coded('bad')).message, '[test] bad');
  t.true(thrown(coded('bad', TypeError)) instanceof TypeError);
  t.false(thrown(coded('bad')) instanceof TypeError);
  t.like(thrown(coded('bad')), { code: 'ERR_HOROBALL_TYPE', cause: coded('bad') });
  const named = coded('[other] bad');
  t.is(thrown(named), named);
  const plain = new Error('bad');
  t.is(thrown(plain), plain);
});
