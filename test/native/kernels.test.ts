// Instruction counts of the hot kernels, the only performance figure that a test can check: it does not depend on the load
// of the machine.
import test from 'ava';
import {
  baseline,
  type Counts,
  compareCounts,
  countAll,
  isCostlier,
  whyNotCounted,
} from '../../bench/counts.ts';

const before: Counts = {
  compiler: 'gcc 12',
  level: 'avx2',
  tolerance: 0.02,
  kernels: { pairwise: 1000, gone: 5 },
};

test('an instruction count may exceed the baseline by the tolerance', (t) => {
  const verdict = (now: number) => compareCounts(before, { pairwise: now, gone: 5 })[0]!.verdict;
  t.is(verdict(1000), 'same');
  t.is(verdict(1020), 'same');
  t.is(verdict(1021), 'more');
  t.is(verdict(979), 'fewer');
});

test('reports a kernel that is missing on one side, but not a cheaper one', (t) => {
  const changes = compareCounts(before, { pairwise: 900, fresh: 7 });
  t.deepEqual(
    changes.map(({ name, verdict }) => `${name} ${verdict}`),
    ['pairwise fewer', 'gone gone', 'fresh new'],
  );
  t.deepEqual(
    changes.map((change) => isCostlier(change)),
    [false, true, true],
  );
});

test('no hot kernel exceeds the committed baseline', async (t) => {
  const why = await whyNotCounted();
  if (why !== undefined) {
    t.log(`not counted: ${why}`);
    t.pass();
    return;
  }
  const committed = await baseline();
  const { compiler, kernels } = await countAll();
  t.true(Object.values(kernels).every((count) => count > 10_000));
  if (compiler !== committed.compiler) {
    t.log(`not compared: the baseline was made with ${committed.compiler}, this build with ${compiler}`);
    return;
  }
  const costlier = compareCounts(committed, kernels).filter(isCostlier);
  t.deepEqual(
    costlier,
    [],
    'if intended, run npm run bench:counts -- --update and explain it in the commit message',
  );
});
