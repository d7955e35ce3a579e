import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { barChart } from '../bench/chart.ts';
import { compare, isRegression, ratios } from '../bench/compare.ts';
import { machineName } from '../bench/machine.ts';
import { alternate, exponent, figure, quantile, ratio, type TimedSide } from '../bench/measure.ts';
import { fromCsv, isOneMachine, type Labels, peakKey, type Row, row, toCsv } from '../bench/results.ts';
import { statedError } from './tolerances.ts';

const labels: Labels = {
  op: 'pairwiseDistance',
  shape: 'batch, y = x',
  n: 900,
  m: 900,
  dim: 128,
  views: 0,
  type: 'float32',
  geometry: 'poincare',
  heads: '',
  guards: 'clean',
  pass: 'forward',
};

function result(over: Partial<Row>, bar?: Parameters<typeof row>[1]): Row {
  const known = { ...labels, suite: 's', side: 'horoball', status: 'measured', threads: 2, ...over };
  return row(known, bar);
}

test('quantiles interpolate between order statistics', (t) => {
  t.is(quantile([4, 1, 3, 2], 0.5), 2.5);
  t.is(quantile([5], 0.9), 5);
  t.is(quantile([0, 10], 0.1), 1);
  t.true(Number.isNaN(quantile([], 0.5)));
});

test('figure returns the median, and half of the relative 10-90 percentile range, widened for few values', (t) => {
  const { median, spread } = figure([undefined, 8, 10, undefined, 12]);
  t.is(median, 10);
  // The percentiles are 8.4 and 11.6, so half of their relative distance is 0.16. It is widened by 5.06 = 9.92 / 1.96: Student's
  // 99.5% quantile for three values over the normal 97.5% quantile.
  t.true(Math.abs(spread / 0.16 - 5.06) < statedError.arithmetic);
});

test('a ratio uses only rounds that both sides completed', (t) => {
  const { median, spread } = ratio([10, undefined, 40, 8], [5, 3, 20, undefined]);
  t.is(median, 2);
  t.is(spread, 0);
});

test('fits the exponent of a power law', (t) => {
  const xs = [1, 3, 10, 50];
  t.true(
    Math.abs(
      exponent(
        xs,
        xs.map((x) => 7 * x ** 2),
      ) - 2,
    ) < statedError.arithmetic,
  );
});

test('sides alternate in forward and reverse order, slow sides less often', async (t) => {
  const order: string[] = [];
  const timed = (name: string, ms: number): TimedSide => ({
    sample: () => {
      order.push(name);
      return [ms];
    },
  });
  const plan = { rounds: 5, slowRounds: 3, slowMs: 100, turnMs: 1, settleMs: 0 };
  const sides = [timed('a', 1), timed('b', 2), timed('slow', 200), timed('slowest', 500)];
  const rounds = await alternate(sides, plan);
  // The warm-up call of `slowest` already counts as its first round.
  t.is(order.slice(0, 5).join(' '), 'a b slow slow slowest');
  t.is(order.slice(5).join(' '), 'a b slow b a a b slow slowest b a a b slow slowest');
  t.deepEqual(rounds[1], [2, 2, 2, 2, 2]);
  for (const slow of rounds.slice(2)) t.is(slow.filter((value) => value !== undefined).length, 3);
});

test('alternate reports turns and rounds, and returns the measurements if it is aborted', async (t) => {
  const stop = new AbortController();
  const turns: string[] = [];
  const measured: number[] = [];
  const timed: TimedSide = { sample: () => [3] };
  const plan = { rounds: 4, slowRounds: 3, slowMs: 100, turnMs: 1, settleMs: 0 };
  const rounds = await alternate([timed, timed], plan, {
    signal: stop.signal,
    onTurn: ({ side, round, rounds }) => turns.push(`${side}:${round}/${rounds}`),
    onRound: (so) => {
      measured.push(so[0]!.length);
      if (measured.length === 2) stop.abort();
    },
  });
  t.deepEqual(turns, ['0:0/4', '1:0/4', '0:1/4', '1:1/4', '1:2/4', '0:2/4']);
  t.deepEqual(measured, [1, 2]);
  t.deepEqual(rounds, [
    [3, 3],
    [3, 3],
  ]);
});

test('a target is judged at both ends of the spread, and is open if nothing was measured', (t) => {
  const verdict = (ratio: number, ratioSpread: number, bar = { of: 'ratio', atLeast: 2 } as const) =>
    result({ ratio, ratioSpread }, bar).verdict;
  t.is(verdict(2, 0), 'pass');
  t.is(verdict(2.2, 0.05), 'pass');
  t.is(verdict(2.05, 0.05), 'within noise', 'the lower end misses');
  t.is(verdict(1.95, 0.05), 'within noise', 'the upper end meets');
  t.is(verdict(1.9, 0.05), 'fail');
  t.is(verdict(100, 3), 'within noise', 'a spread that decides nothing');
  t.is(verdict(1.9, Number.NaN), 'fail', 'a single call has no spread');
  t.is(result({}, { of: 'ratio', atLeast: 1 }).verdict, 'open');
  t.is(result({ ms: 2000 }, { of: 'ms', atMost: 1500 }).verdict, 'fail');
  t.is(result({ ratio: 0.9, ratioSpread: 0.2 }, { of: 'ratio', atMost: 1 }).verdict, 'within noise');
});

test('rows read from a file are judged by the same rule', (t) => {
  const passed = {
    ...result({ ratio: 1.9, ratioSpread: 0.01 }, { of: 'ratio', atLeast: 2 }),
    verdict: 'pass',
  } as const;
  t.is(fromCsv(toCsv(results(passed))).rows[0]!.verdict, 'fail');
});

test('rows are unchanged after writing and reading', (t) => {
  const rows = [
    result({ ms: 1.25, spread: 0.5, note: 'said "no", twice' }, { of: 'ms', atMost: 2 }),
    result({ side: 'peer, the', status: 'not measured: no folder' }),
  ];
  const back = fromCsv(toCsv({ about: { machine: 'm-x2', peers: 'torch: none' }, rows }));
  t.deepEqual(back, { about: { machine: 'm-x2', peers: 'torch: none' }, rows });
  t.throws(() => fromCsv('a,b\n1,2\n'), { message: /not a table of results/ });
});

function results(...rows: Row[]) {
  return { about: { machine: 'm' }, rows };
}

test('a regression is a slowdown beyond the noise of both runs', (t) => {
  const before = results(result({ ms: 10, spread: 0.08 }));
  const verdict = (ms: number) => compare(before, results(result({ ms, spread: 0.06 })))[0]!.verdict;
  t.is(verdict(10.9), 'same');
  t.is(verdict(11.2), 'slower');
  t.is(verdict(8.9), 'faster');
  t.true(isRegression(compare(before, results())[0]!), 'a missing row');
});

test('the peers distinguish a slower machine from slower code', (t) => {
  const peers = (factor: number) =>
    ['a', 'b', 'c'].map((side) => result({ side, ms: 100 * factor, spread: 0.01 }));
  const before = results(result({ ms: 10, spread: 0.01 }), ...peers(1));
  const after = results(result({ ms: 15, spread: 0.01 }), ...peers(1.5));
  t.deepEqual(
    compare(before, after).map(({ verdict }) => verdict),
    ['same'],
  );
});

test('missing a target that was met before is a regression', (t) => {
  const bar = { of: 'ratio', atLeast: 2 } as const;
  const peer = (ratio: number) => result({ side: 'published', ms: 50, ratio, ratioSpread: 0 }, bar);
  const [change] = compare(results(peer(2.1)), results(peer(1.9)));
  t.is(change!.verdict, 'target missed');
});

test('more memory is a regression; on another machine, only a missed target is', (t) => {
  const before = results(result({ ms: 10, spread: 0.01, peakMB: 20 }));
  const verdicts = (now: ReturnType<typeof results>) => compare(before, now).map(({ verdict }) => verdict);
  t.deepEqual(verdicts(results(result({ ms: 10, spread: 0.01, peakMB: 21 }))), ['same']);
  t.deepEqual(verdicts(results(result({ ms: 10, spread: 0.01, peakMB: 23 }))), ['same', 'larger']);
  t.true(isRegression(compare(before, results(result({ ms: 10, spread: 0.01, peakMB: 23 })))[1]!));
  t.deepEqual(
    verdicts({ about: { machine: 'n' }, rows: [result({ ms: 99, spread: 0.01, peakMB: 99 })] }),
    [],
  );
  t.deepEqual(verdicts({ about: { machine: 'n' }, rows: [] }), [], 'a missing row');
});

test('two runs are from one machine if the names are equal and the multiply-add peaks differ by at most 10 %', (t) => {
  const run = (machine: string, peak?: number) => ({
    about: { machine, ...(peak === undefined ? {} : { [peakKey]: `${peak} GFLOP/s` }) },
    rows: [result({ ms: 10, spread: 0.01 })],
  });
  const isOne = (a: ReturnType<typeof run>, b: ReturnType<typeof run>) => {
    t.is(isOneMachine(a, b), isOneMachine(b, a));
    t.is(compare(a, b).length > 0, isOneMachine(a, b));
    return isOneMachine(a, b);
  };
  t.true(isOne(run('epyc-f26m2s1-x2', 521.5), run('epyc-f26m2s1-x2', 480)));
  t.false(isOne(run('epyc-f26m2s1-x2', 521.5), run('epyc-f26m2s1-x2', 231)), 'loaded');
  t.false(isOne(run('epyc-f26m2s1-x2', 520), run('epyc-f25m1s1-x2', 520)), 'another generation');
  t.false(isOne(run('epyc-f26m2s1-x2', 520), run('epyc-f26m2s1-x4', 520)), 'more cores');
  t.true(isOne(run('epyc-x2', 517.8), run('epyc-f26m2s1-x2', 527)), 'an older row without the generation');
  t.true(isOne(run('epyc-x2'), run('epyc-x2', 520)), 'an older row without the peak');
  t.false(isOne(run('epyc-x2', 230.7), run('epyc-x2', 521.5)), 'rows that differ in their peak only');
});

test('the name of a machine includes the CPU generation, if known', (t) => {
  const info =
    'vendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\nstepping\t: 1\n';
  t.is(machineName('AMD EPYC', info, 2), 'amd-epyc-f26m2s1-x2');
  t.is(machineName('Intel(R) Xeon(R) Processor @ 2.10GHz', '', 2), 'intel-xeon-x2');
  t.is(machineName('Neoverse-N1', 'CPU part\t: 0xd0c\n', 4), 'neoverse-n1-x4');
});

test('a single call has no spread', (t) => {
  t.true(Number.isNaN(figure([undefined, 7]).spread));
  const before = results(result({ ms: 10, spread: Number.NaN }));
  t.is(compare(before, results(result({ ms: 14, spread: 0.01 })))[0]!.verdict, 'same');
});

test('a repetition reproduces a ratio if the two spreads cover the difference', (t) => {
  const peer = (ratio: number, ratioSpread: number) => result({ side: 'peer', ratio, ratioSpread });
  const agrees = (a: Row, b: Row) => ratios(results(a), results(b)).map((pair) => pair.agrees);
  t.deepEqual(agrees(peer(2, 0.05), peer(2.15, 0.04)), [true]);
  t.deepEqual(agrees(peer(2, 0.02), peer(2.15, 0.04)), [false]);
  t.deepEqual(agrees(result({ side: 'peer', status: 'not measured: none' }), peer(2, 0)), []);
});

for (const name of ['run', 'train', 'compare', 'counts']) {
  test(`the help of ${name} fits 80 columns`, (t) => {
    const program = fileURLToPath(new URL(`../bench/${name}.js`, import.meta.url));
    const { status, stdout } = spawnSync(process.execPath, [program, '--help'], { encoding: 'utf8' });
    t.is(status, 0);
    t.true(stdout.startsWith('Usage: horoball bench'));
    t.deepEqual(
      stdout.split('\n').filter((line) => line.length > 80),
      [],
    );
  });
}

test('bench compare exits with 1 on a regression, 0 without one, and 2 on wrong usage', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-compare-'));
  const file = async (name: string, ms: number) => {
    const path = join(folder, name);
    await writeFile(path, toCsv(results(result({ ms, spread: 0.02 }))));
    return path;
  };
  try {
    const [before, slower] = [await file('a.csv', 10), await file('b.csv', 12)];
    const program = fileURLToPath(new URL('../bench/compare.js', import.meta.url));
    const code = (...args: string[]) => spawnSync(process.execPath, [program, ...args]).status;
    t.is(code(before, slower), 1);
    t.is(code(slower, before), 0);
    t.is(code(before), 2);
    t.is(code(before, join(folder, 'nowhere.csv')), 2);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a chart of times labels its axis as logarithmic and clips whiskers to it', (t) => {
  const item = { label: 'a', detail: '', own: true };
  const chart = barChart([
    { ...item, value: 9, spread: 3 },
    { ...item, value: 0.3, spread: 90 },
    { ...item, value: 1, spread: 0 },
  ]);
  t.regex(chart, />ms, logarithmic</);
  const whiskers = [...chart.matchAll(/<b style="left:([\d.]+)%;width:([\d.]+)%">/g)];
  t.is(whiskers.length, 2);
  for (const [, left, width] of whiskers)
    t.true(Number(left) + Number(width) <= 100.05, `${left} + ${width}`);
  const dots = [...chart.matchAll(/<u class="own" style="left:([\d.]+)%">/g)].map(([, left]) => Number(left));
  t.deepEqual(dots, [97.7, 23.9, 50]); // on an axis from 0.1 to 10 ms
});
