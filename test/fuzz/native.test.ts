import test from 'ava';
import { core } from '../../lib/native.ts';
import { functions } from './native.ts';

test('every function of the core is fuzzed', (t) => {
  const described = Object.keys(JSON.parse(core().describeCalls()) as object);
  t.true(described.length > 5);
  const row = functions.filter((name) => name.startsWith('row'));
  t.deepEqual([...functions].sort(), [...described, ...row].sort());
});
