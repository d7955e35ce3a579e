// The epochs of embedTree, on several threads that synchronize at barriers, or on a single one that yields.
import {
  batchLosses,
  evaluateNodes,
  moveNodes,
  nodeGradients,
  scatter,
  shuffleEpoch,
  type TreeState,
} from './kernel.ts';

/** The inputs of every thread. */
export interface TreeJob {
  readonly state: TreeState;
  readonly epochs: number;
  readonly burnIn: number;
  readonly rate: number;
  readonly part: number;
  readonly parts: number;
  /** Two counters: threads that wait at the barrier, and completed rounds. */
  readonly barrier: Int32Array;
}

/** Called after an epoch, with the number of completed epochs and the mean loss per pair. */
export type OnEpoch = (done: number, loss: number) => void;

/** The first epochs use this fraction of the learning rate (Nickel and Kiela 2017, section 3.2). */
const burnInShare = 0.1;

/**
 * Runs one thread's part of all epochs and of the evaluation. If it is the only part, yields after each batch and before
 * each evaluated node, so that the caller can give the event loop a turn.
 */
export function* runPart(job: TreeJob, onEpoch: OnEpoch): Generator<void, void, void> {
  const { state, epochs, burnIn, part, parts } = job;
  const { batch, losses, order } = state;
  const synchronize = parts === 1 ? () => {} : () => wait(job.barrier, parts);
  if (part === 0) scatter(state);
  for (let epoch = 0; epoch < epochs; ++epoch) {
    if (part === 0) shuffleEpoch(state, epoch);
    const rate = epoch < burnIn ? burnInShare * job.rate : job.rate;
    let sum = 0;
    for (let first = 0; first < order.length; first += batch) {
      const count = Math.min(batch, order.length - first);
      const share = (index: number): number => Math.floor((count * index) / parts);
      synchronize();
      batchLosses(state, epoch, first, share(part), share(part + 1));
      synchronize();
      const touched = nodeGradients(state, count, part, parts);
      for (let k = 0; k < count; ++k) sum += losses[k]!;
      synchronize();
      moveNodes(state, touched, rate);
      if (parts === 1) yield;
    }
    synchronize();
    if (part === 0) onEpoch(epoch + 1, sum / order.length);
  }
  synchronize();
  for (const _ of evaluateNodes(state, part, parts)) if (parts === 1) yield;
}

/** Waits until all `parts` threads have arrived at the barrier. */
function wait(barrier: Int32Array, parts: number): void {
  const round = Atomics.load(barrier, 1);
  if (Atomics.add(barrier, 0, 1) === parts - 1) {
    Atomics.store(barrier, 0, 0);
    Atomics.add(barrier, 1, 1);
    Atomics.notify(barrier, 1);
    return;
  }
  while (Atomics.load(barrier, 1) === round) Atomics.wait(barrier, 1, round);
}
