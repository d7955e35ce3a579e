/** CPU time in milliseconds of `usualJob` on a quiet processor of 3 GHz. */
const usualMs = 15;

function milliseconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000;
}

/** Has the costs of code that is tested for linear time: strings, entries of a map, and memory used for the first time. */
function usualJob(): number {
  const lengths = new Map<string, number>();
  for (let i = 0; i < 2 ** 15; i++) lengths.set(`${i}`, i);
  return lengths.size;
}

/**
 * Measures CPU time for tests that a call is neither quadratic nor endless, and thus takes less than a limit.
 *
 * A slow or busy machine, as in continuous integration, can take several times as long as a quiet one. The measured time is
 * therefore divided by the time that `usualJob` takes immediately afterwards, relative to its usual time.
 *
 * @returns a function that returns the CPU time since the start, of all threads, in milliseconds of a usual machine
 */
export function startCpuClock(): () => number {
  const start = process.cpuUsage();
  return () => {
    const used = milliseconds(process.cpuUsage(start));
    const before = process.cpuUsage();
    usualJob();
    return used / Math.max(1, milliseconds(process.cpuUsage(before)) / usualMs);
  };
}
