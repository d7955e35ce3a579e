import test from 'ava';
import { stepFlops } from '../../bench/step-flops.ts';
import { vitConfigs } from '../../lib/train/index.ts';

test('a step of ViT-S/16 takes three times the 4.6 billion multiply-adds that DeiT states for the forward pass', (t) => {
  const flops = stepFlops(vitConfigs.vit_small_patch16_224, 'all');
  t.true(Math.abs(flops / (3 * 2 * 4.6e9) - 1) < 0.02, `${flops}`);
});

test('computing only the class token of the last block saves most of a block', (t) => {
  const model = vitConfigs.vit_small_patch16_224;
  const ratio = stepFlops(model, 'class') / stepFlops(model, 'all');
  t.true(ratio > 11 / model.depth && ratio < 11.3 / model.depth, `${ratio}`);
});
