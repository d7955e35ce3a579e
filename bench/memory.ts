import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** Returns the peak memory during a call minus the memory before it, in bytes; NaN if the system does not report it. */
export async function peakBytes(run: () => unknown): Promise<number> {
  try {
    // Garbage from making the inputs must be collected first; otherwise its release would hide what the call allocates.
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

/**
 * Environment variables with which glibc maps and unmaps every large block. Otherwise it would reuse a freed block, which
 * does not raise the peak.
 */
export const honestMalloc = { MALLOC_MMAP_THRESHOLD_: '65536' };
