import { readFileSync } from 'node:fs';
import test from 'ava';
import { native } from '../../../lib/train/lane/native.ts';
import { addonFile, addonSource } from './generate-addon.ts';

test('the generated types of the addon are up to date', (t) => {
  const bare = (source: string) => source.replace(/[\s,;]/g, '');
  t.is(bare(readFileSync(addonFile, 'utf8')), bare(addonSource()), 'run npm run ops:train');
});

test('every export of the addon has a signature', (t) => {
  const described = [
    ...native()
      .signatures()
      .matchAll(/^(\w+)\(/gm),
  ].map(([, name]) => name);
  const exported = Object.entries(native()).flatMap(([name, value]) =>
    typeof value === 'function' ? [name] : [],
  );
  t.deepEqual(described.sort(), exported.sort());
});
