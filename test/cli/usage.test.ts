// What the commands say to who called them wrongly: people on stderr, programs on stdout.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type TestFn } from 'ava';
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
  [['eval'], 'ERR_HOROBALL_OPTION', /missing required argument 'run'/],
  [['bogus'], 'ERR_HOROBALL_OPTION', /unknown command 'bogus'/],
  [['weights', 'pull'], 'ERR_HOROBALL_OPTION', /missing required argument 'name-or-url'/],
];

for (const [args, code, sentence] of misused) {
  test(`${args.join(' ')} --json is an error for programs too`, async (t) => {
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
  [['eval', 'none'], 1, /^horoball: none is no run folder: there is no such folder$/],
  [['export', 'none'], 1, /^horoball: none is no run folder/],
  [['eval', 'package.json'], 1, /^horoball: package\.json is no run folder: it is a file$/],
  [['delta', 'lib'], 1, /^horoball: lib is no run folder: it has no config\.json$/],
  [['recipes', 'none'], 2, /\[recipes\] name: expected one of/],
  [['embed', '--out', 'x.npy', '--hyp_c', 'x'], 2, /\[embed\] hyp_c: expected/],
  [['start', '--lr', '0'], 2, /\[start\] lr: expected/],
  [['start', '--dashboard', 'x'], 2, /\[start\] dashboard: expected/],
  [['sweep', '--t', '0'], 2, /\[sweep\] t: expected/],
  [['sweep', '--seeds', '0'], 2, /\[sweep\] seeds: expected a whole number of at least 1, got '0'/],
  [['train', '--crop', '50'], 2, /\[train\] crop: expected a multiple of 8, .*got 50/],
  [['train', '--freeze', '99'], 2, /\[train\] freeze: expected at most the backbone's 4 blocks, got 99/],
  [['train', '--model', 'none'], 2, /\[train\] model: expected one of vit_nano/],
  [['train', '--path', 'birds'], 2, /\[train\] ds: expected the data set that birds holds, got none/],
  [['train', '--ds', 'CUB', '--path', '/no/birds', '--local_rank', '0'], 1, /^horoball: .*\/no\/birds/],
  [['train', '--local-rank', '1'], 2, /--local-rank.*'1' is invalid/],
  [['export', 'none', '--onnx', '/no/m.onnx'], 2, /\[export\] onnx: .*make \/no first/],
  [['report', '--explore', '--out', '/no/x.html'], 2, /\[report\] out: .*make \/no first/],
  [['report', '--explore', 'none'], 2, /\[report\] run: expected none beside --explore, .*got none$/],
  [['train', '--ds', 'nope'], 2, /^horoball: data set 'nope' is not known; the names are shapes, folder/],
  [
    ['bench', 'bogus'],
    2,
    /^horoball: \[bench\] what: expected one of core, train, compare, counts, got 'bogus' \(--only TEXT chooses suites of the core\)$/,
  ],
  [
    ['delta', 'x.npy', '--ds', 'CUB'],
    2,
    /\[delta\] ds: expected nothing, as x\.npy is a file of features, got CUB/,
  ],
  [['delta', 'x.npy', '--split', 'test'], 2, /\[delta\] split: expected nothing, as x\.npy is a file/],
  [['delta', 'x.npy', '--tensor', 'body'], 2, /\[delta\] tensor: expected nothing, as x\.npy has one array/],
  [['delta', '--distances'], 2, /\[delta\] distances: expected nothing, as the features are made/],
  [['help', 'trian'], 2, /^horoball: unknown command 'trian'\n\(Did you mean train\?\)/],
  [['trian', '--help'], 2, /^horoball: unknown command 'trian'/],
];

for (const [args, code, sentence] of refused) {
  test(`${args.join(' ')} names what was typed`, async (t) => {
    const outcome = await horoball(args);
    t.is(outcome.code, code, outcome.stderr);
    t.regex(outcome.stderr.trimEnd(), sentence);
  });
}

test('help on a command is its help, nested ones too', async (t) => {
  for (const words of [['train'], ['weights', 'pull']]) {
    const [asked, direct] = await Promise.all([horoball(['help', ...words]), horoball([...words, '--help'])]);
    t.deepEqual([asked.code, asked.stdout], [0, direct.stdout]);
    t.true(asked.stdout.startsWith(`Usage: horoball ${words.join(' ')} `));
  }
});

test('a run whose path leads nowhere from here says whose path it is', async (t) => {
  const run = join(t.context.root, 'moved');
  await mkdir(run);
  await writeFile(
    join(run, 'config.json'),
    JSON.stringify({ ds: 'folder', path: 'no-pictures', weights: null }),
  );
  for (const args of [
    ['eval', run],
    ['train', '--resume', run],
  ]) {
    const outcome = await horoball(args);
    t.is(outcome.code, 1);
    t.regex(outcome.stderr, /no-pictures does not exist; it comes from the run .*moved, and --path gives/);
  }
  const other = await horoball(['eval', run, '--path', 'elsewhere']);
  t.notRegex(other.stderr, /comes from the run/);
});

test('the report of a study goes nowhere else', async (t) => {
  const { root } = t.context;
  await writeFile(join(root, 'sweep.json'), '{}');
  const { code, stderr } = await horoball(['report', root, '--out', join(root, 'x.html')]);
  t.is(code, 2, stderr);
  t.regex(stderr, /\[report\] out: expected none for a study, .*got .*x\.html$/m);
});

test('start looks for the packages that read pictures before it sets up anything', async (t) => {
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
});

test('help says what is required, which backbones there are and how a CSV file looks', async (t) => {
  const help = async (...args: string[]): Promise<string> =>
    (await horoball([...args, '--help'])).stdout.replace(/\s+/g, ' ');
  const train = await help('train');
  t.regex(train, /--model <value> .*vit_nano, .*dino_vits16, .* or a JSON file/);
  t.regex(train, /--path <value> .*of csv the file, .*path,label,split/);
  t.regex(train, /--eval_ep <value> .*\(default \[100\], .*where --ep is given, the last of those\)/);
  t.regex(train, /--name <value> .*dashes and underscores/);
  t.regex(await help('embed'), /Usage: horoball embed \[options\] --out <file> \[run\]/);
  t.regex(await help('data', 'check'), /Usage: horoball data check \[options\] --path <folder> <name>/);
  const one = await horoball(['sweep', '--plan', '--seeds=1', '--t=0.1', '--geometry=euclidean']);
  t.regex(one.stderr, /^1 setting x 1 seed = 1 run, in /m);
});
