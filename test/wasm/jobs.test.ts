// Calls in workers, with fake workers that answer when the test says so. wasm/core.test.ts runs real ones.
import test from 'ava';
import { type Answer, Jobs, type ToWorker, type WorkerPort } from '../../lib/wasm/jobs.ts';
import { failure } from '../support.ts';

type Call = Extract<ToWorker, { name: string }>;

/** A worker that records its messages. */
class FakeWorker implements WorkerPort {
  readonly calls: Call[] = [];
  readonly states: boolean[] = [];
  flag: Int32Array | undefined;
  answer: (answer: Answer) => void = () => {};
  fail: (error: Error) => void = () => {};

  post(message: ToWorker): void {
    if ('module' in message) this.flag = message.flag;
    else this.calls.push(message);
  }
  listen(onAnswer: (answer: Answer) => void, onError: (error: Error) => void): void {
    this.answer = onAnswer;
    this.fail = onError;
  }
  busy(isBusy: boolean): void {
    this.states.push(isBusy);
  }
}

function start(maxWorkers: number): { jobs: Jobs; workers: FakeWorker[] } {
  const workers: FakeWorker[] = [];
  const spawn = (): FakeWorker => {
    workers.push(new FakeWorker());
    return workers.at(-1)!;
  };
  return { jobs: new Jobs({} as WebAssembly.Module, spawn, maxWorkers), workers };
}

/** The function at index 0, which writes to its argument 1. */
const writesSecond = { index: 0, outputs: new Set([1]) };

test('sends copies of the inputs, and fills the outputs before the promise resolves', async (t) => {
  const { jobs, workers } = start(1);
  const [input, output] = [Float32Array.of(1, 2), new Float32Array(2)];
  const done = jobs.run('f', writesSecond, [input, output, 7], 1);
  const { args, outputs } = workers[0]!.calls[0]!;
  t.deepEqual(args, [input, { type: 'Float32Array', length: 2 }, 7], 'an output is not sent');
  t.not(args[0], input);
  t.deepEqual(outputs, [1]);
  t.deepEqual(workers[0]!.states, [true]);
  workers[0]!.answer({ written: [Float32Array.of(3, 4)] });
  await done;
  t.deepEqual([...output], [3, 4]);
  t.deepEqual(workers[0]!.states, [true, false], 'an idle worker does not keep the process alive');
});

test('an array that is read and written is sent, whichever comes first', async (t) => {
  for (const output of [0, 1]) {
    const { jobs, workers } = start(1);
    const both = Float64Array.of(5);
    const done = jobs.run('f', { index: 0, outputs: new Set([output]) }, [both, both], 1);
    t.deepEqual(workers[0]!.calls[0]!.args, [both, both]);
    workers[0]!.answer({ written: [Float64Array.of(6)] });
    await done;
    t.is(both[0], 6);
  }
});

test('an array of a subclass is copied to a plain array', (t) => {
  const { jobs, workers } = start(1);
  class Own extends Float32Array {
    constructor(...args: [number]) {
      super(...args);
      Object.defineProperty(this, 'constructor', { value: String });
    }
  }
  const own = Own.of(1, 2);
  const bytes = Buffer.from('ab');
  void jobs.run('f', { index: 0, outputs: new Set() }, [own, bytes], 1);
  const { args } = workers[0]!.calls[0]!;
  t.deepEqual(args, [Float32Array.of(1, 2), Uint8Array.of(97, 98)]);
  t.not((args[1] as Uint8Array).buffer, bytes.buffer);
});

test('further calls wait for one of the workers, in order', async (t) => {
  const { jobs, workers } = start(2);
  const done = ['a', 'b', 'c', 'd'].map((name, i) => jobs.run(name, writesSecond, [], i + 1));
  t.deepEqual(
    workers.map(({ calls }) => calls.map(({ name }) => name)),
    [['a'], ['b']],
  );
  workers[1]!.answer({ written: [] });
  workers[0]!.answer({ written: [] });
  t.deepEqual(
    workers.map(({ calls }) => calls.map(({ name }) => name)),
    [
      ['a', 'd'],
      ['b', 'c'],
    ],
  );
  for (const worker of workers) worker.answer({ written: [] });
  await Promise.all(done);
});

test('a canceled call is rejected immediately, and its late answer changes nothing', async (t) => {
  const { jobs, workers } = start(1);
  const output = new Float32Array(1);
  const running = failure(() => jobs.run('f', writesSecond, [1, output], 1));
  const waiting = failure(() => jobs.run('g', writesSecond, [], 2));
  const kept = jobs.run('h', writesSecond, [], 3);
  jobs.cancel(1);
  jobs.cancel(2);
  jobs.cancel(4); // no call has this number
  t.is((await running).code, 'ERR_HOROBALL_CANCELLED');
  t.is((await waiting).code, 'ERR_HOROBALL_CANCELLED');
  const [worker] = workers as [FakeWorker];
  t.is(worker.flag![0], 1, 'the worker stops at the next tile');
  worker.answer({ written: [Float32Array.of(9)] });
  t.is(output[0], 0);
  t.is(worker.flag![0], 0, 'the next call runs');
  t.deepEqual(
    worker.calls.map(({ name }) => name),
    ['f', 'h'],
  );
  worker.answer({ written: [] });
  await kept;
});

test('a worker that fails rejects its call and is replaced', async (t) => {
  const { jobs, workers } = start(1);
  const failed = failure(() => jobs.run('f', writesSecond, [], 1));
  const next = jobs.run('g', writesSecond, [], 2);
  workers[0]!.fail(new Error('out of memory'));
  const { code, message } = await failed;
  t.is(code, 'ERR_HOROBALL_UNSUPPORTED');
  t.regex(message, /worker of the WebAssembly core failed: out of memory/);
  t.is(workers.length, 2);
  workers[1]!.answer({ written: [] });
  await next;
});

test('errors of a worker keep their code and type', async (t) => {
  const { jobs, workers } = start(1);
  for (const isType of [true, false]) {
    const failed = failure(() => jobs.run('f', writesSecond, [], 1));
    workers[0]!.answer({ code: 'ERR_HOROBALL_TYPE', message: 'bad', isType });
    const error = await failed;
    t.deepEqual(
      [error.code, error.message, error.name === 'TypeError'],
      ['ERR_HOROBALL_TYPE', 'bad', isType],
    );
  }
  const plain = failure(() => jobs.run('f', writesSecond, [], 1));
  workers[0]!.answer({ code: undefined, message: 'other', isType: false });
  t.is((await plain).message, 'other');
});

test('a buffer that was transferred during the call is an error, not a lost result', async (t) => {
  const { jobs, workers } = start(1);
  const output = new Float32Array(2);
  const failed = failure(() => jobs.run('f', writesSecond, [1, output], 1));
  structuredClone(output, { transfer: [output.buffer] });
  workers[0]!.answer({ written: [new Float32Array(2)] });
  t.is((await failed).code, 'ERR_HOROBALL_DETACHED');
});

test('resizable buffers are rejected, and shared ones are copied', async (t) => {
  const { jobs, workers } = start(1);
  const Resizable = ArrayBuffer as unknown as new (
    bytes: number,
    options: { maxByteLength: number },
  ) => ArrayBuffer;
  const resizable = new Float32Array(new Resizable(8, { maxByteLength: 16 }));
  const { code, message } = await failure(async () => jobs.run('f', writesSecond, [resizable], 1));
  t.is(code, 'ERR_HOROBALL_TYPE');
  t.regex(message, /fixed length/);
  const shared = new Float32Array(new SharedArrayBuffer(4)).fill(2);
  const done = jobs.run('f', writesSecond, [shared], 2);
  const [sent] = workers[0]!.calls[0]!.args as [Float32Array];
  t.true(sent.buffer instanceof ArrayBuffer);
  t.is(sent[0], 2);
  workers[0]!.answer({ written: [] });
  await done;
});

test('calls are rejected with a code if no worker can be started, and wait if one runs', async (t) => {
  const worker = new FakeWorker();
  let [canStart, attempts] = [false, 0];
  const spawn = (): FakeWorker => {
    attempts++;
    if (!canStart) throw new Error('refused');
    canStart = false;
    return worker;
  };
  const jobs = new Jobs({} as WebAssembly.Module, spawn, 2);
  const run = (number: number) => jobs.run('f', { index: 0, outputs: new Set() }, [number], number);
  for (const number of [1, 2]) {
    const { code, message } = await failure(() => run(number));
    t.is(code, 'ERR_HOROBALL_UNSUPPORTED');
    t.regex(message, /refused/);
  }
  canStart = true;
  const [third, fourth] = [run(3), run(4)];
  t.is(attempts, 4);
  t.deepEqual(
    worker.calls.map(({ args }) => args),
    [[3]],
    'rejected calls are not sent',
  );
  worker.answer({ written: [] });
  await third;
  worker.answer({ written: [] });
  await fourth;
  const [fifth, sixth] = [failure(() => run(5)), failure(() => run(6))];
  worker.fail(new Error('lost'));
  t.is((await fifth).code, 'ERR_HOROBALL_UNSUPPORTED');
  t.is((await sixth).code, 'ERR_HOROBALL_UNSUPPORTED');
});
