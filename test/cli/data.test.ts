import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { openDataset } from '../../lib/train/data/registry.ts';
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

test('data check counts the images of each split, and fails if some are missing', async (t) => {
  const root = await temporary(t);
  await makeSop(root);
  const whole = await horoball('data', 'check', 'SOP', '--path', root);
  t.is(whole.code, 0);
  t.regex(whole.stderr, /train +6 images of 2 classes\n +test +6 images of 2 classes/);
  t.regex(whole.stderr, /instead of the published 59551 images of 11318 classes/);
  t.regex(whole.stderr, /^The headers of all images are valid\. .* add --decode\.$/m);
  t.is(whole.stdout, '');

  const missing = (await openDataset('SOP', root)).test.samples[2]!.path;
  await rm(missing);
  const broken = await horoball('data', 'check', 'SOP', '--path', root, '--json');
  t.is(broken.code, 1);
  const result = JSON.parse(broken.stdout) as { unreadable: { path: string }[] };
  t.deepEqual(
    result.unreadable.map(({ path }) => path),
    [missing],
  );
});

test('a wrong folder and an unknown data set each cause a one-sentence error', async (t) => {
  const root = await temporary(t);
  const codes = { CUB: 1, nothing: 2 };
  for (const [name, expected] of Object.entries(codes)) {
    const { code, stderr } = await horoball('data', 'check', name, '--path', root);
    t.is(code, expected);
    t.regex(stderr, /^horoball: [^\n]+\n$/);
  }
  t.is((await horoball('data', 'check', 'CUB')).code, 2);
});

const packages = fileURLToPath(new URL('../../../test/fixtures/emoji', import.meta.url));

test('data emoji creates a data set and reports its content, and data check finds it complete', async (t) => {
  const out = path.join(await temporary(t), 'emoji');
  const made = await horoball('data', 'emoji', '--from', packages, '--out', out, '--size', '24');
  t.is(made.code, 0, made.stderr);
  t.is(made.stdout, '');
  t.regex(made.stderr, /rendering {2}36\/36 img {2}\d+ img\/s/);
  t.regex(made.stderr, /Created: 9 classes, 36 images in .*emoji\./);
  t.regex(
    made.stderr,
    /Omitted: 2 emoji that are not in all four sets, 1 whose image is identical to another in its set/,
  );
  const again = await horoball('data', 'emoji', '--from', packages, '--out', out, '--size', '24', '--json');
  t.like(JSON.parse(again.stdout), { folder: out, fresh: false, classes: 9, images: 36, duplicates: 1 });
  const checked = await horoball('data', 'check', 'emoji', '--path', path.dirname(out), '--decode');
  t.is(checked.code, 0, checked.stderr);
  t.regex(checked.stderr, /train +16 \w+ of 4 classes\n +test +20 \w+ of 5 classes/);
  t.regex(checked.stderr, /^All images can be read\.$/m);
});

test('data emoji rejects an invalid size in one sentence', async (t) => {
  const out = path.join(await temporary(t), 'emoji');
  for (const [size, expected] of [
    ['big', 2],
    ['5000', 1],
  ] as const) {
    const { code, stderr } = await horoball(
      'data',
      'emoji',
      '--from',
      packages,
      '--out',
      out,
      '--size',
      size,
    );
    t.is(code, expected, stderr);
    t.regex(stderr, /^horoball: [^\n]+16 to 1024[^\n]*\n$/);
  }
});
