import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));
const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('a deleted working folder causes an error of one sentence, not a crash', async (t) => {
  const script = `cd "$(mktemp -d)" && rmdir "$PWD" && exec '${process.execPath}' '${main}' train --runs /tmp/none --path /tmp/none --ds folder --json`;
  const { code, text } = await new Promise<{ code: unknown; text: string }>((resolve) => {
    execFile('bash', ['-c', script], (error, stdout) => resolve({ code: error?.code, text: stdout }));
  });
  t.is(code, 1);
  t.like(JSON.parse(text), { type: 'error', code: 'ERR_HOROBALL_TORCH_LOAD' });
});
