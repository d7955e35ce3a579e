// npm run test:slow -- [part...]: everything that is too slow for npm test, except planted faults (npm run test:mutation)
// and long fuzzing (npm run fuzz -- --seconds N). Prints the output of each part. Parts that passed at this commit are
// skipped, so a repeated call resumes; HOROBALL_SLOW=again repeats all.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const parts: Readonly<Record<string, readonly string[]>> = {
  asan: ['dist/test/sanitize.js', 'asan'],
  tsan: ['dist/test/sanitize.js', 'tsan'],
  fuzz: ['dist/test/fuzz/run.js', '--seconds', '5'],
  faults: ['dist/test/faults/run.js', '2'],
  kills: ['dist/test/train/run/kill.js', '10'],
  soak: ['dist/test/soak/run.js', '0.1'],
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
for (const [name, args] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  if (passed[name] === commit) {
    process.stdout.write(`${name}: passed before\n`);
    continue;
  }
  const began = performance.now();
  const code = await new Promise((resolve) =>
    spawn(process.execPath, args, { stdio: 'inherit' }).on('close', resolve),
  );
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  process.stdout.write(`${name}: ${code === 0 ? 'passed' : 'FAILED'} in ${minutes} minutes\n`);
  if (code !== 0) process.exitCode = 1;
  else passed[name] = commit;
  mkdirSync('build', { recursive: true });
  writeFileSync(record, JSON.stringify(passed));
}
