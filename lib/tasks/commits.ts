// npm run lint:commits [BASE]: checks that the subject of each commit since BASE reads `area: imperative`, at most 60
// characters, and that no committed file has the markers of an unresolved merge, which no other check would find in
// Markdown and in examples.
import { spawnSync } from 'node:child_process';

/** The last commit before this rule. */
const ruleBegins = 'cb66c0b89057ee39b226c0a54f4da0c3df0af09e';
const [base = ruleBegins] = process.argv.slice(2);

const { status, stdout } = spawnSync('git', ['log', '--no-merges', '--format=%h %s', `${base}..HEAD`], {
  encoding: 'utf8',
});
if (status !== 0) {
  process.stdout.write(`Skipped: commit ${base} is not part of this checkout.\n`);
} else {
  const wrong = stdout.split('\n').filter((line) => line !== '' && !/^\w+ [a-z0-9./_-]+: \S/.test(line));
  const long = stdout.split('\n').filter((line) => line.replace(/^\w+ /, '').length > 60);
  for (const line of wrong) process.stdout.write(`${line}\n  expected a subject like "area: imperative"\n`);
  for (const line of long) process.stdout.write(`${line}\n  expected at most 60 characters\n`);
  if (wrong.length + long.length > 0) process.exitCode = 1;
}

const marked = spawnSync('git', ['grep', '-nE', '^(<{7}|>{7}) ', 'HEAD'], { encoding: 'utf8' });
if (marked.status === 0) {
  process.stdout.write(`${marked.stdout}  expected no markers of an unresolved merge\n`);
  process.exitCode = 1;
}
