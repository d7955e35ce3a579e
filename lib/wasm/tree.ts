// Replaces lib/tree/threads.ts in the bundle for browsers: runs on the page's thread, with pauses for other callbacks.
import { nextTurn } from '../call/next-turn.ts';
import { type OnEpoch, runPart, type TreeJob } from '../tree/epochs.ts';

/** Milliseconds of work before other callbacks get a turn. */
const turnMs = 8;

export async function runTree(
  work: Omit<TreeJob, 'part' | 'parts'>,
  _threads: number,
  onEpoch: OnEpoch,
  signal: AbortSignal | undefined,
): Promise<void> {
  let began = performance.now();
  for (const _ of runPart({ ...work, part: 0, parts: 1 }, onEpoch)) {
    if (performance.now() - began < turnMs) continue;
    await nextTurn();
    signal?.throwIfAborted();
    began = performance.now();
  }
}
