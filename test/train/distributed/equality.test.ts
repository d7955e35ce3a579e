// Several ranks give the same results as a single process. `npm run test:ranks` compares every case on 1, 2 and 4 ranks.
import ava, { type TestFn } from 'ava';
import {
  allCases,
  compared,
  type Deviation,
  isWithin,
  lowCases,
  preparedCases,
  runCases,
  table,
} from './equality.ts';

const test = ava as TestFn<{ path: string; root: string; remove(): Promise<void> }>;

test.before(async (t) => {
  t.context = await preparedCases();
});
test.after.always(async (t) => {
  await t.context.remove();
});

/** Names of the cases that also run with 4 ranks: one for each option. */
const withFour = [
  'hybrid-hypmix-plain',
  'hybrid-hyp-vit-learned',
  'hyperbolic-hyp-vit-chunk',
  'euclidean-hypmix-memory',
  'euclidean-hypmix-ema',
];

test('2 and 4 ranks equal one process: every geometry, head and option', async (t) => {
  t.timeout(600_000);
  const { path, root } = t.context;
  const cases = [...allCases(path, 4), ...lowCases(path, 4)];
  const few = cases.filter(({ name }) => withFour.includes(name));
  t.is(cases.length, 32);
  t.is(few.length, withFour.length);
  const one = await runCases(root, cases, null);
  const rows: Deviation[] = [];
  for (const [size, chosen] of [
    [2, cases],
    [4, few],
  ] as const)
    rows.push(...(await compared(chosen, one, await runCases(root, chosen, size), size)));
  t.log(`\n${table(rows)}`);
  for (const row of rows) t.true(isWithin(row), table([row]));
});
