// node dist/test/train/big-batch.js [batch] [chunk] [model] (Linux): one training step on a batch of random pictures, with
// gradient caching in chunks, and the most memory that the process ever had.
import { readFile } from 'node:fs/promises';
import { type Pictures, train } from '../../lib/train/index.ts';

const [batch, chunk] = [process.argv[2] ?? 900, process.argv[3] ?? 20].map(Number) as [number, number];
const model = process.argv[4] ?? 'vit_small_patch16_224';
const [size, views] = [224, 9];

async function* batches(): AsyncGenerator<Pictures> {
  const images = new Uint8Array(batch * size * size * 3);
  for (let i = 0; i < images.length; i++) images[i] = Math.imul(i, 0x9e3779b9) >>> 24;
  const labels = Int32Array.from({ length: batch }, (_, row) => Math.floor(row / views));
  yield { images, count: batch, size, labels };
}

const before = performance.now();
const options = { ds: 'folder', path: '.', model, bs: batch, num_samples: views, crop: size, resize: size };
await train({ ...options, eval_ep: '[]', chunk, runs: null }, { data: batches() });
const status = await readFile('/proc/self/status', 'utf8');
const peak = Number(/VmHWM:\s*(\d+)/.exec(status)![1]) / 2 ** 20;
const seconds = (performance.now() - before) / 1000;
process.stdout.write(
  `${model}, ${batch} pictures of ${size} px in chunks of ${chunk}: ${peak.toFixed(2)} GiB, ${seconds.toFixed(0)} s\n`,
);
