import { join } from 'node:path';
import test from 'ava';
import { PickleDict, type PickleKey, PickleOpaque, type PickleValue } from '../../../lib/io/pickle-values.ts';
import { PthFile } from '../../../lib/io/pth.ts';
import { findStateDict, plainNames } from '../../../lib/train/weights/names.ts';
import { startCpuClock } from '../../cpu-clock.ts';

const fixtures = 'test/fixtures/';

const dino = join(fixtures, 'pth/dino.pth');

test('strips prefixes in any order and number, and drops heads', (t) => {
  const stored = [
    'module.model.cls_token',
    'backbone.module.norm.weight',
    '_orig_mod.blocks.0.attn.qkv.weight',
    'head.weight',
    'module.head_dist.bias',
    'pre_logits.fc.weight',
    'headline',
  ];
  const { names, stripped, dropped } = plainNames(stored, false);
  t.deepEqual(
    [...names],
    [
      ['cls_token', 'module.model.cls_token'],
      ['norm.weight', 'backbone.module.norm.weight'],
      ['blocks.0.attn.qkv.weight', '_orig_mod.blocks.0.attn.qkv.weight'],
      ['headline', 'headline'],
    ],
  );
  t.deepEqual(stripped.toSorted(), ['_orig_mod.', 'backbone.', 'model.', 'module.']);
  t.deepEqual(dropped, ['head.weight', 'head_dist.bias', 'pre_logits.fc.weight']);
  t.deepEqual([...plainNames([`${'0.'.repeat(400)}norm.weight`], false).names.keys()], ['norm.weight']);
  t.true(plainNames(stored, true).names.has('head.weight'));
  t.throws(() => plainNames(['module.a', 'a'], false), {
    code: 'ERR_HOROBALL_WEIGHTS',
    message: /got 'module\.a' and 'a', which are both 'a'/,
  });
});

test('the error for a file without weights names its contents', (t) => {
  const dict = (entries: [string, PickleValue][]): PickleDict => new PickleDict(entries);
  t.throws(() => findStateDict(dict([['epoch', 3]])), {
    message: /dictionary of weights, got the entries epoch/,
  });
  t.throws(() => findStateDict([1, 2]), {
    code: 'ERR_HOROBALL_WEIGHTS',
    message: /dictionary of weights, got another value/,
  });
  let deep = dict([]);
  for (let i = 0; i < 20; i++) deep = dict([['model', deep]]);
  t.throws(() => findStateDict(deep), { code: 'ERR_HOROBALL_WEIGHTS' });
});

test('searches wrappers that contain tensors, averaged weights first', async (t) => {
  await using file = await PthFile.open(dino);
  const { tensors } = findStateDict(file.root);
  const weights = new PickleDict(tensors);
  const none = new PickleDict([['step', 3]]);
  for (const name of 'teacher state_dict_ema model_ema ema_state_dict state_dict model_state_dict model net weights module student'.split(
    ' ',
  )) {
    const found = findStateDict(
      new PickleDict([
        ['epoch', 3],
        ['optimizer', none],
        [name, weights],
      ]),
    );
    t.deepEqual([found.wrappers, found.tensors.size], [[name], weights.size], name);
  }
  const ema = findStateDict(
    new PickleDict([
      ['model', none],
      ['model_ema', weights],
      ['state_dict', weights],
    ]),
  );
  t.deepEqual(ema.wrappers, ['model_ema']);
  const empty = new PickleDict();
  const inner = new PickleDict([
    ['teacher', empty],
    ['model', new PickleDict([['module', weights]])],
  ]);
  t.deepEqual(findStateDict(inner).wrappers, ['model', 'module']);
  t.deepEqual(findStateDict(new PickleDict([...weights, ['teacher', none]])).wrappers, []);
  const tuple: PickleKey = new PickleOpaque('a tuple');
  t.throws(() => findStateDict(new PickleDict([[tuple, 1]])), {
    message: /got the entries \(a key that is not text\)/,
  });
});

test('the prefixes of published checkpoints and the chunked blocks of DINOv2 are removed', (t) => {
  const plain = 'blocks.3.attn.qkv.weight';
  for (const prefix of [
    'module.',
    'body.',
    'module.body.',
    'teacher.backbone.',
    'encoder.',
    'base_encoder.',
    'module.base_encoder.',
    'visual.',
    'visual.trunk.',
    '0.',
    'module.0.',
    '_orig_mod.',
    'model.',
    'backbone.',
  ])
    t.deepEqual([...plainNames([prefix + plain], false).names], [[plain, prefix + plain]], prefix);
  const chunked = plainNames(
    ['blocks.0.0.norm1.weight', 'blocks.0.1.norm1.weight', 'blocks.1.2.mlp.fc1.bias'],
    false,
  );
  t.deepEqual(
    [...chunked.names.keys()],
    ['blocks.0.norm1.weight', 'blocks.1.norm1.weight', 'blocks.2.mlp.fc1.bias'],
  );
  // Names of a momentum encoder and of a predictor keep their prefix, so they match no parameter.
  const both = plainNames(
    ['base_encoder.norm.weight', 'momentum_encoder.norm.weight', 'predictor.0.weight'],
    false,
  );
  t.deepEqual([...both.names.keys()], ['norm.weight', 'momentum_encoder.norm.weight', 'predictor.0.weight']);
});

test('rejects overlong names before matching patterns', (t) => {
  // Names in files are contiguous in memory. The result of `repeat` is not, and copying it would be part of the measured time.
  const contiguous = (part: string): string => Buffer.alloc(4e6 * part.length, part).toString('latin1');
  const long = ['module.', '1.', 'layer.', '_'].map(contiguous);
  const many = Array.from({ length: 40_000 }, (_, i) => `embeddings.${'blocks.1.'.repeat(70)}${i}`);
  const spent = startCpuClock();
  for (const name of long)
    t.throws(() => plainNames([name], false), {
      code: 'ERR_HOROBALL_WEIGHTS',
      message: /at most 1000 characters, got one of \d+ characters \(.{60}\.\.\.\)$/,
    });
  t.throws(() => plainNames(many, false), { code: 'ERR_HOROBALL_WEIGHTS', message: /characters in total/ });
  const ms = spent();
  t.log(`${ms.toFixed(0)} ms`);
  t.true(ms < 500, `${ms} ms`);
});
