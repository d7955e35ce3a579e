// The error for a missing file or an unwritable location is one line that names it, without the system's error code.
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type TestFn } from 'ava';
import { checkOutputFolder } from '../../lib/cli/output.ts';
import { runFiles } from '../train/fake-run.ts';
import { classNames, temporary, writeImages } from '../train/tiny-data.ts';
import { horoball, main } from './run.ts';

const test = ava as TestFn<{ root: string; remove(): Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = await temporary();
  t.context = { root: path, remove };
  await writeFile(join(path, 'file'), 'a file');
  await mkdir(join(path, 'folder'));
  await mkdir(join(path, 'run'));
  for (const name of ['config.json', 'last.safetensors']) await writeFile(join(path, 'run', name), '{}');
  await writeImages(join(path, 'images'), classNames(8), 2);
});
test.after.always((t) => t.context.remove());

/** A folder in which even root cannot create files; permissions do not restrict root. */
const sealed = process.platform === 'linux' ? '/proc' : '/dev/null';

type Case = [args: string, code: number, sentence: RegExp];

const small = '--ds folder --path ROOT/images --model vit_nano --bs 4 --resize 48 --crop 48 --freeze None';
const cases: Case[] = [
  [`train ${small} --runs SEALED/x`, 1, /SEALED\/x: .*\. Choose another location\.$/],
  [`train ${small} --runs ROOT/file`, 1, /ROOT\/file: it is a file, not a folder\. Choose another/],
  [`train ${small} --runs ROOT/file/x`, 1, /ROOT\/file\/x: a part of this path is a file, not a folder\./],
  [
    `train ${small} --runs ROOT/runs --cache SEALED/x`,
    1,
    /cache: expected a writable folder, got SEALED\/x \(.*\)\. Choose another folder/,
  ],
  [`train ${small} --weights ROOT/folder`, 1, /ROOT\/folder: it is a folder, not a file\. Specify a file\.$/],
  ['train --ds shapes --path SEALED/x', 1, /SEALED\/x: .*\. Choose another location\.$/],
  [
    'train --config none.json',
    2,
    /config: expected .*none\.json \(no such file or folder\)\. Pass a file such as/,
  ],
  ['train --model none.json', 2, /model: expected .*none\.json \(no such file or folder\)$/],
  ['train --ds csv --path ROOT/folder', 1, /got ROOT\/folder \(it is a folder, not a file\)/],
  ['sweep --out SEALED/x', 1, /SEALED\/x: .*\. Choose another location\.$/],
  ['sweep --out ROOT/file', 1, /ROOT\/file\/runs: a part of this path is a file, not a folder\. Check/],
  ['embed run --out SEALED/x.npy', 2, /out: expected a file in a writable folder, got SEALED\/x/],
  [
    'embed run --out ROOT/file/x.npy',
    2,
    /out: expected a file in a folder, got .*\. Choose another location: ROOT\/file is not a folder\.$/,
  ],
  [
    'embed run --out ROOT/none/x.npy',
    2,
    /out: expected a file in an existing folder, .*\. Create ROOT\/none first\.$/,
  ],
  [
    'embed run --out ROOT/run/last.safetensors',
    2,
    /out: expected a file that is not part of a run or study, got .*\. Choose another name\.$/,
  ],
  ['report run --out ROOT/run/config.json', 2, /out: expected a file that is not part of a run/],
  [
    'eval run --per-query ROOT/folder',
    2,
    /per-query: expected a file, got ROOT\/folder\. Specify a file in this folder\.$/,
  ],
  ['eval run --per-query SEALED/x', 2, /per-query: expected a file in a writable folder/],
  [
    'export run --onnx SEALED/x',
    2,
    /onnx: expected a writable folder, got SEALED\/x\. Choose another location/,
  ],
  ['export run --onnx SEALED/x.onnx', 2, /onnx: expected a file in a writable folder/],
  ['export run --onnx ROOT/file/x', 2, /onnx: expected a writable folder, got .*file is not a folder/],
  ['report run --out /dev/null', 2, /out: expected a regular file, got \/dev\/null\. Devices/],
  [
    'report --explore --out ROOT/folder',
    2,
    /out: expected a file, got ROOT\/folder\. Specify a file in this folder\.$/,
  ],
  [
    'dashboard none',
    1,
    /folder: expected a folder of runs, got none, which does not exist\. Start a run first \(npx horoball start\), or pass the folder that contains your runs\.$/,
  ],
  ['dashboard --port x', 2, /\[dashboard\] --port: expected a port from 0 to 65535, got 'x'$/],
  ['delta none.npy', 1, /none\.npy: no such file or folder\. Check the path\.$/],
  ['data check csv --path none.csv', 1, /expected a CSV file that .*none\.csv \(no such file or folder\)/],
  ['weights pull dino_vits16 --cache SEALED/x', 1, /SEALED\/x: .*\. Choose another location\.$/],
  ['weights pull dino_vits16 --cache ROOT/file', 1, /ROOT\/file\/.*: a part of this path is a file/],
  ['setup --libtorch ROOT/folder', 1, /--libtorch ROOT\/folder cannot be loaded: no such folder/],
  ['setup --libtorch ROOT/file', 1, /SEALED\/x: .*\. Choose another location\.$/], // XDG_CACHE_HOME is set below
];

for (const [line, code, sentence] of cases.filter(
  ([line]) => process.platform === 'linux' || !/SEALED/.test(line),
)) {
  test(line, async (t) => {
    const filled = (text: string): string =>
      text.replaceAll('SEALED', sealed).replaceAll('ROOT', t.context.root);
    const env = line.startsWith('setup') ? { XDG_CACHE_HOME: `${sealed}/x` } : {};
    const outcome = await horoball(filled(line).split(' '), env);
    t.is(outcome.code, code, outcome.stderr);
    const said = outcome.stderr
      .trimEnd()
      .split('\n')
      .filter((text) => !/^(Note: |Options: |Model: |Data: | )/.test(text));
    t.is(said.length, 1, outcome.stderr);
    t.regex(said[0]!, new RegExp(filled(sentence.source)));
    t.notRegex(outcome.stderr, /\bE[A-Z]{4,}\b/);
  });
}

test('report compares more runs than the limit of open files', async (t) => {
  if (process.platform === 'win32') return t.pass('no ulimit');
  const runs = Array.from({ length: 1000 }, (_, i) => join(t.context.root, 'many', `run-${i}`));
  for (const run of runs) {
    await mkdir(run, { recursive: true });
    await writeFile(join(run, 'config.json'), JSON.stringify({ ds: 'shapes' }));
  }
  const out = join(t.context.root, 'many.html');
  const report = 'ulimit -n 256; exec "$@"';
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', report, 'sh', process.execPath, main, 'report', ...runs, '--out', out],
    { encoding: 'utf8' },
  );
  t.is(status, 0, stderr);
  t.true((await readFile(out, 'utf8')).includes('run-999'));
});

test('report notes damaged lines of a log on stderr and in the JSON', async (t) => {
  const run = join(t.context.root, 'damaged');
  await mkdir(run);
  for (const [name, text] of Object.entries(runFiles(3)))
    await writeFile(join(run, name), text.replace('"step":2', '"step":-2'));
  const { stderr, rows } = await horoball(['report', run, '--json']);
  const note = /1 line of metrics\.jsonl is invalid and was skipped \(line 2: step: /;
  t.true(stderr.startsWith(`Note: ${run}: 1 line`), stderr);
  t.regex(String(rows()[0]!['notes']), note);
});

test('a command removes the trial file that a killed command left in its output folder', async (t) => {
  const folder = join(t.context.root, 'export');
  await mkdir(folder);
  const trial = join(folder, `.horoball.${crypto.randomUUID()}.tmp`);
  await writeFile(trial, '');
  await utimes(trial, 0, 0);
  await checkOutputFolder('[export] onnx', folder);
  t.deepEqual(await readdir(folder), []);
});
