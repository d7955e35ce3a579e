// npm run fuzz -- [--seconds N] [--seed N] [name...]: fuzzes every reader (N seconds each, default 10), the public and the
// native calls of the core, and its C++ functions at every SIMD level of the machine, or only those named. Prints a line with
// the number of executions of each, and exits with code 1 if any found a fault.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { buildFuzzer, functions, fuzzNative, levels } from './native.ts';
import { fuzzReader } from './readers.ts';
import { targets } from './targets.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } },
});
const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
const isWanted = (name: string): boolean => positionals.length === 0 || positionals.includes(name);
/** Approximate number of calls per second of hostile-child.js, which takes a number of calls instead of a duration. */
const callsPerSecond = 1500;

function report(name: string, executions: number, fault: string | null): void {
  process.stdout.write(
    `${name}: ${executions} executions, ${fault === null ? 'no fault' : `fault: ${fault}`}\n`,
  );
  if (fault !== null) process.exitCode = 1;
}

for (const name of Object.keys(targets).filter(isWanted)) {
  const { executions, fault, kept } = await fuzzReader(name, seed, seconds);
  report(name, executions, fault === null ? null : `${kept}: ${fault}`);
}

const hostile = fileURLToPath(new URL('../hostile-child.js', import.meta.url));
for (const kind of ['public', 'native'].filter(isWanted)) {
  const calls = String(callsPerSecond * seconds);
  const fault = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', hostile, kind, String(seed), calls],
    {
      maxBuffer: 2 ** 30,
    },
  ).then(
    () => null,
    ({ signal, stdout }: { signal: string | null; stdout: string }) =>
      `${signal} at call ${stdout.slice(-200)}`,
  );
  report(`${kind} calls`, Number(calls), fault);
}

const wanted = functions.filter(isWanted);
const problem = wanted.length === 0 ? null : await buildFuzzer();
if (problem !== null) process.stdout.write(`C++ functions: skipped, ${problem}\n`);
else
  for (const name of wanted)
    for (const level of levels()) {
      const { executions, fault } = await fuzzNative(name, level, seconds);
      report(`${name} (${level})`, executions, fault);
    }
