// A rank fails in the middle of a step. `npm run test:ranks:failures` repeats this at more moments.
import ava, { type TestFn } from 'ava';
import { type Failure, type Fixture, fail, isPossible, named, prepare } from './failures.ts';

const test = ava as TestFn<Fixture>;

test.before(async (t) => {
  t.timeout(300_000);
  t.context = await prepare();
});
test.after.always(async (t) => {
  await t.context.remove?.();
});

for (const [failure, rank] of [
  ['killed', 1],
  ['stopped', 0],
  ['out of memory', 2],
] as const satisfies [Failure, number][]) {
  test.serial(
    `rank ${rank} ${failure}: the others end with an error that names it, and a restart gives the same weights`,
    async (t) => {
      t.timeout(300_000);
      if (!isPossible(t.context, failure)) {
        t.log('skipped: needs Linux and a C compiler');
        return t.pass();
      }
      const name = failure.replaceAll(' ', '-');
      const { seconds, sentence, restarts, weights } = await fail(t.context, name, failure, rank, [20, 20]);
      t.true(Math.max(...seconds) < 30, `${seconds}`);
      t.regex(sentence, named(rank));
      t.is(restarts, 1);
      t.true(weights.equals(t.context.expected), 'bit for bit');
    },
  );
}
