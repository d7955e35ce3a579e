// Times training steps of several ranks, one per GPU, for `npm run bench:gpu`: NCCL, the gathered loss and the summed
// gradients. node dist/bench/gpu-group.js [device] [ranks ...]: by default 1, 2, 4 and 8, up to the number of GPUs.
// With a single GPU, it prints a note and times nothing.
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  AdamW,
  Batch,
  type Device,
  Embedder,
  GradientSum,
  HybridLoss,
  ProcessGroup,
  placeOf,
  type Tensor,
  vitConfigs,
} from '../lib/train/index.ts';
import { median } from './measure.ts';
import { lossSettings } from './shapes.ts';

const [kind = 'cuda', ...requested] = process.argv.slice(2);
const name = kind === 'cpu' ? 'vit_nano' : 'vit_small_patch16_224';
const each = kind === 'cpu' ? 32 : 256;
const [warmUps, measured] = [3, 12];

/** Returns the median time of a step, in milliseconds. The batch has `each` images per rank. */
async function time(group: ProcessGroup | null): Promise<number> {
  const model = vitConfigs[name];
  const device = (kind === 'cuda' ? `cuda:${group?.place.localRank ?? 0}` : kind) as Device;
  const head = { head: 'hypmix', dim: 128, clipR: 2.3, c: lossSettings.c } as const;
  using embedder = await Embedder.create({ model, ...head, seed: 0, device, precision: 'bfloat16' });
  using optimizer = new AdamW(embedder, { lr: 3e-5 });
  const sum = group && new GradientSum(embedder, group);
  const loss = new HybridLoss({ geometry: 'hybrid', tied: true, views: 2, ...lossSettings });
  const size = model.imgSize;
  const bytes = Uint8Array.from(
    { length: each * size * size * 3 },
    (_, i) => Math.imul(i, 0x9e3779b9) >>> 24,
  );
  const counts = Array<number>(group?.size ?? 1).fill(each);
  const gather = (tensor: Tensor): Tensor => group?.gatherRows(tensor, counts) ?? tensor;
  const times: number[] = [];
  for (let step = 0; step < warmUps + measured; ++step) {
    const begin = performance.now();
    using images = Batch.from(bytes, { count: each, size }, model.mean, model.std, device);
    using own = embedder.forward(images);
    using euclidean = gather(own.euclidean);
    using hyperbolic = gather(own.hyperbolic);
    using objective = loss.apply({ euclidean, hyperbolic }, { divide: true });
    sum?.arm();
    objective.backward();
    sum?.finish();
    optimizer.clipGradNorm(3);
    optimizer.step();
    optimizer.zeroGrad();
    await objective.read();
    if (step >= warmUps) times.push(performance.now() - begin);
  }
  sum?.dispose();
  return median(times);
}

/** Times the steps in one of `size` ranks. Rank 0 prints the row. */
async function perform(size: number): Promise<void> {
  const place = placeOf(process.env);
  const group = place === null ? null : await ProcessGroup.join(place);
  const ms = await time(group);
  if ((group?.rank ?? 0) === 0) {
    const shape = `${name} x ${each} x ${size} ranks`;
    process.stdout.write(
      `${JSON.stringify({ side: 'horoball', op: 'training step of a group', shape, ms, gflops: 0 })}\n`,
    );
  }
  await group?.close();
}

async function start(size: number, port: number): Promise<number> {
  const ends = Array.from({ length: size }, (_, rank) => {
    const env = {
      ...process.env,
      RANK: String(rank),
      LOCAL_RANK: String(rank),
      WORLD_SIZE: String(size),
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT: String(port),
      HOROBALL_BENCH_RANKS: String(size),
    };
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), kind], { env, stdio: 'inherit' });
    return new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? 1)));
  });
  return Math.max(...(await Promise.all(ends)));
}

const own = process.env['HOROBALL_BENCH_RANKS'];
if (own !== undefined) await perform(Number(own));
else {
  const gpus = spawnSync('nvidia-smi', ['-L'], { encoding: 'utf8' }).stdout?.trim().split('\n').length ?? 0;
  const sizes = requested.length > 0 ? requested.map(Number) : [1, 2, 4, 8].filter((size) => size <= gpus);
  if (sizes.length < 2) process.stderr.write('only one GPU: skipping the timing of several ranks\n');
  else for (const [i, size] of sizes.entries()) process.exitCode ||= await start(size, 29_400 + i);
}
