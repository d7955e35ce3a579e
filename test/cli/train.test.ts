import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type ExecutionContext, type TestFn } from 'ava';
import { trainedGeometries } from '../../lib/train/options/define.ts';
import { classNames, filesOf, temporary, tinyRun, writeImages } from '../train/tiny-data.ts';
import { horoball, type Outcome, start } from './run.ts';

const test = ava as TestFn<{ root: string; images: string; remove(): Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = await temporary();
  t.context = { root: path, images: join(path, 'images'), remove };
  await writeImages(t.context.images, classNames(32), 5);
});
test.after.always(async (t) => {
  await t.context.remove();
});

/** Returns the command line of the tiny run, with some options replaced. */
function command(path: string, runs: string, options: Record<string, unknown> = {}): string[] {
  const { freeze: _, ...rest } = tinyRun;
  const all = { ...rest, freeze: 'None', threads: 1, path, runs, ...options };
  return ['train', '--json', ...Object.entries(all).map(([key, value]) => `--${key}=${value}`)];
}

/** Asserts that the command failed with this exit code and one sentence, and left no run folder. */
async function refused(
  t: ExecutionContext,
  outcome: Outcome,
  code: number,
  sentence: RegExp,
  runs: string,
): Promise<void> {
  t.is(outcome.code, code, outcome.stderr);
  t.regex(outcome.stderr, sentence);
  t.is(outcome.stderr.trimEnd().split('\n').length, 1, outcome.stderr);
  t.deepEqual(await readdir(runs).catch(() => []), []);
}

test('accepts option names of other tools with a note, and a run as weights', async (t) => {
  const { root, images } = t.context;
  const runs = join(root, 'runs-names');
  const { ep: _, bs: __, lr: ___, ...rest } = { ...tinyRun, freeze: 'None', threads: 1 };
  const given = {
    ...rest,
    epochs: 1,
    'batch-size': 32,
    'learning-rate': 1e-3,
    temperature: 0.3,
    device: 'auto',
  };
  const args = { ...given, path: images, runs, eval_ep: '[]', precision: 'bf16', name: 'one' };
  const first = await horoball(['train', '--json', ...Object.entries(args).map(([k, v]) => `--${k}=${v}`)]);
  t.is(first.code, 0, first.stderr);
  for (const note of [
    '--epochs is an alias of --ep.',
    '--batch-size is an alias of --bs.',
    '--precision bf16 means bfloat16.',
  ])
    t.true(first.stderr.includes(`Note: ${note}`), first.stderr);
  const config = first.rows().find(({ type }) => type === 'config')!;
  t.deepEqual(
    ['ep', 'bs', 'lr', 't_e', 't_h', 'precision'].map((name) => config[name]),
    [1, 32, 1e-3, 0.3, 0.3, 'bfloat16'],
  );
  const options = { ep: 1, eval_ep: '[]', weights: join(runs, 'one'), name: 'two' };
  const second = await horoball(command(images, runs, options));
  t.is(second.code, 0, second.stderr);
  t.notRegex(second.stderr, /Not in the file/);
  const both = await horoball([...command(images, runs), '--epochs=2']);
  await refused(
    t,
    both,
    2,
    /\[train\] --ep: expected one value, got both --ep and --epochs/,
    join(root, 'none'),
  );
});

test('a run prints JSON on stdout and text on stderr, and eval gives the same numbers', async (t) => {
  const { root, images } = t.context;
  const runs = join(root, 'runs-plain');
  const outcome = await horoball(command(images, runs));
  t.is(outcome.code, 0, outcome.stderr);
  const rows = outcome.rows();
  t.is(rows.filter(({ type }) => type === 'step').length, 24);
  const evaluations = rows.filter(({ type }) => type === 'evaluation');
  t.is(evaluations.length, 2);
  const { type, folder, interrupted } = rows.at(-1)!;
  t.deepEqual({ type, interrupted }, { type: 'end', interrupted: false });
  t.regex(outcome.stderr, /Values in %.*Recall@1 .*Head, hyperbolic distance.*Untrained network.*Report: /s);

  const queries = join(root, 'queries.jsonl');
  const again = await horoball(['eval', folder as string, '--json', '--save_emb', `--per-query=${queries}`]);
  t.is(again.code, 0, again.stderr);
  t.deepEqual(again.rows()[0]!['spaces'], evaluations[1]!['spaces']);
  t.regex(again.stderr, /80 queries: .*queries\.jsonl/);
  t.regex(again.stderr, /^test: 80 images in 16 of the 32 classes$/m);
  t.regex(again.stderr, /80 images: .*emb_eval\.safetensors\n80 images: .*emb_train\.safetensors/);

  const repeated = await horoball([
    'train',
    `--config=${join(folder as string, 'config.json')}`,
    '--ep=1',
    '--eval_ep=[]',
  ]);
  t.is(repeated.code, 0, repeated.stderr);
  t.deepEqual((await readdir(runs)).sort(), ['folder-hybrid-1', 'folder-hybrid-2']);
});

test('a run with learnable curvature is evaluated at its final curvature', async (t) => {
  const { root, images } = t.context;
  const runs = join(root, 'runs-learnable');
  const options = { learn: 'hyp_c', learn_lr: 0.3, head: 'hyp-vit', clip_r: 'None', eval_ep: '[24]' };
  const outcome = await horoball(command(images, runs, options));
  t.is(outcome.code, 0, outcome.stderr);
  const evaluation = outcome.rows().find((row) => row['type'] === 'evaluation')!;
  const last = outcome.rows().findLast((row) => row['type'] === 'step')!;
  t.true(Math.abs(Math.log((last['hyp_c'] as number) / 0.1)) > 0.1, `${last['hyp_c']}`);
  const again = await horoball(['eval', join(runs, 'folder-hyperbolic-1'), '--json']);
  t.deepEqual(again.rows()[0]!['spaces'], evaluation['spaces']);
});

test('--resume resumes a run that Ctrl-C stopped, and says so', async (t) => {
  const { root, images } = t.context;
  const runs = join(root, 'runs-resumed');
  const args = [...command(images, runs, { ep: 60, eval_ep: '[60]' }), '--resume=auto'];
  const running = start(args);
  await running.line(/"step":3,/);
  running.child.kill('SIGINT');
  const stopped = await running.outcome;
  t.is(stopped.code, 130);
  t.regex(stopped.stderr, /Resume with: npx horoball train --resume \S*folder-hybrid-1$/m);
  const resumed = await horoball(args);
  t.is(resumed.code, 0, resumed.stderr);
  t.regex(resumed.stderr, /Resuming .*folder-hybrid-1 after step \d+\./);
  const steps = resumed.rows().filter(({ type }) => type === 'step');
  const goingOn = resumed.rows().find(({ type }) => type === 'resume')!;
  t.is(steps[0]!['step'], (goingOn['step'] as number) + 1);
  const text = await readFile(join(runs, 'folder-hybrid-1', 'metrics.jsonl'), 'utf8');
  const logged = [...text.matchAll(/"type":"step","step":(\d+)/g)].map((match) => Number(match[1]));
  t.deepEqual(
    logged,
    Array.from({ length: 60 }, (_, i) => i + 1),
  );
  const other = await horoball(['train', `--resume=${join(runs, 'folder-hybrid-1')}`, '--lr=1']);
  t.is(other.code, 2);
  t.regex(
    other.stderr,
    /lr: expected 0\.0003, the value that the run .* started with, got 1\. Omit the option, or start a new run/,
  );
});

test('all geometries run, and a report shows them side by side', async (t) => {
  const { root, images } = t.context;
  const runs = join(root, 'runs-geometries');
  const folders: string[] = [];
  for (const geometry of trainedGeometries) {
    const outcome = await horoball(command(images, runs, { geometry, eval_ep: '[24]', name: geometry }));
    t.is(outcome.code, 0, outcome.stderr);
    folders.push(join(runs, geometry));
  }
  const report = await horoball(['report', ...folders, '--json']);
  t.is(report.code, 0, report.stderr);
  t.deepEqual(
    report.rows().map(({ geometry }) => geometry),
    [...trainedGeometries],
  );
  t.regex(report.stderr, /euclidean: head, hyperbolic distance +\d/);
  t.true((await readdir(runs)).includes('comparison.html'));
  const out = join(runs, 'one.html');
  const one = await horoball(['report', folders[0]!, '--out', out]);
  t.is(one.code, 0, one.stderr);
  t.is(await readFile(out, 'utf8'), await readFile(join(folders[0]!, 'report.html'), 'utf8'));
});

test('dashes and underscores are interchangeable; a wrong option or value exits with 2', async (t) => {
  const { root, images } = t.context;
  const runs = join(root, 'runs-usage');
  const dashed = await horoball([
    'train',
    '--ds=folder',
    `--path=${images}`,
    '--num-samples=1',
    `--runs=${runs}`,
  ]);
  await refused(t, dashed, 2, /num_samples: expected an integer of at least 2, got '1'/, runs);
  const unknown = await horoball(['train', '--banana=1']);
  t.is(unknown.code, 2);
  t.regex(unknown.stderr, /unknown option '--banana=1'|unknown option '--banana'/);
  const model = await horoball(command(images, runs, { model: 'resnet50' }));
  await refused(
    t,
    model,
    2,
    /model: expected the name of a vision transformer, got 'resnet50'\. Other networks are not supported/,
    runs,
  );
  const data = await horoball(command(images, runs, { ds: 'birds' }));
  await refused(t, data, 2, /ds: expected one of shapes, folder, csv, CUB.*, got 'birds'/, runs);
});

test('a missing folder, an empty one, an empty class and a batch that is too large each cause a one-sentence error', async (t) => {
  const { root, images } = t.context;
  const runs = join(root, 'runs-refused');
  await refused(
    t,
    await horoball(command(join(root, 'nowhere'), runs)),
    1,
    /nowhere, which does not exist/,
    runs,
  );
  const empty = join(root, 'empty');
  await mkdir(empty);
  await refused(
    t,
    await horoball(command(empty, runs)),
    1,
    /expected class folders, got none in .*empty/,
    runs,
  );
  const hollow = join(root, 'hollow');
  await writeImages(hollow, classNames(4), 2);
  await mkdir(join(hollow, 'class-02b'));
  await refused(
    t,
    await horoball(command(hollow, runs)),
    1,
    /images in the class folder .*class-02b, got none/,
    runs,
  );
  const large = await horoball(command(images, runs, { bs: 64 }));
  await refused(
    t,
    large,
    1,
    /\[train\] --bs: expected at most the 32 images of an epoch \(16 classes x 2 images\), got 64\. Use 32/,
    runs,
  );
});

test('a missing and an unusable libtorch each cause a one-sentence error with the command to run', async (t) => {
  const { root, images } = t.context;
  const runs = join(root, 'runs-torch');
  const none = await horoball(command(images, runs), { LIBTORCH: join(root, 'no-torch') });
  await refused(t, none, 1, /no-torch.*horoball setup/, runs);
  const fake = join(root, 'fake-torch');
  await mkdir(join(fake, 'lib'), { recursive: true });
  await writeFile(join(fake, 'lib', 'libtorch_cpu.so'), 'not a library');
  const wrong = await horoball(command(images, runs), { LIBTORCH: fake });
  await refused(t, wrong, 1, /fake-torch.*horoball setup/, runs);
});

test('a corrupt image is named, counted and skipped, unless strict; classes of one image are named', async (t) => {
  const { root } = t.context;
  const damaged = join(root, 'damaged');
  await writeImages(damaged, classNames(32), 4);
  // Two classes with one image each: in training, a batch contains the image twice; in the test set, it has no match.
  await writeImages(damaged, ['class-03b', 'class-30b'], 1);
  await writeFile(join(damaged, 'class-30', '1.jpg'), 'not an image');
  const runs = join(root, 'runs-damaged');
  const lenient = await horoball(command(damaged, runs, { ep: 2, eval_ep: '[2]', bs: 32 }));
  t.is(lenient.code, 0, lenient.stderr);
  t.regex(lenient.stderr, /skipped .*class-30.1\.jpg/);
  t.regex(lenient.stderr, /1 image could not be read/);
  t.regex(lenient.stderr, /class-03b/);
  t.regex(lenient.stderr, /class-30b/);
  const strict = await horoball([
    ...command(damaged, join(root, 'runs-strict'), { ep: 1, eval_ep: '[0]' }),
    '--strict',
  ]);
  t.is(strict.code, 1);
  t.regex(strict.stderr, /expected a readable image, got .*class-30.1\.jpg/);
  t.deepEqual(await readdir(join(root, 'runs-strict')), []);
});

test('Ctrl-C ends a run after its step and leaves a run that can be read, reported and evaluated', async (t) => {
  const { root, images } = t.context;
  const runs = join(root, 'runs-interrupted');
  const running = start(command(images, runs, { ep: 100_000, eval_ep: '[]' }));
  await running.line(/"step":3,/);
  running.child.kill('SIGINT');
  const outcome = await running.outcome;
  t.is(outcome.code, 130, outcome.stderr);
  const end = outcome.rows().at(-1)!;
  t.deepEqual([end['type'], end['interrupted']], ['end', true]);
  const folder = join(runs, 'folder-hybrid-1');
  const files = ['config.json', 'last.safetensors', 'metrics.jsonl', 'model.safetensors', 'report.html'];
  t.deepEqual(await filesOf(folder), files);
  t.is((await horoball(['report', folder])).code, 0);
  t.is((await horoball(['eval', folder])).code, 0);
});
