// npm run test:slow -- [part...]: tests that are too slow for npm test: sanitizers, short fuzzing, injected faults, killed
// runs and leaks. Two parts run at the same time. Parts that passed at this commit are skipped, so a repeated call resumes;
// HOROBALL_SLOW=again repeats all.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const parts: Readonly<Record<string, readonly string[]>> = {
  asan: ['dist/test/sanitize.js', 'asan'],
  fuzz: ['dist/test/fuzz/run.js', '--seconds', '3'],
  tsan: ['dist/test/sanitize.js', 'tsan'],
  faults: ['dist/test/faults/run.js', '1'],
  kills: ['dist/test/train/run/kill.js', '10'],
  soak: ['dist/test/soak/run.js', '1'],
};

/** Builds that use both cores by themselves, so they come before the parts. A part whose build fails repeats it and fails. */
const builds: Readonly<Record<string, readonly string[]>> = {
  asan: ['dist/test/sanitize.js', 'asan', '--build'],
  tsan: ['dist/test/sanitize.js', 'tsan', '--build'],
};

const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
const record = join('build', 'slow.json');
const passed = ((): Record<string, string> => {
  try {
    return process.env['HOROBALL_SLOW'] === 'again' ? {} : JSON.parse(readFileSync(record, 'utf8'));
  } catch {
    return {};
  }
})();

const wanted = process.argv.slice(2);
const queue = Object.entries(parts).filter(([name]) => {
  if (wanted.length > 0 && !wanted.includes(name)) return false;
  if (passed[name] === commit) process.stdout.write(`${name}: passed before\n`);
  return passed[name] !== commit;
});

/** Runs a part, prints each line of its output with its name, and returns its exit status. */
async function run(name: string, args: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const output of [child.stdout, child.stderr])
    createInterface({ input: output }).on('line', (line) => process.stdout.write(`${name}: ${line}\n`));
  return await new Promise((resolve) => child.on('close', resolve));
}

/** Runs parts of the queue until it is empty. */
async function work(): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [name, args] = next;
    const began = performance.now();
    const status = await run(name, args);
    const minutes = ((performance.now() - began) / 60_000).toFixed(1);
    process.stdout.write(`${name}: ${status === 0 ? 'passed' : 'FAILED'} in ${minutes} minutes\n`);
    if (status !== 0) process.exitCode = 1;
    else passed[name] = commit;
    mkdirSync('build', { recursive: true });
    writeFileSync(record, JSON.stringify(passed));
  }
}

const began = performance.now();
for (const [name] of queue) if (builds[name] !== undefined) await run(name, builds[name]);
process.stdout.write(`builds: ${((performance.now() - began) / 60_000).toFixed(1)} minutes\n`);
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));
process.stdout.write(`${((performance.now() - began) / 60_000).toFixed(1)} minutes in all\n`);
