// The process survives the termination of a worker during decoding.
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { watchOpenFiles } from '../../open-files.ts';
import { temporary, writeClasses } from './support.ts';

const program = `
const { parentPort, workerData } = require('node:worker_threads');
import(workerData.module).then(async ({ ImageLoader, imageFolder }) => {
  const { train } = await imageFolder(workerData.root);
  function* endless() { for (;;) yield Int32Array.from(train.samples.keys()); }
  const loader = new ImageLoader(train, { size: 64, mode: 'train', seed: 1, concurrency: 4 });
  for await (const batch of loader.batches(endless())) parentPort.postMessage(batch.count);
});`;

test('terminating 20 workers during decoding leaves the process alive and no file open', async (t) => {
  const root = await temporary(t);
  await writeClasses(root, 4, 4, 640, 480);
  const workerData = { root, module: new URL('../../../lib/train/index.js', import.meta.url).href };
  // On a busy machine, a few files stayed open in one of many rounds; a leak would leave about half a file per worker in
  // every round.
  let open: string[] = [];
  for (let round = 0; round < 3; round++) {
    open = await endWorkers(t, workerData);
    if (open.length === 0) break;
    t.log(`round ${round}: ${open.join(', ')}`);
  }
  t.deepEqual(open, []);
});

/** Terminates 20 workers, each during decoding, and returns the files that stay open. */
async function endWorkers(t: ExecutionContext, workerData: object): Promise<string[]> {
  const leftOpen = await watchOpenFiles();
  for (let i = 0; i < 20; i++) {
    const worker = new Worker(program, { eval: true, workerData });
    const count = await new Promise<number>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    t.is(count, 8);
    await new Promise((resolve) => setTimeout(resolve, i));
    t.is(await worker.terminate(), 1);
  }
  return leftOpen();
}
