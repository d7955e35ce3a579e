import { makeShapes } from '../train/data/shapes.ts';
import { Meter } from '../train/progress.ts';

/** Of the pictures; a run has its own seed. */
const seed = 42;

/** Draws the built-in data set where it is not there yet; an abort leaves nothing behind. */
export async function drawShapes(path: string, signal: AbortSignal): Promise<void> {
  using meter = new Meter();
  let drawn = 0;
  const onProgress = (done: number, total: number): void => {
    drawn = done;
    meter.update(done, total, 'pictures drawn');
  };
  try {
    await makeShapes(path, { seed, onProgress, signal });
    if (drawn > 0) meter.say(`Drew ${drawn} pictures into ${path}.`);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
