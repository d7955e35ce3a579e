// Two ranks in two network namespaces: separate interfaces and addresses, as on two machines. The kernel counts the
// bytes that each of them sends.
import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ava, { type ExecutionContext, type TestFn } from 'ava';
import { costOf } from '../../../lib/train/distributed/cost.ts';
import { readRun, type StepRow } from '../../../lib/train/index.ts';
import { horoball, main } from '../../cli/run.ts';
import { networkError, statedError } from '../../tolerances.ts';
import { classNames, temporary, tinyRun, writeImages } from '../tiny-data.ts';
import { follow, type Rank } from './ranks.ts';

const test = ava as TestFn<{ root: string; reason: string | null; remove(): Promise<void> }>;
const run = promisify(execFile);

/** For each rank, a network namespace, and one end of a pair of virtual interfaces. */
const ranks = [0, 1].map((rank) => ({
  name: `horoball-${process.pid}-${rank}`,
  link: `hb${process.pid % 100_000}r${rank}`,
  address: `10.111.7.${rank + 1}`,
}));

/** Creates the namespaces. Returns null, or the reason why that is not possible. */
async function connect(): Promise<string | null> {
  const ip = (...args: string[]): Promise<unknown> => run('ip', args);
  try {
    for (const { name } of ranks) await ip('netns', 'add', name);
    await ip('link', 'add', ranks[0]!.link, 'type', 'veth', 'peer', 'name', ranks[1]!.link);
    for (const { name, link, address } of ranks) {
      await ip('link', 'set', link, 'netns', name);
      await ip('-n', name, 'address', 'add', `${address}/24`, 'dev', link);
      for (const each of ['lo', link]) await ip('-n', name, 'link', 'set', each, 'up');
    }
    return null;
  } catch (error) {
    return `ip netns is not allowed here (${String((error as Error).message)
      .trim()
      .split('\n')
      .at(-1)})`;
  }
}

test.before(async (t) => {
  const { path: root, remove } = await temporary();
  await writeImages(join(root, 'images'), classNames(32), 6);
  t.context = { root, remove, reason: await connect() };
});
test.after.always(async (t) => {
  for (const { name } of ranks) await run('ip', ['netns', 'delete', name]).catch(() => {});
  await t.context.remove();
});

function skips(t: ExecutionContext<{ reason: string | null }>): boolean {
  if (t.context.reason === null) return false;
  t.log(`skipped: ${t.context.reason}`);
  t.pass();
  return true;
}

const optionsOf = (root: string, name: string, more: object): string[] => {
  const all = { ...tinyRun, eval_ep: '[]', path: join(root, 'images'), runs: join(root, 'runs'), name };
  const given = Object.entries({ ...all, threads: 1, save_every: null, ...more });
  return ['train', ...given.flatMap(([key, value]) => [`--${key}`, `${value ?? 'None'}`]), '--json'];
};

function startApart(args: readonly string[]): Rank[] {
  return ranks.map(({ name, link }, rank) => {
    const place = { RANK: String(rank), LOCAL_RANK: '0', WORLD_SIZE: '2', LOCAL_WORLD_SIZE: '1' };
    const meeting = { MASTER_ADDR: ranks[0]!.address, MASTER_PORT: '29500', GLOO_SOCKET_IFNAME: link };
    const env = { ...process.env, OMP_NUM_THREADS: '1', ...place, ...meeting };
    return follow(spawn('ip', ['netns', 'exec', name, process.execPath, main, ...args], { env }));
  });
}

async function stepsOf(root: string, name: string): Promise<StepRow[]> {
  const { rows } = await readRun(join(root, 'runs', name));
  return rows.filter((row): row is StepRow => row.type === 'step');
}

test.serial('two ranks with separate networks equal one process', async (t) => {
  t.timeout(300_000);
  if (skips(t)) return;
  const { root } = t.context;
  for (const { end } of startApart(optionsOf(root, 'apart', { ep: 6 }))) {
    const { code, stderr } = await end;
    t.is(code, 0, stderr);
  }
  const alone = await horoball(optionsOf(root, 'alone', { ep: 6 }));
  t.is(alone.code, 0, alone.stderr);
  const [one, two] = [await stepsOf(root, 'alone'), await stepsOf(root, 'apart')];
  t.is(two.length, 6);
  for (const [i, { loss }] of one.entries())
    t.true(
      Math.abs(two[i]!.loss - loss) < networkError.orderOfGradients * Math.max(1, loss),
      `step ${i + 1}`,
    );
});

/** Bytes that a rank's interface has sent. */
async function sent({ child }: Rank, link: string): Promise<number> {
  const table = await readFile(`/proc/${child.pid}/net/dev`, 'utf8');
  const row = table.split('\n').find((line) => line.trim().startsWith(`${link}:`))!;
  return Number(row.split(':')[1]!.trim().split(/\s+/)[8]);
}

/** Allowed relative difference between the bytes on the wire, with headers, and the formula. */
const tolerance = statedError.bytes;

for (const [name, model, emb] of [
  ['gradients', { embed_dim: 192, depth: 6, num_heads: 3 }, 16],
  ['embeddings', { embed_dim: 16, depth: 1, num_heads: 2 }, 4096],
] as const) {
  test.serial(`the traffic of a step agrees with the formula, mostly ${name}`, async (t) => {
    t.timeout(300_000);
    if (skips(t)) return;
    const description = JSON.stringify({ img_size: 16, patch_size: 16, ...model });
    const [first, last] = [10, 50];
    const run = { model: description, emb, bs: 64, num_samples: 4, ep: last + 5 };
    const started = startApart(optionsOf(t.context.root, name, run));
    const total = (): Promise<number[]> => Promise.all(started.map((rank, i) => sent(rank, ranks[i]!.link)));
    await started[0]!.says(new RegExp(`"type":"step","step":${first},`));
    const before = await total();
    await started[0]!.says(new RegExp(`"type":"step","step":${last},`));
    const after = await total();
    for (const { end } of started) t.is((await end).code, 0);
    const sizes = { model: description, dim: emb, batch: run.bs, ranks: 2 };
    const { embeddingBytes, gradientBytes } = costOf({ ...sizes, imagesPerSecond: 1, bandwidth: 1 });
    const expected = embeddingBytes + gradientBytes;
    for (const [rank, bytes] of after.entries()) {
      const perStep = (bytes - before[rank]!) / (last - first);
      t.log(`rank ${rank}: ${perStep.toFixed(0)} bytes per step, formula ${expected.toFixed(0)}`);
      t.true(Math.abs(perStep / expected - 1) < tolerance, `${perStep / expected}`);
    }
  });
}
