import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** Bytes above what the process held before the call; NaN where the system does not tell. */
export async function peakBytes(run: () => unknown): Promise<number> {
  try {
    // What making the inputs left behind must be gone, or its going would hide what the call takes.
    for (let turn = 0; turn < 3; ++turn) {
      globalThis.gc?.();
      await setTimeout(50);
    }
    writeFileSync('/proc/self/clear_refs', '5');
    const before = status('VmRSS');
    run();
    return Math.max(0, status('VmHWM') - before);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== undefined) return Number.NaN;
    throw error;
  }
}

function status(field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(found?.[1]) * 1024;
}

/** A fixed threshold makes glibc map and unmap every large block; a kept one would serve the call unseen. */
export const honestMalloc = { MALLOC_MMAP_THRESHOLD_: '65536' };
