// `npm run bench`: the core against its peers, side by side; prints the table and writes CSV and HTML.
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { called, count, misused, oneOf, type ParseArgsOptionsConfig } from './arguments.ts';
import { loadJsPeers } from './js-peers.ts';
import { measureEvaluation, measureLoading } from './limits.ts';
import { root } from './machine.ts';
import { Output, origin, outputOptions } from './output.ts';
import { PeerWorker } from './peers/client.ts';
import type { Row } from './rows.ts';
import { measureScaling } from './scaling.ts';
import { suites } from './suites/all.ts';
import { type Bench, measureSuite } from './turn.ts';

const help = `Usage: horoball bench [options]
       npm run bench -- [options]                      in a checkout

  --only TEXT   suites whose name contains TEXT (pairwise, loss, search,
                evaluation, delta, rows, overhead, loading, scaling)
  --threads N   threads of both sides (default as many as the machine has)
  --clock cpu   processor time instead of the wall's, for --threads 1 on a busy
                machine
  --hypmix DIR  a checkout of HypMix or hyp_metric: its distance instead of the
                re-written formula
  --geoopt DIR  a checkout of geoopt
  --python FILE an interpreter that has the peers (default that of
                bench/peers/.venv, made by npm run bench:peers)
  --js DIR      a folder whose node_modules has usearch, simsimd and
                @tensorflow/tfjs (default bench/peers)
  --no-peers    horoball alone
  --full        scaling to 50,000 rows, a whole SOP test set evaluated, usearch,
                every formulation of torch.compile's (two minutes more)
  --out DIR     where MACHINE-COMMIT[-OPTIONS].csv and .html are written, anew
                after every suite (default bench/rows of a checkout, else
                horoball-bench)
  --json        one JSON object a row on stdout, and the table on stderr

horoball bench train, compare and counts measure training steps, compare two
runs and count instructions; --help after each tells its options.
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
  peers: { type: 'boolean', default: true },
  ...outputOptions,
} as const satisfies ParseArgsOptionsConfig;

const values = called(help, options);
const threads = count('--threads', values.threads);
const clock = oneOf('--clock', values.clock, ['wall', 'cpu']);
if (clock === 'cpu' && threads !== 1) misused('--clock cpu adds up all threads: give --threads 1 too');

await main();

async function main(): Promise<void> {
  const load = loadavg()[0]!;
  if (load > 0.5) {
    process.stderr.write(`Other work keeps ${load.toFixed(1)} processors busy: spreads will be wide.\n`);
  }
  const bench = { threads, clock, peers: await worker(false), memory: await worker(true) };
  const rows: Row[] = [];
  const results = { about: { ...origin(threads, bench.peers), clock, load: load.toFixed(1) }, rows };
  const fewer = threads === availableParallelism() ? '' : `${threads}-threads`;
  const kind = [values.only, fewer, clock === 'cpu' ? 'cpu' : '', values.peers ? '' : 'no-peers'];
  const output = new Output(values, kind);
  try {
    await measureAll(bench, rows, () => output.save(results));
    output.print(results);
  } finally {
    for (const side of [bench.peers, bench.memory]) if (typeof side !== 'string') await side.stop();
  }
}

/** The Python process, or the reason that its rows will give. */
async function worker(trim: boolean): Promise<PeerWorker | string> {
  const { hypmix, geoopt, python } = values;
  if (!values.peers) return '--no-peers was given';
  try {
    return await PeerWorker.start({ threads, trim, hypmix, geoopt, python, clock });
  } catch (error) {
    return (error as Error).message;
  }
}

/** Adds the rows of every suite asked for; calls `save` after each, so that an interrupted run is not lost. */
async function measureAll(bench: Bench, rows: Row[], save: () => Promise<void>): Promise<void> {
  const begin = performance.now();
  const names: string[] = [];
  const step = async (name: string, measure: () => Promise<Row[]>) => {
    names.push(name);
    if (!name.includes(values.only)) return;
    const seconds = ((performance.now() - begin) / 1000).toFixed(0).padStart(4);
    process.stderr.write(`${seconds} s  ${name}\n`);
    try {
      rows.push(...(await measure()));
      await save();
    } catch (error) {
      process.stderr.write(`        ${(error as Error).message}\n`);
      process.exitCode = 1;
    }
  };
  for (const planned of suites(bench.threads, await loadJsPeers(values.js), values.full)) {
    await step(planned.name, () => measureSuite(planned.build(), bench));
  }
  await step('loading', () => measureLoading(bench.threads));
  await step('scaling', () => measureScaling(bench.threads, bench.clock, values.full ? 50_000 : 10_000));
  if (values.full) await step('evaluation sop-test', () => measureEvaluation(bench.threads));
  if (!names.some((name) => name.includes(values.only))) {
    misused(`--only ${values.only}: no suite has this in its name: ${names.join(', ')}`);
  }
}
