// Trains in worker threads: only one can train in a run folder, and a terminated worker leaves neither a lock nor an open
// file.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import ava, { type TestFn } from 'ava';
import { setThreads } from '../../../lib/train/index.ts';
import { watchOpenFiles } from '../../open-files.ts';
import { classNames, temporary, tinyRun, writeImages } from '../tiny-data.ts';

const test = ava as TestFn<{ root: string; images: string; remove(): Promise<void> }>;

test.before(async (t) => {
  setThreads(1);
  const { path, remove } = await temporary();
  t.context = { root: path, images: join(path, 'images'), remove };
  await writeImages(t.context.images, classNames(32), 4);
});
test.after.always((t) => t.context.remove());

const program = `
const { parentPort, workerData } = require('node:worker_threads');
const { module, options, hooks } = workerData;
import(module).then(async ({ train }) => {
  const onStep = ({ step }) => parentPort.postMessage({ step });
  parentPort.postMessage(await train(options, { ...hooks, onStep }).then(({ steps }) => ({ steps }), ({ code }) => ({ code })));
});`;

interface Message {
  step?: number;
  steps?: number;
  code?: string;
}

/** Starts a run in a worker; `ended` resolves with its result or error, `stepped` after its first step. */
function startRun(options: object, hooks: object = {}) {
  const module = new URL('../../../lib/train/index.js', import.meta.url).href;
  const worker = new Worker(program, { eval: true, workerData: { module, options, hooks } });
  const until = (wanted: (message: Message) => boolean): Promise<Message> =>
    new Promise((resolve, reject) => {
      worker.on('message', (message: Message) => wanted(message) && resolve(message));
      worker.once('error', reject);
    });
  return {
    terminate: () => worker.terminate(),
    stepped: until(({ step }) => step !== undefined),
    ended: until(({ step }) => step === undefined),
  };
}

test.serial(
  'only one of two workers trains in a run folder, and another can after it has ended',
  async (t) => {
    const { root, images } = t.context;
    const runs = join(root, 'shared');
    const options = { ...tinyRun, path: images, runs, name: 'one', ep: 60, eval_ep: '[]', save_every: 0 };
    const first = startRun(options);
    await first.stepped;
    const folder = join(runs, 'one');
    const others = [1, 2].map(() => startRun({}, { resume: folder }));
    for (const { ended } of others) t.is((await ended).code, 'ERR_HOROBALL_RUN_BUSY');
    await first.terminate();
    const [next, rival] = [startRun({}, { resume: folder }), startRun({}, { resume: folder })];
    const results = await Promise.all([
      Promise.race([next.stepped, next.ended]),
      Promise.race([rival.stepped, rival.ended]),
    ]);
    t.deepEqual(
      results.map(({ code }) => code).filter((code) => code !== undefined),
      ['ERR_HOROBALL_RUN_BUSY'],
    );
    await Promise.all([next.terminate(), rival.terminate()]);
    const { steps } = await startRun({}, { resume: folder }).ended;
    t.is(steps, 60);
    const lines = (await readFile(join(folder, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
    const logged = lines.map((line) => JSON.parse(line) as { type: string; step: number });
    t.deepEqual(
      logged.filter(({ type }) => type === 'step').map(({ step }) => step),
      Array.from({ length: 60 }, (_, i) => i + 1),
    );
  },
);

test.serial('terminated workers leave no file open', async (t) => {
  const { root, images } = t.context;
  const options = { ...tinyRun, path: images, bs: 16, ep: 60, eval_ep: '[]', save_every: 0 };
  const leftOpen = await watchOpenFiles();
  for (let i = 0; i < 10; i++) {
    const run = startRun({ ...options, runs: join(root, 'ended'), cache: join(root, 'cache', String(i)) });
    await run.stepped;
    await sleep(4 * (i % 4));
    await run.terminate();
  }
  t.deepEqual(await leftOpen(), []);
});

test.serial(
  'of several runs with resume auto that start at once, one resumes the interrupted run',
  async (t) => {
    const { root, images } = t.context;
    const options = {
      ...tinyRun,
      path: images,
      runs: join(root, 'auto'),
      ep: 8,
      eval_ep: '[]',
      save_every: 0,
    };
    const first = startRun({ ...options, name: 'one' });
    await first.stepped;
    await first.terminate();
    const started = Array.from({ length: 3 }, () =>
      startRun({ ...options, name: 'one' }, { resume: 'auto' }),
    );
    const ended = await Promise.all(started.map((run) => run.ended));
    t.true(ended.some(({ steps }) => steps === 8));
    for (const { steps, code } of ended) t.true(steps === 8 || code === 'ERR_HOROBALL_RUN_BUSY', code);
    const log = await readFile(join(root, 'auto', 'one', 'metrics.jsonl'), 'utf8');
    const rows = log.trimEnd().split('\n');
    const logged = rows.map((line) => JSON.parse(line) as { type: string; step: number });
    t.deepEqual(
      logged.filter(({ type }) => type === 'step').map(({ step }) => step),
      Array.from({ length: 8 }, (_, i) => i + 1),
    );
  },
);
