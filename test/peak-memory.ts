import { readFileSync } from 'node:fs';

/**
 * The peak memory of this process in MB. On Linux, `maxRSS` is not used: a child process starts with the peak of its
 * parent, because exec keeps that counter.
 */
export function peakMegabytes(): number {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
    return Number(kilobytes) / 1000;
  } catch {
    return process.resourceUsage().maxRSS / 1000;
  }
}
