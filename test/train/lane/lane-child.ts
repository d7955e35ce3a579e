// The child process or worker of lane.test.ts: embeds a batch, and then does what its last argument says.
import { parentPort } from 'node:worker_threads';

import { setThreads } from '../../../lib/train/lane/native.ts';
import { tinyBatch, tinyEmbedder, tinyViT } from '../helpers.ts';

setThreads(1);
const model = await tinyEmbedder();
const batch = tinyBatch(256);
const first = model.forward(batch);
const values = await first.body.data();
/** Queues several seconds of work that nothing awaits. */
const keepBusy = (): void => {
  for (let i = 0; i < 300; ++i) model.forward(batch).dispose();
};

switch (process.argv.at(-1)) {
  case 'end':
    break;
  case 'exit':
    keepBusy();
    setTimeout(() => process.exit(7), 50);
    break;
  case 'unawaited-error':
    first.body.backward(new Float32Array(256 * tinyViT.embedDim));
    first.body.backward(new Float32Array(256 * tinyViT.embedDim));
    break;
  case 'worker':
    keepBusy();
    parentPort!.postMessage(values);
    setInterval(() => undefined, 1000);
    break;
  default:
    throw new Error(`unknown: ${process.argv.at(-1)}`);
}
