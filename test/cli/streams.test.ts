// If output cannot be written, because the reader closed the pipe or the disk is full, the command still does its work.
// Its exit code reports a problem with stdout, but not with stderr.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { temporary } from '../train/data/support.ts';
import { classNames, tinyRun, writeImages } from '../train/tiny-data.ts';

const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

/**
 * Runs `horoball ARGS` with redirections in a shell.
 *
 * @returns its exit code, and the text that reached the outputs
 */
async function shell(
  args: readonly string[],
  redirection: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const words = args.map((word) => `'${word}'`).join(' ');
  const script = `{ { '${process.execPath}' '${main}' ${words}; echo "code $?" >&3; } ${redirection}; } 3>&1`;
  return await new Promise((resolve) => {
    execFile('bash', ['-c', script], (_, stdout, stderr) => {
      const code = Number(/^code (\d+)$/m.exec(stdout)?.[1]);
      resolve({ code, stdout: stdout.replace(/^code \d+\n/m, ''), stderr });
    });
  });
}

async function run(t: ExecutionContext, name: string): Promise<{ args: string[]; steps(): Promise<number> }> {
  const folder = await temporary(t);
  const images = join(folder, 'images');
  await writeImages(images, classNames(32), 4);
  const { freeze: _, ...rest } = tinyRun;
  const options = {
    ...rest,
    freeze: 'None',
    ep: 6,
    eval_ep: '[6]',
    threads: 1,
    path: images,
    runs: folder,
    name,
  };
  const args = ['train', '--json', ...Object.entries(options).map(([key, value]) => `--${key}=${value}`)];
  const steps = async (): Promise<number> => {
    const log = await readFile(join(folder, name, 'metrics.jsonl'), 'utf8');
    return log.split('\n').filter((line) => line.startsWith('{"type":"step"')).length;
  };
  return { args, steps };
}

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('a run completes although its stdout was closed, and exits with 141', async (t) => {
  const { args, steps } = await run(t, 'head');
  const { code, stdout } = await shell(args, '| head -1');
  t.is(JSON.parse(stdout).type, 'config');
  t.is(await steps(), 6);
  t.is(code, 141);
});

onLinux(
  'a run completes although the disk of its stdout is full, and exits with 1 and one sentence',
  async (t) => {
    const { args, steps } = await run(t, 'full');
    const { code, stderr } = await shell(args, '>/dev/full');
    t.is(await steps(), 6);
    t.is(code, 1);
    t.regex(stderr, /horoball: stdout: the disk is full\n$/);
  },
);

onLinux('messages that cannot be written to stderr change nothing', async (t) => {
  const { args, steps } = await run(t, 'quiet');
  const { code, stdout } = await shell(args, '2>/dev/full');
  t.is(await steps(), 6);
  t.is(code, 0);
  t.regex(stdout, /"type":"end"/);
});

onLinux('the exit code of a short command reports a closed or full stdout, but not stderr', async (t) => {
  t.is((await shell(['recipes', '--json'], '>/dev/full')).code, 1);
  t.is((await shell(['--help'], '>/dev/full')).code, 1);
  t.is((await shell(['--help'], '| true')).code, 141);
  t.is((await shell(['recipes'], '2>/dev/full')).code, 0);
  t.is((await shell(['recipies'], '2>/dev/full')).code, 2);
  t.is((await shell(['report', '/nowhere'], '2>/dev/full')).code, 1);
  t.is((await shell(['recipes'], '>&- 2>&-')).code, 0);
});
