// Several ranks give the same results as a single process.
import ava, { type TestFn } from 'ava';
import { allCases, compared, type Deviation, lowCases, preparedCases, runCases, table } from './equality.ts';

const test = ava as TestFn<{ path: string; root: string; one: string; remove(): Promise<void> }>;
const steps = 4;

test.before(async (t) => {
  t.timeout(600_000);
  const prepared = await preparedCases();
  const cases = [...allCases(prepared.path, steps), ...lowCases(prepared.path, steps)];
  t.context = { ...prepared, one: await runCases(prepared.root, cases, 1) };
});
test.after.always(async (t) => {
  await t.context.remove?.();
});

const isEqual = ({ gradients, losses, weights, recalls, skips }: Deviation): boolean =>
  gradients < 1e-5 && losses < 1e-5 && weights < 1e-4 && recalls < 0.02 && skips === 0;

test.serial('2 ranks equal one process: every geometry, head and option', async (t) => {
  t.timeout(600_000);
  const { path, root, one } = t.context;
  const cases = allCases(path, steps);
  const several = await runCases(root, cases, 2);
  const rows = await Promise.all(cases.map(({ name }) => compared(name, one, several)));
  t.log(`\n${table(rows)}`);
  t.is(rows.length, 30);
  for (const row of rows) t.true(isEqual(row), table([row]));
});

test.serial('4 ranks equal one process: one case of each option', async (t) => {
  t.timeout(600_000);
  const { path, root, one } = t.context;
  const names = ['hybrid-hypmix-plain', 'hybrid-hyp-vit-learned', 'hyperbolic-hyp-vit-chunk'];
  const cases = allCases(path, steps).filter(
    ({ name }) => names.includes(name) || /^euclidean-hypmix-(memory|ema)$/.test(name),
  );
  const several = await runCases(root, cases, 4);
  const rows = await Promise.all(cases.map(({ name }) => compared(name, one, several)));
  t.log(`\n${table(rows)}`);
  t.is(rows.length, 5);
  for (const row of rows) t.true(isEqual(row), table([row]));
});

test.serial(
  '2 ranks equal one process: bfloat16 up to rounding, and float16 skips the same steps',
  async (t) => {
    t.timeout(600_000);
    const { path, root, one } = t.context;
    const cases = lowCases(path, steps);
    const several = await runCases(root, cases, 2);
    const rows = await Promise.all(cases.map(({ name }) => compared(name, one, several)));
    t.log(`\n${table(rows)}`);
    for (const { name, losses, skips } of rows) {
      t.true(losses < 2e-2, `${name}: ${losses}`);
      t.is(skips, 0, name);
    }
  },
);
