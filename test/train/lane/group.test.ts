// Groups of processes that communicate by Gloo over the loopback interface.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { checkGroup, fromFirst, ProcessGroup, singleProcess } from '../../../lib/train/lane/group.ts';
import { memory } from '../../../lib/train/lane/tensor.ts';
import { networkError } from '../../tolerances.ts';
import { freePort, type Rank, startRanks, success } from '../distributed/ranks.ts';
import { embed, relativeError, tinyEmbedder } from '../helpers.ts';

const child = fileURLToPath(new URL('../distributed/rank-child.js', import.meta.url));
const last = (text: string): Record<string, unknown> =>
  JSON.parse(text.trim().split('\n').at(-1)!) as Record<string, unknown>;
const seconds = (since: number): number => (performance.now() - since) / 1000;

test.serial('three ranks sum, gather unequal parts and share a text', async (t) => {
  const ranks = await startRanks(3, [child, 'collectives']);
  await success(ranks);
  for (const { end } of ranks) {
    const { sums, gathered, bits, shared } = last((await end).stdout);
    t.deepEqual(sums, [3, 3, 6e-300]);
    t.deepEqual(gathered, [10, 20, 21]);
    t.deepEqual(
      bits,
      [10, 20, 21].map((each) => 0x7f800001 + each),
    );
    t.is(shared, 'from 0');
  }
});

type Result = { values: Record<string, number>; gradients: Record<string, number[]> };

/** Runs a scenario as one process and as two ranks, and compares the values and gradients. */
async function equals(t: ExecutionContext, ...scenario: string[]): Promise<void> {
  const command = [child, ...scenario];
  const one = last(await success(await startRanks(null, command))) as unknown as Result;
  const ranks = await startRanks(2, command);
  await success(ranks);
  for (const { end } of ranks) {
    const { values, gradients } = last((await end).stdout) as unknown as Result;
    for (const [name, value] of Object.entries(one.values)) {
      const most = name === 'loss' ? networkError.order : networkError.orderOfParameters;
      t.true(
        Math.abs(values[name]! - value) <= most * Math.abs(value),
        `${name}: ${values[name]} and ${value}`,
      );
    }
    for (const [name, expected] of Object.entries(one.gradients)) {
      if (Math.hypot(...expected) < 1e-7) continue;
      const error = relativeError(gradients[name]!, expected);
      t.true(error < networkError.orderOfGradients, `${name}: ${error}`);
    }
  }
}

for (const [mode, what] of [
  ['whole', 'computed by every rank'],
  ['divided', 'divided by classes'],
  ['spread', 'not divided, because ranks share classes'],
] as const)
  test.serial(`the global loss and its gradients equal those of one process: ${what}`, (t) =>
    equals(t, 'gradients', '20', mode),
  );

test.serial('with compat hypmix, each rank compares only its own rows, and gradients are averaged', (t) =>
  equals(t, 'published'),
);

test.serial('an overflow on one rank skips the step on every rank', async (t) => {
  const ranks = await startRanks(2, [child, 'overflow']);
  await success(ranks);
  for (const { end } of ranks) {
    const result = last((await end).stdout);
    t.like(result, { overflowed: true, scale: 512, skipped: 1 });
    t.deepEqual(result['changed'], []);
  }
});

/** Sends a signal to one rank in the middle of its steps, and waits until the others have ended. */
async function afterSignal(rank: number, signal: NodeJS.Signals): Promise<[others: Rank[], since: number]> {
  const ranks = await startRanks(3, [child, 'endless', '5']);
  await Promise.all(ranks.map((each) => each.says('ready')));
  ranks[rank]!.child.kill(signal);
  const others = ranks.filter((_, i) => i !== rank);
  const since = performance.now();
  await Promise.all(others.map(({ end }) => end));
  ranks[rank]!.child.kill('SIGKILL');
  return [others, since];
}

for (const [rank, signal] of [
  [1, 'SIGKILL'],
  [0, 'SIGKILL'],
  [2, 'SIGSTOP'],
  [0, 'SIGSTOP'],
] as const) {
  test.serial(
    `rank ${rank} after ${signal}: the others soon end with an error that names the rank and its step`,
    async (t) => {
      const [others, since] = await afterSignal(rank, signal);
      t.true(seconds(since) < 20, `${seconds(since)} s`);
      for (const { end } of others) {
        const { code, stdout, stderr } = await end;
        t.is(code, 1, stderr);
        const { code: name, message } = last(stdout);
        t.is(name, 'ERR_HOROBALL_RANK', String(message));
        const pattern = `rank ${rank} ended or stopped responding during step \\d+ \\(.*\\)\\. Resume the run from`;
        t.regex(String(message), new RegExp(pattern));
      }
    },
  );
}

test.serial('the other ranks report the message of the failed rank', async (t) => {
  const since = performance.now();
  const ranks = await startRanks(3, [child, 'fails']);
  const ends = await Promise.all(ranks.map(({ end }) => end));
  t.true(seconds(since) < 20, `${seconds(since)} s`);
  t.is(last(ends[1]!.stdout)['message'], 'out of memory');
  for (const i of [0, 2])
    t.regex(
      String(last(ends[i]!.stdout)['message']),
      /rank 1 failed during step 7: out of memory\. Correct the cause, then resume the run from its last checkpoint, if it has one\.$/,
    );
});

test.serial('an error during startup has no advice on resuming, and keeps its punctuation', async (t) => {
  const ranks = await startRanks(2, [child, 'fails', '20', 'early']);
  const [first] = await Promise.all(ranks.map(({ end }) => end));
  t.regex(
    String(last(first!.stdout)['message']),
    /rank 1 failed during the startup phase: no images found\. Check the path\.$/,
  );
});

test('rejects an invalid rank or port before opening a connection', async (t) => {
  const place = { rank: 2, size: 2, localRank: 0, localSize: 1, host: '127.0.0.1', port: 1 };
  const of = (change: object): Promise<ProcessGroup> =>
    ProcessGroup.join({ ...place, launched: false, restarts: 0, ...change });
  await t.throwsAsync(of({}), {
    code: 'ERR_HOROBALL_RANGE',
    message: /rank: expected an integer from 0 to 1/,
  });
  await t.throwsAsync(of({ rank: 0, port: 0 }), { code: 'ERR_HOROBALL_RANGE', message: /port/ });
});

test.serial('a port in use is an error that names it', async (t) => {
  const place = { rank: 0, size: 2, localRank: 0, localSize: 2, launched: false, restarts: 0 };
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const before = memory().handles;
    await t.throwsAsync(ProcessGroup.join({ ...place, host: '127.0.0.1', port }), {
      code: 'ERR_HOROBALL_RENDEZVOUS',
      message: new RegExp(
        `^\\[group\\.join\\] port: expected a free port .*, got ${port}, which .*\\. Choose another`,
      ),
    });
    t.is(memory().handles, before);
    server.close();
  }
});

test.serial('closing a group again does nothing', async (t) => {
  const port = await freePort();
  const place = { rank: 0, size: 1, localRank: 0, localSize: 1, host: '127.0.0.1', port };
  const group = await ProcessGroup.join({ ...place, launched: false, restarts: 0 });
  await Promise.all([group.close(), group.close()]);
  await group.close();
  await group[Symbol.asyncDispose]();
  t.true(group.disposed);
});

test('a single process sums, gathers and shares its own values', async (t) => {
  const values = Float64Array.of(1, 2);
  await singleProcess.sum(values);
  t.deepEqual([...values], [1, 2]);
  t.deepEqual(await singleProcess.gatherValues(Float32Array.of(3)), Float32Array.of(3));
  t.is(await singleProcess.share('text'), 'text');
  using model = await tinyEmbedder();
  using own = embed(model, 2);
  t.is(singleProcess.gatherRows(own.euclidean, [2]), own.euclidean);
});

test('fromFirst computes a value on rank 0 only, and sends it to the others as JSON', async (t) => {
  t.true(Number.isNaN(await fromFirst(singleProcess, () => Number.NaN)), 'a single process keeps its value');
  const ranks = (rank: number, shared: string[]) => ({
    ...singleProcess,
    ...{ size: 2, rank },
    share: async (text: string) => {
      shared.push(text);
      return '{"step":3}';
    },
  });
  const shared: string[] = [];
  t.deepEqual(await fromFirst(ranks(0, shared), async () => ({ step: 3 })), { step: 3 });
  t.deepEqual(await fromFirst<unknown>(ranks(1, shared), () => t.fail()), { step: 3 });
  t.deepEqual(shared, ['{"step":3}', '']);
});

test('without a group, the process is a single one; only a ProcessGroup is accepted', (t) => {
  for (const group of [undefined, null, singleProcess]) t.is(checkGroup('train', group), singleProcess);
  t.throws(() => checkGroup('train', { ...singleProcess }), {
    code: 'ERR_HOROBALL_TYPE',
    message: /^\[train\] group: expected an instance of ProcessGroup/,
  });
});
