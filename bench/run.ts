// `npm run bench`: the core compared with its peers; prints the table and writes CSV and HTML.
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { Meter } from '../lib/cli/meter.ts';
import { coreInfo } from '../lib/index.ts';
import { called, count, oneOf, type ParseArgsOptionsConfig, usageError } from './arguments.ts';
import { loadJsPeers } from './js-peers.ts';
import { measureEvaluation, measureLoading } from './limits.ts';
import { root } from './machine.ts';
import { standard } from './measure.ts';
import { type Bench, measureSuite } from './measure-suite.ts';
import { Output, origin, outputOptions } from './output.ts';
import { type PeerOptions, PeerWorker } from './peers/client.ts';
import { FastestPeers, waitPolicies } from './peers/fastest.ts';
import type { Row } from './results.ts';
import { measureScaling } from './scaling.ts';
import { type Planned, suites } from './suites/all.ts';

const help = `Usage: horoball bench [options]
       npm run bench -- [options]                      in a checkout

  --only TEXT   suites whose name contains TEXT (pairwise, loss, search,
                evaluation, delta, rows, overhead, loading, scaling)
  --threads N   threads of horoball and of each peer (default: all CPUs)
  --clock cpu   CPU time instead of wall time, for --threads 1 on a busy
                machine
  --hypmix DIR  a checkout of HypMix or hyp_metric: times its distance instead
                of a reimplementation
  --geoopt DIR  a checkout of geoopt
  --python FILE a Python interpreter with the peers (default:
                bench/peers/.venv, created by npm run bench:peers)
  --js DIR      a folder whose node_modules contains usearch, simsimd and
                @tensorflow/tfjs (default: bench/peers)
  --no-peers    horoball only
  --full        adds scaling to 50,000 and 500,000 rows, evaluation of a full
                SOP test set, usearch, all torch.compile formulations
  --quick       five rounds instead of nine, and peers only with the default
                OMP_WAIT_POLICY
  --out DIR     folder for MACHINE-COMMIT[-OPTIONS].csv and .html, rewritten
                after every suite (default: bench/rows in a checkout,
                otherwise horoball-bench)
  --json        one JSON object per row on stdout, the table on stderr

With HOROBALL_WASM=1, it compares the WebAssembly core on one thread with tfjs.

horoball bench train measures training steps, bench compare compares two runs,
and bench counts counts instructions; each has its own --help.
`;

const options = {
  help: { type: 'boolean' },
  only: { type: 'string', default: '' },
  threads: { type: 'string', default: String(availableParallelism()) },
  clock: { type: 'string', default: 'wall' },
  hypmix: { type: 'string' },
  geoopt: { type: 'string' },
  js: { type: 'string', default: join(root, 'bench', 'peers') },
  python: { type: 'string' },
  full: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  peers: { type: 'boolean', default: true },
  ...outputOptions,
} as const satisfies ParseArgsOptionsConfig;

const values = called(help, options);
const onWasm = coreInfo().level === 'simd128';
const threads = onWasm ? 1 : count('--threads', values.threads);
const clock = oneOf('--clock', values.clock, ['wall', 'cpu']);
if (clock === 'cpu' && threads !== 1) usageError('--clock cpu adds up all threads. Add --threads 1.');

const stop = new AbortController();
process.once('SIGINT', () => {
  process.stderr.write('Stopping after the current suite; Ctrl-C again quits at once.\n');
  stop.abort();
});

await main();

async function main(): Promise<void> {
  const load = loadavg()[0]!;
  if (load > 0.5) {
    process.stderr.write(`Other processes keep ${load.toFixed(1)} CPUs busy: spreads will be wide.\n`);
  }
  const bench = {
    threads,
    clock,
    plan: values.quick ? { ...standard, rounds: 5 } : standard,
    peers: await started((options) => FastestPeers.start(options, values.quick ? [undefined] : waitPolicies)),
    memory: await started((options) => PeerWorker.start({ ...options, trim: true })),
  };
  const rows: Row[] = [];
  const results = { about: { ...(await origin(threads, bench.peers)), clock, load: load.toFixed(1) }, rows };
  const fewer = onWasm || threads === availableParallelism() ? '' : `${threads}-threads`;
  const kind = [
    onWasm ? 'wasm' : '',
    values.only,
    fewer,
    clock === 'cpu' ? 'cpu' : '',
    values.quick ? 'quick' : '',
    values.peers ? '' : 'no-peers',
  ];
  const output = new Output(values, kind);
  try {
    await measureAll(bench, rows, () => output.save(results));
    output.print(results);
    if (stop.signal.aborted) process.exitCode = 130;
  } finally {
    for (const side of [bench.peers, bench.memory]) if (typeof side !== 'string') await side.stop();
  }
}

/** Starts Python processes and returns them, or the reason why they are unavailable, which their rows will show. */
async function started<Peers>(start: (options: PeerOptions) => Promise<Peers>): Promise<Peers | string> {
  const { hypmix, geoopt, python } = values;
  if (!values.peers) return '--no-peers';
  if (onWasm) return 'not used on WebAssembly';
  try {
    return await start({ threads, fastMkl: true, hypmix, geoopt, python, clock });
  } catch (error) {
    return (error as Error).message;
  }
}

interface Step {
  name: string;
  measure: () => Promise<Row[]>;
}

/** Adds the rows of every requested suite and calls `save` after each, so an interrupted run keeps its results. */
async function measureAll(bench: Bench, rows: Row[], save: () => Promise<void>): Promise<void> {
  const all = stepsOf(bench, suites(bench.threads, await loadJsPeers(values.js), values.full));
  const steps = all.filter(({ name }) => name.includes(values.only));
  if (steps.length === 0) {
    const names = all.map(({ name }) => name).join('; ');
    usageError(`--only: expected part of a suite's name, got '${values.only}'. The suites are ${names}`);
  }
  const begin = performance.now();
  using meter = new Meter(process.stderr, { tickMs: null }); // a timer would run during a measurement
  for (const [done, { name, measure }] of steps.entries()) {
    if (stop.signal.aborted) return;
    const seconds = ((performance.now() - begin) / 1000).toFixed(0).padStart(4);
    meter.say(`${seconds} s  ${name}`);
    if (process.stderr.isTTY) meter.steps('benchmarks', done, steps.length);
    try {
      rows.push(...(await measure()));
      await save();
    } catch (error) {
      meter.say(`        ${(error as Error).message}`);
      process.exitCode = 1;
    }
  }
}

function stepsOf(bench: Bench, planned: readonly Planned[]): Step[] {
  const { threads } = bench;
  const own = planned.map(({ name, build }) => ({ name, measure: () => measureSuite(build(), bench) }));
  if (onWasm) return own;
  const steps = [
    ...own,
    { name: 'loading', measure: () => measureLoading(threads) },
    { name: 'scaling', measure: () => measureScaling(threads, bench.clock, values.full) },
  ];
  if (!values.full) return steps;
  return [...steps, { name: 'evaluation sop-test', measure: () => measureEvaluation(threads) }];
}
