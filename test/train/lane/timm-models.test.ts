// Compares features and gradients with timm's models: committed ones, and some that timm computes if it is installed. `npm
// run bench:backbones` compares many more.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { compareBackbone } from '../../../bench/backbone-comparison.ts';
import { python } from '../../python.ts';
import { networkError } from '../../tolerances.ts';

const fixtures = 'test/fixtures/backbones';

const committed = (await readdir(fixtures)).filter((name) => name.endsWith('.json'));
for (const file of committed) {
  const name = file.slice(0, -'.json'.length);
  test(`${name}: feature and every gradient agree with timm`, async (t) => {
    const { feature, gradient, worst } = await compareBackbone(join(fixtures, name), ['safetensors']);
    t.true(feature < networkError.network, `feature: ${feature}`);
    t.true(gradient < networkError.network, `${worst}: ${gradient}`);
  });
}

const specs = [
  'test_vit2:depth=2,img_size=48,file_size=64',
  'test_vit3:depth=1,img_size=[32,48]',
  'vit_small_patch16_dinov3:embed_dim=24,num_heads=3,depth=2,img_size=[32,48]',
];

test('agrees with models that timm creates during the test, through both kinds of files', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-backbones-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  if (python(t, 'timm', '../../bench/peers/backbones.py', 'timm', folder, ...specs) === null) return;
  for (const [i, spec] of specs.entries()) {
    const { feature, gradient, worst } = await compareBackbone(join(folder, String(i)), [
      'safetensors',
      'pth',
    ]);
    t.true(feature < networkError.network, `${spec}: ${feature}`);
    t.true(gradient < networkError.network, `${spec}: ${worst}: ${gradient}`);
  }
});
