import test from 'ava';
import { nearestNames } from '../lib/nearest-names.ts';

test('the most similar names come first; ties keep their order', (t) => {
  const known = ['dino_vits16', 'vit_nano', 'dino_vitb16', 'deit_small'];
  t.deepEqual(nearestNames('dino_vits61', known, 2), ['dino_vits16', 'dino_vitb16']);
  t.deepEqual(nearestNames('vit_nano', known, 1), ['vit_nano']);
  t.deepEqual(nearestNames('ab', ['ax', 'ay', 'b']), ['ax', 'ay', 'b']);
  t.deepEqual(nearestNames('', ['long', 'x'], 1), ['x']);
  t.is(nearestNames('x'.repeat(1e6), known).length, 3, 'the length of a name is limited');
});
