// How commands report wrong usage: text on stderr for people, JSON on stdout for programs.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type TestFn } from 'ava';
import { bytesPerImage } from '../../lib/train/run/chunk.ts';
import { temporary } from '../train/tiny-data.ts';
import { horoball } from './run.ts';

const test = ava as TestFn<{ root: string; remove(): Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = await temporary();
  t.context = { root: path, remove };
});
test.after.always((t) => t.context.remove());

const misused: [args: string[], code: string, sentence: RegExp][] = [
  [['train', '--epp', '3'], 'ERR_HOROBALL_CONFIG', /unknown option '--epp'/],
  [
    ['train', '--opt', 'lamb'],
    'ERR_HOROBALL_CONFIG',
    /unknown option '--opt'\. The optimizer is AdamW\. Its options are --lr, --weight_decay, [^?]*$/,
  ],
  [['sweep', '--amp'], 'ERR_HOROBALL_OPTION', /unknown option '--amp'\. Use --precision bfloat16\.$/m],
  [['train', '-b', '8'], 'ERR_HOROBALL_CONFIG', /unknown option '-b'\. Use --bs\.$/m],
  [['eval', '--img-size', '8'], 'ERR_HOROBALL_OPTION', /unknown option '--img-size'\. Use --crop \(/],
  [['eval', '--opt', 'lamb'], 'ERR_HOROBALL_OPTION', /unknown option '--opt'(?!\.)/],
  [['eval'], 'ERR_HOROBALL_OPTION', /expected a run folder or a backbone, got neither/],
  [['bogus'], 'ERR_HOROBALL_OPTION', /unknown command 'bogus'/],
  [['weights', 'pull'], 'ERR_HOROBALL_OPTION', /missing required argument 'name-or-url'/],
];

for (const [args, code, sentence] of misused) {
  test(`${args.join(' ')} --json reports the error as JSON, too`, async (t) => {
    const outcome = await horoball([...args, '--json']);
    t.is(outcome.code, 2);
    const [row, ...others] = outcome.rows();
    t.like(row, { type: 'error', code });
    t.regex(row!['message'] as string, sentence);
    t.deepEqual(others, []);
    t.true(outcome.stderr.startsWith('horoball: '));
    t.regex(outcome.stderr, sentence);
  });
}

const refused: [args: string[], code: number, sentence: RegExp][] = [
  [
    ['eval', 'none'],
    1,
    /^horoball: \[run\] path: expected a run folder, got none, which does not exist\. Pass/,
  ],
  [['export', 'none'], 1, /^horoball: \[run\] path: expected a run folder, got none/],
  [['eval', 'package.json'], 1, /expected a run folder, got package\.json, which is a file\./],
  [
    ['advise', 'lib'],
    2,
    /\[advise\] source: expected a \.npy or \.safetensors file, got lib\. To use a run, .*: npx horoball embed RUN /,
  ],
  [['delta', 'lib'], 1, /expected a run folder, got lib, which has no config\.json\./],
  [['recipes', 'none'], 2, /\[recipes\] name: expected one of/],
  [['embed', '--out', 'x.npy', '--hyp_c', 'x'], 2, /\[embed\] --hyp_c: expected/],
  [['start', '--lr', '0'], 2, /\[start\] --lr: expected/],
  [['start', '--dashboard', 'x'], 2, /\[start\] --dashboard: expected/],
  [['sweep', '--t', '0'], 2, /\[sweep\] --t: expected/],
  [['sweep', '--seeds', '0'], 2, /\[sweep\] --seeds: expected an integer of at least 1, got '0'/],
  [
    ['train', '--crop', '50'],
    2,
    /\[train\] --crop: expected a multiple of the backbone's patch size \(8\), got 50/,
  ],
  [['train', '--freeze', '99'], 2, /\[train\] --freeze: expected at most the backbone's 4 blocks, got 99/],
  [
    ['train', '--model', 'none'],
    2,
    /\[train\] --model: expected the name of a vision transformer, got 'none'\. /,
  ],
  [['train', '--model', 'dino_vits61'], 2, /The nearest names are dino_vits16, /],
  [
    ['export', '--model', 'vit_nano', '--weights', 'nofile.pth'],
    2,
    /\[export\] --weights: expected a file, got 'nofile\.pth', which does not exist\. Check the path\.$/,
  ],
  [
    ['export', '--model', 'vit_nano', '--weights', 'dino_vits61'],
    2,
    /\[export\] --weights: expected .*, got 'dino_vits61'\. The nearest names are dino_vits16, dino_vitb16, /,
  ],
  [['train', '--path', 'birds'], 2, /\[train\] --ds: expected the name of the data set in birds, got none/],
  [['train', '--ds', 'CUB', '--path', '/no/birds', '--local_rank', '0'], 1, /^horoball: .*\/no\/birds/],
  [
    ['train', '--local-rank', '1'],
    2,
    /\[train\] --local_rank: expected 0, because LOCAL_RANK is not set, got '1'\. Omit the option/,
  ],
  [['export', 'none', '--onnx', '/no/m.onnx'], 2, /\[export\] --onnx: .*Create \/no first/],
  [['report', '--explore', '--out', '/no/x.html'], 2, /\[report\] --out: .*Create \/no first/],
  [
    ['report', '--explore', 'none'],
    2,
    /\[report\] run: expected no run with --explore, .*got none\. Omit the run or --explore\.$/,
  ],
  [['train', '--ds', 'nope'], 2, /^horoball: \[data\] --ds: expected one of shapes, folder.*, got 'nope'$/],
  [
    ['bench', 'bogus'],
    2,
    /^horoball: \[bench\] benchmark: expected one of core, train, compare, counts, got 'bogus'\. To select suites of core, pass --only TEXT\.$/,
  ],
  [
    ['delta', 'x.npy', '--ds', 'CUB'],
    2,
    /\[delta\] --ds: expected no value because x\.npy is a file of features, got CUB/,
  ],
  [['delta', 'x.npy', '--split', 'test'], 2, /\[delta\] --split: expected no value because x\.npy is a file/],
  [
    ['delta', 'x.npy', '--tensor', 'body'],
    2,
    /\[delta\] --tensor: expected no value because x\.npy contains a single array/,
  ],
  [['delta', '--distances'], 2, /\[delta\] --distances: not allowed because the features are computed/],
  [['plan'], 2, /\[plan\] --batch: expected the total batch size, got none\. Pass --batch/],
  [['plan', '--bs', '8', '--batch', '8'], 2, /\[plan\] --batch: expected one value, got both/],
  [['plan', '--bs', '8', '--emb', '1.5'], 2, /\[plan\] --emb: expected an integer of at least 1, got '1\.5'/],
  [['plan', '--bs', '8', '--ranks', '1e300'], 2, /\[plan\] --ranks: expected an integer/],
  [['plan', '--bs', '8', '--rate', '1e-300'], 2, /\[plan\] --rate: expected a number of at least 0\.000001/],
  [
    ['plan', '--bs', '8', '--crop', '225'],
    2,
    /\[plan\] --crop: expected a multiple of the .*\(16\), got 225/,
  ],
  [['plan', '--bs', '0'], 2, /\[plan\] --bs: expected a number of at least 1, got '0'/],
  [['help', 'trian'], 2, /^horoball: unknown command 'trian'\n\(Did you mean train\?\)/],
  [['trian', '--help'], 2, /^horoball: unknown command 'trian'/],
];

for (const [args, code, sentence] of refused) {
  test(`${args.join(' ')} names the argument that was typed`, async (t) => {
    const outcome = await horoball(args);
    t.is(outcome.code, code, outcome.stderr);
    t.regex(outcome.stderr.trimEnd(), sentence);
  });
}

test('plan estimates the memory of one process without a measured rate', async (t) => {
  const model = ['plan', '--model', 'vit_small_patch16_224'];
  const half = await horoball([...model, '--bs', '256', '--precision', 'bfloat16']);
  t.is(half.code, 0, half.stderr);
  t.regex(
    half.stdout,
    /activations of 256 images in float32; bfloat16 should need less on a GPU +14\.6 GB$/m,
  );
  t.regex(half.stdout, /in total +14\.9 GB$/m);
  t.notRegex(half.stdout, /NaN|throughput|sent per process/);
  const [row] = (await horoball([...model, '--batch', '900', '--chunk', '20', '--json'])).rows();
  const image = bytesPerImage({ model: 'vit_small_patch16_224', crop: 224 });
  t.like(row, { ranks: 1, batch: 900, crop: 224, activationBytes: 20 * image, worstRate: null });
  const ranks = await horoball([...model, '--bs', '512', '--ranks', '2', '--rate', '100']);
  t.regex(ranks.stdout, /activations of 256 images in float32 +14\.6 GB$/m);
  t.regex(ranks.stdout, /^throughput +\d+ to \d+ images\/s$/m);
});

test('help COMMAND shows the help of the command, also of nested commands', async (t) => {
  for (const words of [['train'], ['weights', 'pull']]) {
    const [asked, direct] = await Promise.all([horoball(['help', ...words]), horoball([...words, '--help'])]);
    t.deepEqual([asked.code, asked.stdout], [0, direct.stdout]);
    t.true(asked.stdout.startsWith(`Usage: horoball ${words.join(' ')} `));
  }
});

test("an error about a run's missing data path names the run", async (t) => {
  const run = join(t.context.root, 'moved');
  await mkdir(run);
  await writeFile(
    join(run, 'config.json'),
    JSON.stringify({ ds: 'folder', path: 'no-images', weights: null }),
  );
  for (const args of [
    ['eval', run],
    ['train', '--resume', run],
  ]) {
    const outcome = await horoball(args);
    t.is(outcome.code, 1);
    t.regex(
      outcome.stderr,
      /\[(eval|train)\] --path: expected the data of the run .*moved, got .*no-images, which does not exist\. Pass /,
    );
  }
  const other = await horoball(['eval', run, '--path', 'elsewhere']);
  t.notRegex(other.stderr, /of the run/);
});

test('a run without weights is an error that says how to continue', async (t) => {
  const { root } = t.context;
  const run = join(root, 'unfinished');
  await mkdir(join(root, 'images'));
  await mkdir(run);
  const config = { ds: 'folder', path: join(root, 'images'), weights: null };
  await writeFile(join(run, 'config.json'), JSON.stringify(config));
  for (const args of [
    ['eval', run],
    ['embed', run, '--out', join(root, 'x.npy')],
  ]) {
    const { code, stderr } = await horoball(args);
    t.is(code, 1);
    t.regex(
      stderr,
      /expected a run with final weights, got \S+unfinished without model\.safetensors: .*--resume/,
    );
  }
});

test('--out is rejected for the report of a study', async (t) => {
  const { root } = t.context;
  await writeFile(join(root, 'sweep.json'), '{}');
  const { code, stderr } = await horoball(['report', root, '--out', join(root, 'x.html')]);
  t.is(code, 2, stderr);
  t.regex(
    stderr,
    /\[report\] --out: expected no value for a study, got .*x\.html\. Its report is .* Omit --out\.$/m,
  );
});

test('start checks the image packages before setting anything up', async (t) => {
  const module = (text: string): string => `data:text/javascript,${encodeURIComponent(text)}`;
  const hook = `export async function resolve(name, context, next) {
    if (name === 'sharp') throw new Error('gone');
    return next(name, context);
  }`;
  const hooked = module(`import { register } from 'node:module'; register(${JSON.stringify(module(hook))});`);
  const env = {
    NODE_OPTIONS: `--import="${hooked}"`,
    LIBTORCH: join(t.context.root, 'no-torch'),
  };
  const outcome = await horoball(['start', '--json'], env);
  t.is(outcome.rows()[0]!['code'], 'ERR_HOROBALL_NO_DECODER', outcome.stderr);
  const doctor = await horoball(['doctor'], env);
  t.is(doctor.code, 1);
  t.regex(doctor.stdout, /^images +only BMP, PBM, PGM and PPM\. JPEG, PNG, .* require the package sharp/m);
});

test('doctor and the guide name the same image formats', async (t) => {
  const { stdout } = await horoball(['doctor'], { LIBTORCH: join(t.context.root, 'no-torch') });
  const found = /^images +(.+)$/m.exec(stdout)![1]!;
  const formats = (text: string): string[] =>
    [...new Set(text.match(/\b(JPEG|PNG|WebP|[A-Z]{3,4})\b/g))].sort();
  const guide = await readFile(new URL('../../../lib/guide/start.md', import.meta.url), 'utf8');
  const [sentence] = /Images are JPEG[^.]*(?:\.gif[^.]*)?\./.exec(guide)!;
  t.deepEqual(formats(sentence), formats(found));
  t.true(formats(found).includes('GIF'), found);
  t.regex(
    found,
    /TIFF with sharp \S+; BMP, PBM, PGM and PPM built in; GIF with sharp, but data sets ignore it/,
  );
});

test('help lists required options, the backbones and the format of a CSV file', async (t) => {
  const help = async (...args: string[]): Promise<string> =>
    (await horoball([...args, '--help'])).stdout.replace(/\s+/g, ' ');
  const train = await help('train');
  t.regex(train, /--model <value> .*vit_nano, .*dino_vits16, .* or a JSON file/);
  t.regex(train, /--path <value> .*for csv, a file .*path,label,split/);
  t.regex(
    train,
    /--eval_ep <value> .*\(default 0 and about ten evenly spaced epochs; r.* with --ds shapes if --ep is not given; the last epoch with --compat hypmix/,
  );
  t.regex(train, /--name <value> .*dashes and underscores/);
  t.regex(
    train,
    /--save_every <value> .* None writes none\. Value in seconds: a number of at least 0, or None \(/,
  );
  t.regex(train, /--num_samples <value> .*published default; 4 with --ds shapes\)/);
  t.regex(train, /data wait is the percentage of the time of a step/);
  t.regex(train, /saturated distances are at or above 12\.206 \/ sqrt\(c\)/);
  t.regex(
    await help('sweep'),
    /in brackets: --rand_augment \[2,9\]\. Each name in --learn is a separate setting;/,
  );
  t.regex(await help('search'), /--output <name> .*feature\. Value: hyperbolic, cosine or body \(default/);
  t.regex(
    train,
    /The "published code" is that of HypMix and Hyp-ViT, and a "published default" is a default of its/,
  );
  t.regex(train, / Aliases: --batch-size for --bs, .*--epochs for --ep, .*Examples: /);
  t.regex(train, /--seed <value> random seed of weight initialization, sample order/);
  t.regex(await help('delta'), /--seed <value> seed of the random subsets.* \(default 0 for the subsets; /);
  t.regex(
    await help('embed'),
    /--weights <value> weights of the backbone; .*--seed <value> [^-]* not loaded/,
  );
  t.regex(await help('export'), /--weights <value> weights of the backbone[^-]* or 'auto' \(default auto\)/);
  t.notRegex(await help('export'), /"published default"/);
  t.regex(await help('embed'), /Usage: horoball embed \[options\] --out <file> \[run\]/);
  t.regex(await help('data', 'check'), /Usage: horoball data check \[options\] --path <folder> <name>/);
  const one = await horoball(['sweep', '--plan', '--seeds=1', '--t=0.1', '--geometry=euclidean']);
  t.regex(one.stderr, /^1 run: 1 setting x 1 seed, in /m);
});
