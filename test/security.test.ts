// Every row of the threat model in SECURITY.md names existing tests that run automatically.
import { readFile } from 'node:fs/promises';
import test from 'ava';

test('each threat in SECURITY.md names its tests', async (t) => {
  const text = await readFile('SECURITY.md', 'utf8');
  const lines = text.split('\n').filter((line) => line.startsWith('| ') && !/^\| (threat|---)/.test(line));
  t.true(lines.length >= 15);
  for (const line of lines) {
    const [threat, , named] = line.split('|').slice(1, -1) as [string, string, string];
    const names = [...named.matchAll(/`([\w/-]+)`/g)].map(([, name]) => name!);
    t.true(names.length > 0, threat);
    for (const name of names) t.regex(await readFile(`test/${name}.test.ts`, 'utf8'), /\btest\b/, threat);
  }
});
