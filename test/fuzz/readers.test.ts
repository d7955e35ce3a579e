// Mutated files are read, or rejected with a code, within bounds on time and memory. `npm run fuzz` tries more of them.
import test from 'ava';
import { fuzzReader } from './readers.ts';
import { targets } from './targets.ts';

const seconds = 1;

for (const name of Object.keys(targets))
  test.serial(`${name}: mutated files are read or rejected`, async (t) => {
    const { executions, read, memory, slowest, fault, kept } = await fuzzReader(name, 7, seconds);
    t.is(fault, null, kept);
    t.log(`${executions} files, ${read} of them read, ${memory} MB, ${slowest.toFixed(0)} ms`);
    t.true(executions > 5 && read > 0);
  });
