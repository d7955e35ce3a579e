import test from 'ava';
import { vitConfigs } from '../../../lib/model/vit.ts';
import { findPublished, publishedWeights } from '../../../lib/train/weights/registry.ts';

test('finds published weights by their name or model, with public URLs', (t) => {
  for (const { name, model, url, source, license, bytes } of publishedWeights) {
    t.true(Object.hasOwn(vitConfigs, model), model);
    t.is(findPublished(name)?.name, name);
    t.is(findPublished(model)?.name, name);
    t.regex(url, /^https:\/\/(huggingface\.co\/timm|dl\.fbaipublicfiles\.com)\/.*\.(safetensors|pth)$/);
    t.true(url.includes(name));
    t.true(source.length > 0 && license.length > 0);
    t.true(bytes > 2e7 && bytes < 2e9);
  }
  t.is(new Set(publishedWeights.map(({ name }) => name)).size, publishedWeights.length);
  t.is(findPublished('resnet50'), undefined);
});

test('has weights of the commonly used families', (t) => {
  const models = publishedWeights.map(({ model }) => model);
  const random = Object.keys(vitConfigs).filter((model) => !models.includes(model as never));
  t.deepEqual(random, ['vit_nano', 'vit_nano_32']);
});
