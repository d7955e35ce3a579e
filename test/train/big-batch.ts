// node dist/test/train/big-batch.js [batch] [chunk[,chunk]] [model] [precision] (Linux): takes one training step on a batch
// of random images, with gradient caching in chunks, and prints the peak memory of the process. With several chunk sizes in
// ascending order, takes one step with each, and compares the memory per additional image of a chunk with the estimate of
// lib/train/run/chunk.ts.
import { readFile } from 'node:fs/promises';
import { type LabeledBatch, type Precision, train } from '../../lib/train/index.ts';
import { parseConfig } from '../../lib/train/options/resolve.ts';
import { bytesPerImage } from '../../lib/train/run/chunk.ts';
import { normalizeOptions } from '../../lib/train/run/normalize.ts';

const [given = '900', chunks = '20', model = 'vit_small_patch16_224', precision = 'float32'] =
  process.argv.slice(2);
const [bs, size, views] = [Number(given), 224, 9];

async function* batches(): AsyncGenerator<LabeledBatch> {
  const images = new Uint8Array(bs * size * size * 3);
  for (let i = 0; i < images.length; i++) images[i] = Math.imul(i, 0x9e3779b9) >>> 24;
  const labels = Int32Array.from({ length: bs }, (_, row) => Math.floor(row / views));
  yield { images, count: bs, size, labels };
}

const options = { ds: 'folder', path: '.', model, bs, num_samples: views, crop: size, resize: size };
const config = await normalizeOptions(
  parseConfig({ ...options, precision, eval_ep: '[]', weights: null, runs: null }),
);
const points: { chunk: number; bytes: number }[] = [];
for (const chunk of chunks.split(',').map(Number)) {
  const before = performance.now();
  await train({ ...config, chunk, precision: precision as Precision }, { data: batches() });
  const status = await readFile('/proc/self/status', 'utf8');
  const bytes = Number(/VmHWM:\s*(\d+)/.exec(status)![1]) * 2 ** 10;
  const seconds = (performance.now() - before) / 1000;
  const rate = `${(bytes / 2 ** 30).toFixed(2)} GiB, ${seconds.toFixed(0)} s`;
  process.stdout.write(`${bs} images of ${size} px in chunks of ${chunk}, ${precision}: ${rate}\n`);
  points.push({ chunk, bytes });
}
const [first, last] = [points[0]!, points.at(-1)!];
if (first !== last) {
  const each = (last.bytes - first.bytes) / (last.chunk - first.chunk);
  const expected = bytesPerImage(config);
  const share = (each / expected).toFixed(2);
  process.stdout.write(
    `an image's graph takes ${(each / 1e6).toFixed(1)} MB, ${share} of the ${(expected / 1e6).toFixed(1)} MB expected\n`,
  );
}
