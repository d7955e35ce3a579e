import { nextTurn } from '../lib/call/next-turn.ts';

/** Awaits work, and measures the longest turn of the event loop meanwhile as a share of the total time. */
export async function withLongestTurn<T>(work: Promise<T>): Promise<{ result: T; share: number }> {
  const began = performance.now();
  let [before, longest, isDone] = [began, 0, false];
  const end = work.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    await nextTurn();
    const now = performance.now();
    longest = Math.max(longest, now - before);
    before = now;
  }
  return { result: await end, share: longest / (performance.now() - began) };
}
