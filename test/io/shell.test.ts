import { execFileSync } from 'node:child_process';
import test from 'ava';
import { shellWord } from '../../lib/io/shell.ts';

test('a shell parses a quoted word as the original', (t) => {
  t.is(shellWord('runs/shapes-hybrid-1'), 'runs/shapes-hybrid-1');
  if (process.platform === 'win32') return;
  for (const word of ['', 'my runs/1', "it's", '$HOME `x` "y" \\', 'ü;*?']) {
    t.is(execFileSync('sh', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' }), word);
  }
});
