import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { openDataset } from '../../lib/train/data/dataset.ts';
import { temporary } from '../train/data/support.ts';
import { makeSop } from '../train/data/trees.ts';

const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

function horoball(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test('data check says what is there, and fails when something is not', async (t) => {
  const root = await temporary(t);
  await makeSop(root);
  const whole = await horoball('data', 'check', 'SOP', '--path', root);
  t.is(whole.code, 0);
  t.regex(whole.stderr, /train +6 pictures of 2 classes\n +test +6 pictures of 2 classes/);
  t.regex(whole.stderr, /59551 pictures of 11318 classes as published/);
  t.regex(whole.stderr, /Every picture is there\./);
  t.is(whole.stdout, '');

  const gone = (await openDataset('SOP', root)).test.samples[2]!.path;
  await rm(gone);
  const broken = await horoball('data', 'check', 'SOP', '--path', root, '--json');
  t.is(broken.code, 1);
  const result = JSON.parse(broken.stdout) as { unreadable: { path: string }[] };
  t.deepEqual(
    result.unreadable.map(({ path }) => path),
    [gone],
  );
});

test('a folder that is not the data set and a name that is not known each give one sentence', async (t) => {
  const root = await temporary(t);
  const codes = { CUB: 1, nothing: 2 };
  for (const [name, expected] of Object.entries(codes)) {
    const { code, stderr } = await horoball('data', 'check', name, '--path', root);
    t.is(code, expected);
    t.regex(stderr, /^horoball: [^\n]+\n$/);
  }
  t.is((await horoball('data', 'check', 'CUB')).code, 2);
});
