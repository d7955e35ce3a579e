// Every fault in the list can still be planted, and names tests that exist.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { mutants, undetectable } from './mutants.ts';

const pathOf = (name: string): string => fileURLToPath(new URL(`../../../${name}`, import.meta.url));

test('the text that a fault replaces occurs once in its file', async (t) => {
  for (const { file, text, from } of [
    ...mutants.map((mutant) => ({ ...mutant, text: mutant.from })),
    ...undetectable.map((fault) => ({ ...fault, from: fault.text })),
  ]) {
    const source = await readFile(pathOf(file), 'utf8');
    t.is(source.split(from).length, 2, `${file}: ${text}`);
  }
});

test('every fault changes its file and names existing tests', (t) => {
  for (const { file, from, to, tests } of mutants) {
    t.not(from, to, file);
    t.true(tests.length > 0, file);
    for (const name of tests) t.true(existsSync(pathOf(`test/${name}.test.ts`)), `${file}: ${name}`);
  }
});
