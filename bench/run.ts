// `npm run bench`: the core against its peers, side by side; prints the table and writes CSV and HTML.
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadJsPeers } from './js-peers.ts';
import { machine } from './machine.ts';
import type { Clock } from './measure.ts';
import { page } from './page.ts';
import { PeerWorker } from './peers/client.ts';
import { type Results, type Row, toCsv } from './rows.ts';
import { measureScaling } from './scaling.ts';
import { suites } from './suites/all.ts';
import { table } from './table.ts';
import { type Bench, measureSuite } from './turn.ts';

const help = `npm run bench -- [options]
  --only TEXT     suites whose name contains TEXT (pairwise, loss, search, delta, rows, overhead, scaling)
  --threads N     threads of both sides (default: as many as the machine has)
  --clock cpu     processor time instead of the wall's: for --threads 1 on a busy machine
  --hypmix DIR    a checkout of HypMix or hyp_metric: its distance instead of the re-written formula
  --geoopt DIR    a checkout of geoopt
  --python FILE   an interpreter that has the peers (default: bench/peers/.venv, made by npm run bench:peers)
  --js DIR        a folder whose node_modules has usearch, simsimd, @tensorflow/tfjs (default: this one)
  --no-peers      horoball alone
  --full          scaling to 50,000 rows (a minute more)
  --out DIR       where to write MACHINE-COMMIT.csv and .html (default: bench/rows)
`;

const { values } = parseArgs({
  allowNegative: true,
  options: {
    help: { type: 'boolean' },
    only: { type: 'string', default: '' },
    threads: { type: 'string', default: String(availableParallelism()) },
    clock: { type: 'string', default: 'wall' },
    hypmix: { type: 'string' },
    geoopt: { type: 'string' },
    js: { type: 'string', default: fileURLToPath(new URL('../..', import.meta.url)) },
    python: { type: 'string' },
    full: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: true },
    out: { type: 'string', default: fileURLToPath(new URL('../../bench/rows', import.meta.url)) },
  },
});

if (values.help) process.stdout.write(help);
else await main();

async function main(): Promise<void> {
  const load = loadavg()[0]!;
  if (load > 0.5) {
    process.stderr.write(`Other work keeps ${load.toFixed(1)} processors busy: spreads will be wide.\n`);
  }
  const threads = Number(values.threads);
  const clock: Clock = values.clock === 'cpu' ? 'cpu' : 'wall';
  if (clock === 'cpu' && threads !== 1)
    throw new Error('--clock cpu adds up all threads: give --threads 1 too');
  const bench = { threads, clock, peers: await worker(threads, false), memory: await worker(threads, true) };
  try {
    const rows = await measureAll(bench);
    await report({ about: { ...about(bench), load: load.toFixed(1) }, rows });
  } finally {
    for (const side of [bench.peers, bench.memory]) if (typeof side !== 'string') await side.stop();
  }
}

/** The Python process, or the reason that its rows will give. */
async function worker(threads: number, trim: boolean): Promise<PeerWorker | string> {
  const { hypmix, geoopt, python, clock } = values;
  if (!values.peers) return '--no-peers was given';
  try {
    return await PeerWorker.start({ threads, trim, hypmix, geoopt, python, clock });
  } catch (error) {
    return (error as Error).message;
  }
}

async function measureAll(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  const begin = performance.now();
  const step = async (name: string, measure: () => Promise<Row[]>) => {
    if (!name.includes(values.only)) return;
    const seconds = ((performance.now() - begin) / 1000).toFixed(0).padStart(4);
    process.stderr.write(`${seconds} s  ${name}\n`);
    try {
      rows.push(...(await measure()));
    } catch (error) {
      process.stderr.write(`        ${(error as Error).message}\n`);
      process.exitCode = 1;
    }
  };
  for (const planned of suites(bench.threads, await loadJsPeers(values.js))) {
    await step(planned.name, () => measureSuite(planned.build(), bench));
  }
  await step('scaling', () => measureScaling(bench.threads, values.full ? 50_000 : 20_000));
  return rows;
}

function about({ threads, clock, peers }: Bench): Record<string, string> {
  const { name, commit, date, node } = machine();
  const versions = typeof peers === 'string' ? peers : Object.entries(peers.versions).flat().join(' ');
  return { machine: name, commit, date, node, threads: String(threads), clock, peers: versions };
}

async function report(results: Results): Promise<void> {
  process.stdout.write(table(results.rows));
  await mkdir(values.out, { recursive: true });
  const path = join(values.out, `${results.about['machine']}-${results.about['commit']}`);
  await writeFile(`${path}.csv`, toCsv(results));
  await writeFile(`${path}.html`, page(results));
  process.stdout.write(`\n${path}.csv\n${path}.html\n`);
}
