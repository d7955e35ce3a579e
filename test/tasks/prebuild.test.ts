import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import test from 'ava';

/** The functions that a portable build binds to an older version of glibc. */
async function wrapped(): Promise<string[]> {
  const text = await readFile('native/cmake/portable.cmake', 'utf8');
  return /foreach\(name ([^)]*)\)/.exec(text)![1]!.split(' ');
}

test('the functions that the linker redirects are those with an older version', async (t) => {
  const text = await readFile('native/node/glibc.cc', 'utf8');
  const defined = Array.from(text.matchAll(/^HOROBALL_OLD\([^,]+,\s*(\w+),/gm), ([, name]) => name!);
  t.deepEqual((await wrapped()).sort(), defined.sort());
});

test('every function of libm that is newer than glibc 2.17 is redirected', async (t) => {
  if (process.platform !== 'linux') return t.pass('skipped: no glibc here');
  const core = process.env['HOROBALL_CORE'] ?? 'build/Release/core.node';
  const symbols = execFileSync('readelf', ['--dyn-syms', '--wide', core], { encoding: 'utf8' });
  const mathematical =
    /^(a?(sin|cos|tan)h?|atan2|exp(2|10|m1)?|log(2|10|1p|b)?|pow|hypot|cbrt|fmod|[lt]gamma)f?$/;
  const found = Array.from(symbols.matchAll(/UND (\w+)@GLIBC_2\.(\d+)/g), ([, name, minor]) => ({
    name: name!,
    minor: Number(minor),
  })).filter(({ name }) => mathematical.test(name));
  t.true(found.some(({ name }) => name === 'exp'));
  const redirected = await wrapped();
  const missing = found.filter(({ name, minor }) => minor > 17 && !redirected.includes(name));
  t.deepEqual(missing, []);
});
