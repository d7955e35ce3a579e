/** CPU time in milliseconds of `usualJob` on a quiet virtual machine with an AMD Zen 5, once it is compiled. */
const usualMs = 15;
const repetitions = 3;

function milliseconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000;
}

/** Does the kind of work that tests of linear time measure: creates strings and map entries, and touches fresh memory. */
function usualJob(): number {
  const lengths = new Map<string, number>();
  for (let i = 0; i < 2 ** 15; i++) lengths.set(`${i}`, i);
  return lengths.size;
}

for (let i = 0; i < 2; i++) usualJob(); // the first calls are slower, because V8 compiles them

/**
 * Measures CPU time, for tests with a limit that only a quadratic or endless call would exceed.
 *
 * A slow or busy machine, as in continuous integration, can take several times as long as a quiet one. The measured time is
 * therefore divided by the time that `usualJob` takes immediately afterwards, relative to its usual time (or by 1 if
 * that is larger).
 *
 * @returns a function that returns the CPU time since the start, of all threads, in milliseconds of a usual machine
 */
export function startCpuClock(): () => number {
  const start = process.cpuUsage();
  return () => {
    const used = milliseconds(process.cpuUsage(start));
    const before = process.cpuUsage();
    for (let i = 0; i < repetitions; i++) usualJob();
    const jobMs = milliseconds(process.cpuUsage(before)) / repetitions;
    return used / Math.max(1, jobMs / usualMs);
  };
}
