// node dist/test/train/precision.js [seeds] [epochs] [folder]: trains on the built-in data set in each precision, with the
// same seeds, and prints how much Recall@1 decreases in the lower ones. Exits with code 1 if the mean over the seeds is
// more than 2 points below that of float32.
import { join } from 'node:path';
import { makeShapes, type Precision, type RunConfig, train } from '../../lib/train/index.ts';
import { temporary } from './tiny-data.ts';

const [seeds, epochs] = [process.argv[2] ?? 3, process.argv[3] ?? 30].map(Number) as [number, number];
const { path: root, remove } = await temporary();

/** Smaller images and batches than in the preset: a run takes about ten seconds on one core. */
const options: Partial<RunConfig> = {
  ds: 'shapes',
  path: process.argv[4] ?? join(root, 'shapes'),
  crop: 24,
  resize: 27,
  threads: 1,
  bs: 64,
  ep: epochs,
  eval_ep: `[${epochs}]`,
  warmup: 10,
  loss_scale: 64,
  cache: 'memory',
  runs: null,
};

async function recall(precision: Precision, seed: number): Promise<number> {
  let skipped = 0;
  const began = performance.now();
  const { evaluations } = await train(
    { ...options, precision, seed },
    {
      onHealth: ({ skippedSteps }) => {
        skipped = skippedSteps;
      },
    },
  );
  const percent = 100 * evaluations.at(-1)!.spaces.hyperbolic.at['1']!;
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  process.stdout.write(
    `seed ${seed} ${precision}: Recall@1 ${percent.toFixed(2)}%, ${seconds} s, ${skipped} steps skipped\n`,
  );
  return percent;
}

try {
  await makeShapes(options.path!, { seed: 42 });
  const costs: Partial<Record<Precision, number[]>> = {};
  for (let seed = 1; seed <= seeds; seed++) {
    const exact = await recall('float32', seed);
    for (const precision of ['bfloat16', 'float16'] as const) {
      costs[precision] ??= [];
      costs[precision].push(exact - (await recall(precision, seed)));
    }
  }
  for (const [precision, cost] of Object.entries(costs)) {
    const mean = cost.reduce((sum, x) => sum + x, 0) / cost.length;
    process.stdout.write(
      `${precision}: ${mean.toFixed(2)} points below float32 (mean of ${cost.length} seeds)\n`,
    );
    if (mean > 2) process.exitCode = 1;
  }
} finally {
  await remove();
}
