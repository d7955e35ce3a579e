import { existsSync } from 'node:fs';
import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { singleProcess } from '../../../lib/train/lane/group.ts';
import { Checkpoint } from '../../../lib/train/run/checkpoint.ts';
import { Listeners, type RunListener } from '../../../lib/train/run/hooks.ts';
import { type Run, withRun } from '../../../lib/train/run/open.ts';
import { planRun } from '../../../lib/train/run/plan.ts';
import { abandonRun, finishRun, saveCheckpoint } from '../../../lib/train/run/save.ts';
import { tinyRun } from '../tiny-data.ts';
import { testOnImages } from './on-images.ts';

const test = testOnImages(2);
type Context = ExecutionContext<{ root: string; runs: string }>;

/**
 * Opens a new run, makes its state and log say that it has taken `step` steps, and calls `work`.
 *
 * @returns its folder
 */
async function opened(
  t: Context,
  name: string,
  step: number,
  work: (run: Run) => Promise<void>,
  { listener = {}, signal }: { listener?: RunListener; signal?: AbortSignal } = {},
): Promise<string> {
  const { root: path, runs } = t.context;
  const plan = await planRun({ ...tinyRun, path, runs, name });
  const listeners = new Listeners([listener]);
  await withRun(plan, listeners, { group: singleProcess, signal }, async (run) => {
    for (let i = 1; i <= step; i++) run.store.append({ type: 'step', step: i } as never);
    run.state.step = step;
    await work(run);
  });
  return join(runs, name);
}

const has = (folder: string, file: string): boolean => existsSync(join(folder, file));

test.serial('notifies listeners of a checkpoint, which has the position of the run', async (t) => {
  const seen: string[] = [];
  const listener = { onCheckpoint: () => void seen.push('checkpoint') };
  const folder = await opened(t, 'saved', 2, saveCheckpoint, { listener });
  t.deepEqual(seen, ['checkpoint']);
  const { step, complete } = await Checkpoint.position(folder);
  t.deepEqual([step, complete], [2, false]);
});

test.serial('saves nothing before the first step', async (t) => {
  const listener = { onCheckpoint: () => t.fail() };
  t.false(has(await opened(t, 'early', 0, saveCheckpoint, { listener }), 'last.safetensors'));
});

test.serial('the last checkpoint says whether the run is complete or was stopped', async (t) => {
  for (const isStopped of [false, true]) {
    const folder = await opened(
      t,
      isStopped ? 'stopped' : 'complete',
      1,
      async (run) => {
        t.is(await finishRun(run), isStopped);
      },
      isStopped ? { signal: AbortSignal.abort() } : {},
    );
    t.true(has(folder, 'model.safetensors'));
    t.is((await Checkpoint.position(folder)).complete, !isStopped);
  }
});

test.serial(
  'a failed run without steps leaves no folder; one with steps keeps its weights unless they diverged',
  async (t) => {
    const ends: string[] = [];
    const written: boolean[] = [];
    const listener: RunListener = {
      onEnd(end) {
        ends.push(end);
        written.push(has(join(t.context.runs, 'some'), 'model.safetensors'));
      },
    };
    const fail = (name: string, step: number, error: unknown): Promise<string> =>
      opened(t, name, step, (run) => abandonRun(run, error), { listener });
    t.false(has(await fail('empty', 0, new Error('no')), ''));
    t.true(has(await fail('some', 1, new Error('no')), 'model.safetensors'));
    const diverged = Object.assign(new Error('no'), { code: 'ERR_HOROBALL_DIVERGED' });
    const folder = await fail('diverged', 1, diverged);
    t.true(has(folder, 'metrics.jsonl'));
    t.false(has(folder, 'model.safetensors'));
    t.deepEqual(ends, ['failed', 'failed', 'failed']);
    t.deepEqual(written, [false, true, true]);
  },
);

test.serial('writes no embeddings into a folder that now belongs to another run', async (t) => {
  const { runs } = t.context;
  const folder = join(runs, 'embedded');
  const run = async (replace: boolean) =>
    await opened(t, 'embedded', 1, async (run) => {
      Object.assign(run.config, { save_emb: true });
      const write = run.store.weights.bind(run.store);
      run.store.weights = async (...args) => {
        await write(...args);
        if (!replace) return;
        await rename(folder, `${folder}-moved`); // before the images are embedded
        await cp(`${folder}-moved`, folder, { recursive: true });
      };
      await finishRun(run);
    });
  await t.throwsAsync(run(true), { code: 'ERR_HOROBALL_RUN_BUSY', message: /moved, deleted or replaced/ });
  t.false(has(folder, 'emb_eval.safetensors'));
  await rm(folder, { recursive: true });
  await run(false);
  t.true(has(folder, 'emb_eval.safetensors') && has(folder, 'emb_train.safetensors'));
});
