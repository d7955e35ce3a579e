// A thread of embedTree in Node.
import { parentPort, workerData } from 'node:worker_threads';
import { runPart, type TreeJob } from './epochs.ts';

const job = workerData as TreeJob;
const steps = runPart(job, (done, loss) => parentPort!.postMessage([done, loss]));
while (steps.next().done !== true);
