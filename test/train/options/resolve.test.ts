import test from 'ava';
import type { RunConfig } from '../../../lib/train/options/options.ts';
import { findRecipe, recipes } from '../../../lib/train/options/recipes.ts';
import {
  learnableNames,
  overrideOptions,
  parseConfig,
  publishedDefaults,
} from '../../../lib/train/options/resolve.ts';

const folder = { ds: 'folder', path: 'somewhere' };

test('by default, uses the built-in data set and its preset', (t) => {
  const config = parseConfig();
  t.is(config.ds, 'shapes');
  t.is(config.model, 'vit_nano');
  t.is(config.bs % config.num_samples, 0);
});

test('for other data sets, uses the published defaults', (t) => {
  t.deepEqual(parseConfig(folder), { ...publishedDefaults, ...folder });
});

test('accepts values as text, as on a command line', (t) => {
  const config = parseConfig({
    ...folder,
    num_samples: '9',
    bs: '900',
    lr: '3e-5',
    clip_r: 'None',
    t_h: '0.2',
  });
  t.is(config.num_samples, 9);
  t.is(config.lr, 3e-5);
  t.is(config.clip_r, null);
  t.is(config.t_h, 0.2);
});

test('t sets both temperatures, except those that are given', (t) => {
  const both = parseConfig({ ...folder, t: '0.3' });
  t.deepEqual([both.t_e, both.t_h], [0.3, 0.3]);
  const one = parseConfig({ ...folder, t: 0.3, t_h: 0.7 });
  t.deepEqual([one.t_e, one.t_h], [0.3, 0.7]);
});

test('a complete configuration is unchanged after writing and reading', (t) => {
  const config = parseConfig({ t: 0.3, clip_r: null, runs: null, freeze: 2, seed: 7 });
  t.deepEqual(parseConfig(JSON.parse(JSON.stringify(config)) as Record<string, unknown>), config);
});

test('the alpha channel is dropped with compat hypmix and in the published recipes', (t) => {
  t.is(parseConfig(folder).background, 'white');
  t.is(parseConfig({ ...folder, compat: 'hypmix' }).background, 'drop');
  t.is(parseConfig({ ...folder, compat: 'hypmix', background: 'black' }).background, 'black');
  for (const { options } of recipes)
    t.is(parseConfig(options).background, options.ds === 'emoji' ? 'white' : 'drop');
});

test('evaluates about ten epochs if only ep is given, and only the last one with compat hypmix', (t) => {
  t.is(parseConfig(folder).eval_ep, 'r(0,101,10)');
  t.is(parseConfig({ ...folder, ep: 7 }).eval_ep, 'r(8)');
  t.is(parseConfig({ ds: 'shapes', ep: '40' }).eval_ep, 'r(0,41,4)');
  t.is(parseConfig({ ...folder, ep: 7, eval_ep: '[]' }).eval_ep, '[]');
  t.is(parseConfig({ ...folder, compat: 'hypmix' }).eval_ep, '[100]');
  t.is(parseConfig({ ...folder, compat: 'hypmix', ep: 7 }).eval_ep, '[7]');
  t.is(parseConfig({ ds: 'shapes', compat: 'hypmix' }).eval_ep, '[180]');
});

test('accepts names and values of other tools', (t) => {
  t.is(parseConfig({ precision: 'bf16' }).precision, 'bfloat16');
  t.is(parseConfig({ precision: 'fp16' }).precision, 'float16');
  t.throws(() => parseConfig({ precision: 'constructor' }), { message: /precision: expected 'float32'/ });
  t.throws(() => parseConfig({ batch_size: 8 }), { message: /got 'batch_size'\. Use bs\./ });
});

test('the number of epochs overrides those that a recipe evaluates', (t) => {
  const { options } = findRecipe('emoji');
  t.is(parseConfig(overrideOptions(options, {})).eval_ep, 'r(0,151,15)');
  t.is(parseConfig(overrideOptions(options, { ep: 8 })).eval_ep, 'r(9)');
  t.is(parseConfig(overrideOptions(options, { ep: 8, eval_ep: '[2]' })).eval_ep, '[2]');
  t.is(parseConfig(overrideOptions(options, { lr: 1 })).eval_ep, 'r(0,151,15)');
  const published = findRecipe('hypmix-cub-vit').options;
  t.is(parseConfig(overrideOptions(published, { ep: 8 })).eval_ep, '[8]');
  t.is(parseConfig(overrideOptions(published, { ep: '8' })).eval_ep, '[8]');
});

const wrong: [keyof RunConfig | 'banana', unknown, RegExp][] = [
  ['banana', 1, /expected the name of a run option, got 'banana'/],
  ['num_samples', 1, /num_samples: expected an integer of at least 2, got 1/],
  ['num_samples', 'x', /num_samples: expected an integer of at least 2, got 'x'/],
  ['num_samples', '', /num_samples/],
  ['lr', 0, /lr: expected a number above 0, got 0/],
  ['lr', Number.NaN, /lr/],
  ['lr', Number.POSITIVE_INFINITY, /lr/],
  ['hyp_c', '-1', /hyp_c/],
  ['clip_r', '0', /clip_r: expected a number above 0, or None, got '0'/],
  ['geometry', 'flat', /geometry: expected 'hybrid', 'euclidean', .* or '\w+', got 'flat'/],
  ['eval_ep', 'process.exit()', /eval_ep: expected a list/],
  ['crop_scale', 1.5, /crop_scale/],
  ['background', 'gray', /background: expected 'white', 'black' or 'drop', got 'gray'/],
  ['max_pixels', 0, /max_pixels: expected an integer of at least 1, got 0/],
  ['device', 'gpu', /device/],
  ['name', '../up', /name/],
  ['strict', 'yes', /strict: expected true or false/],
  ['bs', 10, /bs: expected a multiple of num_samples \(4\), got 10\. Use 8 or 12\.$/],
  ['bs', 4, /bs: expected at least 8 images \(two classes of 4\), got 4\. Increase bs/],
  [
    'name',
    '.foo',
    /name: expected 1 to 255 letters, .* starting with a letter, digit or underscore, or None, got/,
  ],
  ['resize', 32, /resize: expected at least crop/],
  ['precision', 'half', /precision: expected 'float32', 'bfloat16' or 'float16', got 'half'/],
  ['ema', 1, /ema: expected a number of at least 0 and below 1, or None, got 1/],
  ['layer_decay', 0, /layer_decay: expected a number above 0 and at most 1/],
  ['learn', 'lam', /learn: expected one or more of t_e, t_h, hyp_c, separated by commas, or None, got 'lam'/],
  ['learn', 't_e,t_e', /learn: expected one or more of/],
  ['learn_range', 1, /learn_range: expected a number above 1/],
  [
    'tree',
    'levels+levels',
    /tree: expected levels, cones, radius or a sum such as levels\+cones\+radius, or None/,
  ],
  ['tree', 'leaves', /tree: expected levels, cones, radius or a sum/],
  ['tree_t', 0, /tree_t: expected a number above 0/],
  ['chunk', 0, /chunk: expected an integer of at least 1, or None/],
  ['memory', -1, /memory: expected an integer of at least 0/],
  ['save_every', -1, /save_every: expected a number of at least 0, or None/],
  ['threads', 1025, /threads: expected an integer from 0 to 1024, got 1025/],
  ['runs', 'a\0b', /runs: expected a path, or None/],
  [
    'weights',
    '\0',
    /weights: expected a file, a run folder, the name of downloaded weights or 'auto', or None/,
  ],
];

for (const [key, value, message] of wrong) {
  test(`${key} ${String(value)} is rejected in one sentence that names the option`, (t) => {
    const options = { num_samples: 4, bs: 64, crop: 64, [key]: value };
    t.throws(() => parseConfig(options), { instanceOf: RangeError, code: 'ERR_HOROBALL_CONFIG', message });
  });
}

test('rejects incompatible options', (t) => {
  const refused = (options: Record<string, unknown>, message: RegExp): unknown =>
    t.throws(() => parseConfig(options), { code: 'ERR_HOROBALL_CONFIG', message });
  refused(
    { geometry: 'euclidean', learn: 't_e,hyp_c' },
    /learn: expected scalars that the euclidean loss uses \(t_e\), got hyp_c/,
  );
  refused({ geometry: 'hyperbolic', learn: 't_e' }, /learn: expected .*\(t_h, hyp_c\), got t_e/);
  for (const loss of ['proxy-anchor', 'proxy-nca']) {
    refused({ loss, memory: 10 }, /memory: expected 0 with loss proxy/);
    refused({ loss, geometry: 'euclidean', beta: 1 }, /beta: expected 0 with loss proxy/);
  }
  refused({ loss: 'supcon', alpha: 5 }, /alpha: expected 32 with loss supcon, got 5/);
  refused({ proxy_lr: 0.1 }, /proxy_lr: expected None with loss views, got 0\.1/);
  refused({ loss: 'ntxent', reduction: 'mean' }, /reduction: expected sum with loss ntxent, got mean/);
  refused(
    { head: 'hyp-vit', learn: 'hyp_c', memory: 10 },
    /memory: expected 0 with head hyp-vit and a learnable hyp_c/,
  );
  t.deepEqual(learnableNames(parseConfig({ learn: 't_h, hyp_c' })), ['t_h', 'hyp_c']);
  t.deepEqual(learnableNames(parseConfig({ learn: 'None' })), []);
});

test('cones and radius of a class tree require a free radius in a curved geometry', (t) => {
  const refused = (options: Record<string, unknown>, message: RegExp): unknown =>
    t.throws(() => parseConfig(options), { code: 'ERR_HOROBALL_CONFIG', message });
  const free = { head: 'hyp-vit', tree: 'cones+radius' };
  t.is(parseConfig(free).tree, 'cones+radius');
  t.is(parseConfig({ ...free, geometry: 'hybrid' }).geometry, 'hybrid');
  t.is(parseConfig({ tree: 'levels', geometry: 'euclidean' }).tree, 'levels');
  t.is(parseConfig({ tree: 'None' }).tree, null);
  refused(
    { tree: 'levels+cones' },
    /tree: expected --head hyp-vit and .* for cones, .*, got hypmix and hybrid/,
  );
  for (const geometry of ['euclidean', 'chordal'])
    refused({ ...free, tree: 'radius', geometry }, /for radius, .*, got hyp-vit and/);
  refused({ ...free, clip_r: null }, /tree_reach: expected a distance, because distances are unbounded/);
  t.is(parseConfig({ ...free, clip_r: null, tree_reach: 3 }).tree_reach, 3);
  t.is(parseConfig({ ...free, tree: 'cones', clip_r: null }).tree_reach, null);
  refused({ tree: 'levels', memory: 10 }, /memory: expected 0 with tree, got 10/);
  refused(
    { tree: 'levels', learn: 't_h,hyp_c' },
    /learn: expected scalars other than hyp_c with tree, got hyp_c/,
  );
});

test('head hyp-vit has its own default distance and temperature; c = 0 is the sphere', (t) => {
  const free = parseConfig({ ...folder, head: 'hyp-vit' });
  t.like(free, { head: 'hyp-vit', geometry: 'hyperbolic', t_h: 0.2, hyp_c: 0.1 });
  t.is(parseConfig({ ...folder, head: 'hyp-vit', geometry: 'hybrid' }).geometry, 'hybrid');
  const sphere = parseConfig({ ...folder, head: 'hyp-vit', hyp_c: '0', t: '0.1' });
  t.like(sphere, { head: 'hypmix', geometry: 'euclidean', t_e: 0.1 });
  t.deepEqual(parseConfig({ ...sphere }), sphere);
  t.is(parseConfig({ ...folder, head: 'hyp-vit', hyp_c: 0 }).t_e, 0.2);
  for (const hyp_c of [5e-324, 1e-50, 1e38])
    t.throws(() => parseConfig({ ...folder, hyp_c }), {
      code: 'ERR_HOROBALL_CONFIG',
      message: /hyp_c: expected a number from 1e-36 to 1e\+36, because distances are computed in float32/,
    });
  t.throws(() => parseConfig({ ...folder, hyp_c: 0 }), {
    message:
      /hyp_c: expected a number above 0 with head hypmix, got 0\. Pass a value above 0\. .*only head hyp-vit accepts/,
  });
});
