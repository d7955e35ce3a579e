import { setImmediate } from 'node:timers/promises';

/** Pixels between two turns of the event loop: about a millisecond of work. */
const pixelsPerTurn = 1 << 17;

/** Calls `work` for each row of an image, and yields to the event loop about every millisecond. */
export async function eachRow(
  { width, height }: { width: number; height: number },
  work: (y: number) => void,
): Promise<void> {
  const rowsPerTurn = Math.max(1, Math.floor(pixelsPerTurn / width));
  for (let y = 0; y < height; y++) {
    if (y > 0 && y % rowsPerTurn === 0) await setImmediate();
    work(y);
  }
}
