// Runs the published commands word for word on miniature data sets in the published formats. Appended options shorten
// the runs: two epochs, batches of two classes, a network of two layers.
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava, { type ExecutionContext, type TestFn } from 'ava';
import { readNpy, writeNpy } from '../../lib/io/npy.ts';
import { readSafetensors, writeSafetensors } from '../../lib/io/safetensors.ts';
import { overrideOptions, publishedDefaults } from '../../lib/train/options/resolve.ts';
import { lockRun } from '../../lib/train/run/lock.ts';
import { networkError, statedError } from '../tolerances.ts';
import { makeCars, makeCub, makeInshop, makeSop, perClass } from '../train/data/trees.ts';
import { temporary } from '../train/tiny-data.ts';
import { horoball, start } from './run.ts';

const test = ava as TestFn<{ root: string; model: string; remove(): Promise<void> }>;

const published =
  'train --ds CUB --path DATA --model vit_small_patch16_224 --num_samples 9 --lr 3e-5 --ep 50 --eval_ep [50] ' +
  '--resize 256 --seed 42 --hyp_c 0.1 --t_e 0.05 --t_h 0.2 --lam 3 --background drop';

test.before(async (t) => {
  const { path, remove } = await temporary();
  t.context = { root: path, model: join(path, 'tiny.json'), remove };
  const tiny = { img_size: 224, patch_size: 32, embed_dim: 24, depth: 2, num_heads: 2 };
  await writeFile(t.context.model, JSON.stringify(tiny));
});
test.after.always((t) => t.context.remove());

const formats = {
  CUB: { make: makeCub, ks: [1, 2, 4, 8, 16, 32], pictures: 2 * perClass },
  Cars: { make: makeCars, ks: [1, 2, 4, 8, 16, 32], pictures: 2 * perClass },
  SOP: { make: makeSop, ks: [1, 10, 100, 1000], pictures: 2 * perClass },
  Inshop: { make: makeInshop, ks: [1, 10, 20, 30, 40, 50], pictures: 2 * perClass },
};

for (const [ds, { make, ks, pictures }] of Object.entries(formats)) {
  test(`${ds}: the published command trains for two epochs and evaluates by the data set's protocol`, async (t) => {
    const { root, model } = t.context;
    const data = join(root, ds);
    await make(data);
    const verbatim = published.replace('DATA', data).split(' ');
    const small = ['--ds', ds, '--model', model, '--bs', '18', '--ep', '2', '--eval_ep', '[2]'];
    const ours = [
      '--threads',
      '1',
      '--runs',
      join(root, 'runs', ds),
      '--name',
      'run',
      '--save_emb',
      '--json',
    ];
    const outcome = await horoball([...verbatim, ...small, ...ours]);
    t.is(outcome.code, 0, outcome.stderr);
    const rows = outcome.rows();
    const config = rows.find(({ type }) => type === 'config')!;
    t.like(config, { resize: 256, crop: 224, t_e: 0.05, lam: 3, lr: 3e-5, clip_r: 2.3, freeze: 0, emb: 128 });
    t.is(rows.filter(({ type }) => type === 'step').length, 2);
    const evaluation = rows.find(({ type }) => type === 'evaluation') as unknown as {
      pictures: number;
      spaces: Record<string, { at: Record<string, number>; mapAtR: number }>;
    };
    t.is(evaluation.pictures, pictures);
    t.deepEqual(Object.keys(evaluation.spaces).sort(), ['body', 'cosine', 'fused', 'hyperbolic']);
    for (const { at, mapAtR } of Object.values(evaluation.spaces)) {
      t.deepEqual(Object.keys(at).map(Number), ks);
      t.true(mapAtR >= 0 && mapAtR <= 1 && at[ks.at(-1)!] === 1); // recall is 1 for the largest k, which exceeds the gallery's size
    }
    t.regex(outcome.stderr, /instead of the published .*: results are not comparable/);

    const run = join(root, 'runs', ds, 'run');
    const { tensors, metadata } = await readSafetensors(join(run, 'emb_eval.safetensors'));
    const tested = ds === 'Inshop' ? 4 : pictures; // In-shop saves only the gallery
    t.deepEqual(tensors.get('hyperbolic')!.shape, [tested, 128]);
    t.is((JSON.parse(metadata['paths']!) as string[]).length, tested);
    const trained = await readSafetensors(join(run, 'emb_train.safetensors'));
    t.deepEqual(trained.tensors.get('body')!.shape, [2 * perClass, 24]);
    if (ds === 'CUB') await evaluatedAgain(t, run);
  });
}

/**
 * Tests that an evaluation writes embeddings only if requested, even if the run was configured to write them, and only while
 * it holds the run's lock.
 */
async function evaluatedAgain(t: ExecutionContext, run: string): Promise<void> {
  const file = join(run, 'emb_eval.safetensors');
  await rm(file);
  for (const [options, written] of [[[], false] as const, [['--save_emb'], true] as const]) {
    const { code, stderr } = await horoball(['eval', run, '--threads', '1', ...options]);
    t.is(code, 0, stderr);
    t.is(existsSync(file), written);
  }
  await rm(file);
  const robbed = start(['eval', run, '--threads', '1', '--save_emb']);
  await robbed.line(/test: \d+ images/);
  await rm(join(run, '.training'));
  const lost = await robbed.outcome;
  t.is(lost.code, 1);
  t.regex(
    lost.stderr,
    /\[eval\] --save_emb: expected exclusive use of .*, but its lock was moved or deleted\. Run the command again/,
  );
  t.false(existsSync(file));
  await using _ = await lockRun(run);
  const { code, stderr } = await horoball(['eval', run, '--threads', '1', '--save_emb']);
  t.is(code, 1);
  t.regex(stderr, /\[eval\] --save_emb: expected a run folder that is not in use, got .*: process \d+ is/);
}

test('eval --fuse evaluates two runs together, per query; embed writes embeddings, and delta measures them', async (t) => {
  const { root, model } = t.context;
  const data = join(root, 'again');
  await makeInshop(data);
  const runs = join(root, 'runs', 'pair');
  const options = ['--ds', 'Inshop', '--path', data, '--model', model, '--num_samples', '2', '--bs', '4'];
  for (const name of ['one', 'two']) {
    const own = ['--seed', name === 'one' ? '1' : '2', '--ep', '1', '--threads', '1'];
    const evaluated = ['--eval_ep', name === 'one' ? '[50]' : '[]'];
    const made = await horoball(['train', ...options, ...own, ...evaluated, '--runs', runs, '--name', name]);
    t.is(made.code, 0, made.stderr);
    const note = /Note: eval_ep \[50\] contains no epoch up to ep \(1\), so this run is not evaluated\./;
    t.is(note.test(made.stderr), name === 'one', made.stderr);
  }
  const [one, two] = [join(runs, 'one'), join(runs, 'two')];
  const queries = join(root, 'queries.jsonl');
  const found = await horoball(['eval', one, '--fuse', two, '--per-query', queries, '--json']);
  t.is(found.code, 0, found.stderr);
  const evaluation = found.rows().find(({ type }) => type === 'evaluation') as { fusedRuns: { at: object } };
  t.deepEqual(Object.keys(evaluation.fusedRuns.at), ['1', '10', '20', '30', '40', '50']);
  t.regex(found.stderr, /Fused with .*two/);
  t.regex(found.stderr, /Note: .* of In-shop .* results are not comparable\./);
  const lines = (await readFile(queries, 'utf8')).trimEnd().split('\n');
  t.is(lines.length, 2); // queries of the miniature data set
  const first = JSON.parse(lines[0]!) as { picture: string; body: { rank: number; nearest: string } };
  t.regex(first.picture, /06_1_front side\.jpg$/);
  t.true(first.body.rank >= 1 && first.body.nearest.endsWith('.jpg'));

  const npy = join(root, 'gallery.npy');
  const embedded = await horoball(['embed', one, '--split', 'gallery', '--out', npy, '--json']);
  t.is(embedded.code, 0, embedded.stderr);
  t.like(embedded.rows()[0], { type: 'embeddings', rows: 4, outputs: ['hyperbolic'] });
  t.deepEqual((await readNpy(npy)).shape, [4, 128]);
  t.deepEqual([...(await readNpy(join(root, 'gallery.labels.npy'))).data], [0, 0, 1, 1]);
  const about = JSON.parse(await readFile(join(root, 'gallery.json'), 'utf8')) as Record<string, unknown>;
  t.like(about, { split: 'gallery', output: 'hyperbolic', classes: ['id_00000003', 'id_000000010'] });
  const whole = join(root, 'all.safetensors');
  const all = await horoball(['embed', one, '--split', 'all', '--out', whole]);
  t.is(all.code, 0, all.stderr);
  const { tensors } = await readSafetensors(whole);
  t.deepEqual([...tensors.keys()].sort(), ['body', 'cosine', 'hyperbolic', 'labels']);
  const unit = tensors.get('cosine')!.data as Float32Array;
  t.true(Math.abs(Math.hypot(...unit.subarray(0, 128)) - 1) < networkError.unit);
  t.deepEqual([...tensors.get('labels')!.data], [0, 0, 0, 1, 1, 1, 2, 3, 2, 2, 3, 3]);

  const delta = await horoball(['delta', whole, '--json']);
  t.is(delta.code, 0, delta.stderr);
  const measured = delta.rows()[0] as Record<string, number>;
  t.like(measured, { type: 'delta', rows: 12, cols: 24 }); // 6 training images, 2 queries, 4 in the gallery
  t.true(Math.abs(measured['suggestedC']! - (0.144 / measured['relative']!) ** 2) < statedError.curvature);
  const direct = await horoball(['delta', one, '--split', 'all', '--json']);
  t.is(direct.code, 0, direct.stderr);
  t.is(direct.rows()[0]!['relative'], measured['relative']);
  const backbone = await horoball([
    'delta',
    ...options.slice(0, 6),
    '--seed',
    '1',
    '--samples',
    '3',
    '--size',
    '4',
    '--json',
  ]);
  t.is(backbone.code, 0, backbone.stderr);
  t.like(backbone.rows()[0], { rows: 6, cols: 24, size: 4 });
});

test('delta suggests no c for equal features', async (t) => {
  const file = join(t.context.root, 'equal.npy');
  await writeNpy(file, new Float32Array(10), [5, 2]);
  const { code, stderr } = await horoball(['delta', file]);
  t.is(code, 0, stderr);
  t.regex(stderr, /No c suggested: delta is 0, because the features are all equal or form an exact tree\./);
  t.notRegex(stderr, /Infinity/);
});

test('invalid inputs of embed and delta are rejected in one sentence', async (t) => {
  const { root, model } = t.context;
  await writeNpy(join(root, 'three.npy'), new Float32Array(6), [3, 2]);
  const features = { shape: [4, 2], data: new Float32Array(8) };
  await writeSafetensors(join(root, 'features.safetensors'), { features });
  const cases: [string[], number, RegExp][] = [
    [['embed', root, '--out', join(root, 'no', 'x.npy')], 2, /out: expected a file in an existing folder/],
    [
      ['eval', root, '--per-query', join(root, 'no', 'x')],
      2,
      /per-query: expected a file in an existing folder/,
    ],
    [['delta', join(root, 'three.npy')], 1, /expected at least 4 rows.*got 3/],
    [['embed', '--out', 'x.csv'], 2, /out: expected a file that ends in \.safetensors or \.npy/],
    [['embed', '--out', 'x.npy', '--output', 'all'], 2, /one output for a \.npy file/],
    [['embed', join(root, 'nowhere'), '--out', 'x.npy'], 1, /expected a run folder, got .*nowhere/],
    [['delta', join(root, 'nothing.npy')], 1, /nothing\.npy: no such file or folder\. Check the path\.$/m],
    [['delta', model], 2, /expected a \.npy or \.safetensors file or a run folder/],
    [
      ['delta', join(root, 'features.safetensors')],
      2,
      /expected a file with the tensor 'body' \(the default\), got \S+ without it\. Pass --tensor with one of: features$/m,
    ],
    [
      ['delta', join(root, 'features.safetensors'), '--tensor', 'x'],
      2,
      /tensor: expected one of features, got x$/m,
    ],
    [['delta', '--size', 'x'], 2, /size: expected an integer/],
    [
      ['embed', root, '--out', 'x.npy', '--weights', 'y'],
      2,
      /weights: expected no value because .* has its own, got y/,
    ],
    [['delta', root, '--model', 'vit_tiny'], 2, /model: expected no value because .* has its own/],
    [['data', 'check', 'birds', '--path', root], 2, /ds: expected one of .*, got 'birds'/],
    [['train', '--recipe', 'banana'], 2, /recipe: expected one of hypmix-cub-vit/],
  ];
  for (const [args, code, message] of cases) {
    const outcome = await horoball(args);
    t.is(outcome.code, code, outcome.stderr);
    t.regex(outcome.stderr, message);
    t.is(outcome.stderr.trimEnd().split('\n').length, 1, outcome.stderr);
  }
});

test('help lists only options that have an effect, and says which defaults come from the run', async (t) => {
  const [evaluating, embedding, training] = await Promise.all(
    ['eval', 'embed', 'train'].map(async (name) => {
      const { code, stdout } = await horoball([name, '--help']);
      t.is(code, 0);
      return stdout.replace(/\s+/g, ' ');
    }),
  );
  t.regex(
    evaluating!,
    /--t_h <value> temperature of the hyperbolic distance\. Value: a number above 0 \(default the run's; without a run 0\.2, also the published default\)/,
  );
  t.regex(
    embedding!,
    /--model <value> .*\(default the run's; without a run dino_vits16, also the published default;/,
  );
  t.regex(training!, /--t_h <value> .*\(default 0\.2, also the published default\)/);
  for (const name of Object.keys(publishedDefaults)) t.regex(training!, new RegExp(` --${name} `));
  for (const idle of ['--lr', '--ep', '--bs', '--num_samples', '--runs', '--chunk']) {
    t.regex(training!, new RegExp(` ${idle} `));
    for (const help of [evaluating!, embedding!]) t.notRegex(help, new RegExp(` ${idle} `));
  }
  const refused = await horoball(['eval', 'run', '--lr', '1']);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /unknown option '--lr'/);
});

test('--t on the command line overrides both temperatures of a recipe or file', (t) => {
  const recipe = { t_e: 0.05, t_h: 0.2, lam: 0.3 };
  t.deepEqual(overrideOptions(recipe, { t: '0.1' }), { lam: 0.3, t: '0.1' });
  t.deepEqual(overrideOptions(recipe, { t: '0.1', t_h: '1' }), { lam: 0.3, t: '0.1', t_h: '1' });
  t.deepEqual(overrideOptions(recipe, { t: null, lam: 1 }), { ...recipe, t: null, lam: 1 });
});

test('a reader that closes the pipe early, such as head, changes only the exit code', async (t) => {
  const { child, outcome } = start(['train', '--help']);
  child.stdout!.destroy();
  const { code, stderr } = await outcome;
  t.deepEqual([code, stderr], [141, '']);
});

test('the recipes are the published commands and our settings', async (t) => {
  const outcome = await horoball(['recipes', '--json']);
  t.is(outcome.code, 0, outcome.stderr);
  const rows = outcome.rows() as {
    name: string;
    command: string;
    resolved: object;
    recallAt1: number | null;
  }[];
  t.is(rows.length, 15);
  const command = published.replace('train --ds CUB --path DATA', 'npx horoball train --path DATA --ds CUB');
  t.is(rows[0]!.command, command.replace('[50]', '"[50]"'));
  t.like(rows.find(({ name }) => name === 'hypvit-cars-dino')!.resolved, {
    bs: 882,
    lr: 1e-5,
    geometry: 'hyperbolic',
  });
  t.deepEqual(
    rows.filter(({ recallAt1 }) => recallAt1 !== null).map(({ recallAt1 }) => recallAt1),
    [85.6, 80.9, 86.5, 89.2, 85.9, 85.1, 92.5, 92.4],
  );
  const own = rows.find(({ name }) => name === 'emoji')!;
  t.like(own, { recallAt1: null, resolved: { ds: 'emoji', path: 'data', weights: null, freeze: null } });
  t.regex(own.command, /^npx horoball train --ds emoji .*--freeze None/);
  t.regex((await horoball(['recipes', 'emoji'])).stdout, /half\s+an\s+hour\s.*not\s+from\s+a\s+paper/s);
  const proxies = (await horoball(['recipes', 'proxy-anchor-cub-vit'])).stdout;
  t.regex(
    proxies,
    /^npx horoball train --path DATA --ds CUB .*\n\nThese settings are adapted from .*Proxy-Anchor/,
  );
  t.notRegex(proxies, /half\s+an\s+hour/);
  const one = await horoball(['recipes', 'hypmix-cub-vit']);
  t.regex(one.stdout, /clip_r +2\.3/);
  t.regex(one.stdout, /cache +None/);
});
