import test from 'ava';
import fc from 'fast-check';
import { learntNames, parseConfig, publishedDefaults, type RunConfig } from '../../lib/train/config.ts';
import { parseEpochs } from '../../lib/train/epochs.ts';
import { learningRate } from '../../lib/train/schedule.ts';

const folder = { ds: 'folder', path: 'somewhere' };

test('without options it is the built-in data set and its preset', (t) => {
  const config = parseConfig();
  t.is(config.ds, 'shapes');
  t.is(config.model, 'vit_nano');
  t.is(config.bs % config.num_samples, 0);
});

test('another data set has the published defaults', (t) => {
  t.deepEqual(parseConfig(folder), { ...publishedDefaults, ...folder });
});

test('text means what a command line means', (t) => {
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

test('one temperature stands for both, except where one is given', (t) => {
  const both = parseConfig({ ...folder, t: '0.3' });
  t.deepEqual([both.t_e, both.t_h], [0.3, 0.3]);
  const one = parseConfig({ ...folder, t: 0.3, t_h: 0.7 });
  t.deepEqual([one.t_e, one.t_h], [0.3, 0.7]);
});

test('a whole configuration reads back as itself', (t) => {
  const config = parseConfig({ t: 0.3, clip_r: null, runs: null, freeze: 2, seed: 7 });
  t.deepEqual(parseConfig(JSON.parse(JSON.stringify(config)) as Record<string, unknown>), config);
});

test('the last epoch is evaluated where only the number of epochs is given', (t) => {
  t.is(parseConfig({ ...folder, ep: 7 }).eval_ep, '[7]');
  t.is(parseConfig({ ...folder, ep: 7, eval_ep: '[]' }).eval_ep, '[]');
});

const wrong: [keyof RunConfig | 'banana', unknown, RegExp][] = [
  ['banana', 1, /banana: there is no such option/],
  ['num_samples', 1, /num_samples: expected a whole number of at least 2, got 1/],
  ['num_samples', 'x', /num_samples: expected a whole number of at least 2, got 'x'/],
  ['num_samples', '', /num_samples/],
  ['lr', 0, /lr: expected a number above 0, got 0/],
  ['lr', Number.NaN, /lr/],
  ['lr', Number.POSITIVE_INFINITY, /lr/],
  ['hyp_c', '-1', /hyp_c/],
  ['clip_r', '0', /clip_r: expected a number above 0, or None, got '0'/],
  ['geometry', 'flat', /geometry: expected 'hybrid', 'euclidean', 'hyperbolic' or 'chordal', got 'flat'/],
  ['eval_ep', 'process.exit()', /eval_ep: expected a list/],
  ['crop_scale', 1.5, /crop_scale/],
  ['device', 'gpu', /device/],
  ['name', '../up', /name/],
  ['strict', 'yes', /strict: expected true or false/],
  ['bs', 10, /bs: expected a multiple of num_samples \(4\), got 10/],
  ['bs', 4, /bs: expected at least two classes/],
  ['resize', 32, /resize: expected at least crop/],
  ['precision', 'half', /precision: expected 'float32', 'bfloat16' or 'float16', got 'half'/],
  ['ema', 1, /ema: expected a number of at least 0 and below 1, or None, got 1/],
  ['layer_decay', 0, /layer_decay: expected a number above 0 and at most 1/],
  ['learn', 'lam', /learn: expected some of t_e, t_h, hyp_c with commas between them, or None, got 'lam'/],
  ['learn', 't_e,t_e', /learn: expected some of/],
  ['learn_range', 1, /learn_range: expected a number above 1/],
  ['chunk', 0, /chunk: expected a whole number of at least 1, or None/],
  ['memory', -1, /memory: expected a whole number of at least 0/],
  ['save_every', -1, /save_every: expected a number of at least 0, or None/],
];

for (const [key, value, message] of wrong) {
  test(`${key} ${String(value)} is refused in one sentence that names it`, (t) => {
    const options = { num_samples: 4, bs: 64, crop: 64, [key]: value };
    t.throws(() => parseConfig(options), { instanceOf: RangeError, code: 'ERR_HOROBALL_CONFIG', message });
  });
}

test('what does not go together is refused', (t) => {
  const refused = (options: Record<string, unknown>, message: RegExp): unknown =>
    t.throws(() => parseConfig(options), { code: 'ERR_HOROBALL_CONFIG', message });
  refused(
    { geometry: 'euclidean', learn: 't_e,hyp_c' },
    /learn: expected what the euclidean loss depends on \(t_e\), got hyp_c/,
  );
  refused({ geometry: 'hyperbolic', learn: 't_e' }, /learn: expected .*\(t_h, hyp_c\), got t_e/);
  refused({ head: 'hyp-vit', learn: 'hyp_c', memory: 10 }, /memory: expected 0 where hyp_c is learnt/);
  t.deepEqual(learntNames(parseConfig({ learn: 't_h, hyp_c' })), ['t_h', 'hyp_c']);
  t.deepEqual(learntNames(parseConfig({ learn: 'None' })), []);
});

test('lists of epochs as the published code writes them', (t) => {
  t.deepEqual(parseEpochs('[]'), []);
  t.deepEqual(parseEpochs('[50]'), [50]);
  t.deepEqual(parseEpochs('[1, 2, 3]'), [1, 2, 3]);
  t.deepEqual(parseEpochs('r(10,70,20)+[200]'), [10, 30, 50, 200]);
  t.deepEqual(parseEpochs('[5]+r(3)'), [5, 0, 1, 2]);
  t.deepEqual(parseEpochs('range(6, 0, -2)'), [6, 4, 2]);
  t.deepEqual(parseEpochs('r(5,5,1)'), []);
});

test('what is not such a list is none, whatever it does in another language', (t) => {
  for (const text of [
    '',
    '50',
    '[',
    '[a]',
    '[1.5]',
    'r(1,2,0)',
    'r(0,1e9)',
    'r(0,999999999)',
    '[1]+',
    '[1][2]',
  ]) {
    t.is(parseEpochs(text), null, text);
  }
});

test('a range counts as Python does', (t) => {
  const small = fc.integer({ min: 0, max: 60 });
  fc.assert(
    fc.property(small, small, fc.integer({ min: 1, max: 9 }), (start, end, step) => {
      const counted = parseEpochs(`r(${start},${end},${step})`)!;
      t.is(counted.length, Math.max(0, Math.ceil((end - start) / step)));
      t.true(counted.every((epoch, i) => epoch === start + i * step && epoch < end));
    }),
  );
});

test('the rate rises over the warm-up, stays, and falls to almost nothing', (t) => {
  const cosine = { lr: 2, schedule: 'cosine', warmup: 4 } as const;
  t.deepEqual(
    [1, 2, 3, 4].map((step) => learningRate(cosine, step, 104)),
    [0.5, 1, 1.5, 2],
  );
  t.is(learningRate(cosine, 5, 104), 2);
  t.true(Math.abs(learningRate(cosine, 55, 104) - 1) < 1e-12);
  t.true(learningRate(cosine, 104, 104) > 0 && learningRate(cosine, 104, 104) < 0.001);
  t.is(learningRate({ ...cosine, schedule: 'constant' }, 104, 104), 2);
  t.is(learningRate(cosine, 1000, null), 2);
});

test("Hyp-ViT's head brings its one distance and temperature; its c = 0 is the sphere", (t) => {
  const free = parseConfig({ ...folder, head: 'hyp-vit' });
  t.like(free, { head: 'hyp-vit', geometry: 'hyperbolic', t_h: 0.2, hyp_c: 0.1 });
  t.is(parseConfig({ ...folder, head: 'hyp-vit', geometry: 'hybrid' }).geometry, 'hybrid');
  const sphere = parseConfig({ ...folder, head: 'hyp-vit', hyp_c: '0', t: '0.1' });
  t.like(sphere, { head: 'hypmix', geometry: 'euclidean', t_e: 0.1 });
  t.deepEqual(parseConfig({ ...sphere }), sphere);
  t.is(parseConfig({ ...folder, head: 'hyp-vit', hyp_c: 0 }).t_e, 0.2);
  t.throws(() => parseConfig({ ...folder, hyp_c: 0 }), {
    message: /hyp_c: expected a number above 0.*hyp-vit/,
  });
});
