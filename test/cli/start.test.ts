import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { temporary } from '../train/tiny-data.ts';
import { horoball } from './run.ts';

test('start generates the images once; each time, it trains, compares with baselines and reports in a new folder', async (t) => {
  const { path: root, remove } = await temporary();
  try {
    const args = [
      'start',
      '--json',
      '--ep=1',
      '--eval_ep=[0]+[1]',
      '--threads=1',
      `--runs=${join(root, 'runs')}`,
    ];
    args.push(`--path=${join(root, 'shapes')}`);
    const first = await horoball(args);
    t.is(first.code, 0, first.stderr);
    t.regex(first.stderr, /Generated 2560 images/);
    t.regex(first.stderr, /Untrained network, head.*Raw pixels.*Color and gradient histograms.*Report: /s);
    t.is(first.rows().filter(({ type }) => type === 'baseline').length, 2);
    const second = await horoball([...args, '--eval_ep=[]']);
    t.is(second.code, 0, second.stderr);
    t.notRegex(second.stderr, /Generated/);
    t.deepEqual(await readdir(join(root, 'runs')), ['shapes-hybrid-1', 'shapes-hybrid-2']);
  } finally {
    await remove();
  }
});
