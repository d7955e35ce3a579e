import {
  alternate,
  type Clock,
  figure,
  local,
  type Plan,
  type Rounds,
  ratio,
  type TimedSide,
} from './measure.ts';
import { peakElsewhere } from './peak.ts';
import type { PeerWorker, PreparedPeer } from './peers/client.ts';
import type { FastestPeers } from './peers/fastest.ts';
import { type Row, row } from './results.ts';
import { difference, type Measured, type OwnSide, type PeerSide, type Same, type Suite } from './suite.ts';

/** The context in which a suite runs. */
export interface Bench {
  readonly threads: number;
  readonly clock: Clock;
  /** The time budget of suites without their own. */
  readonly plan: Plan;
  /** The Python processes, or the reason why they are unavailable. */
  readonly peers: FastestPeers | string;
  /** A further Python process, which returns freed memory to the system, for memory peaks. */
  readonly memory: PeerWorker | string;
}

interface Entry {
  readonly side: OwnSide | PeerSide;
  readonly timed: TimedSide;
  readonly note: string;
}

/** Checks a suite, times its sides in alternation, and returns a row for each, measured or not, and the derived rows. */
export async function measureSuite(suite: Suite, bench: Bench): Promise<Row[]> {
  suite.check();
  const entries: Entry[] = [];
  const absent: Row[] = [];
  for (const side of suite.own) {
    try {
      if (side.same === undefined) side.run();
      else agree(side.probe!(), side.same, suite);
      entries.push({ side, timed: local(side.run, bench.clock), note: '' });
    } catch (error) {
      absent.push(notMeasured(suite, side, bench, (error as Error).message));
    }
  }
  if (typeof bench.peers !== 'string') await load(suite, bench.peers);
  for (const side of suite.peers) {
    try {
      const timed = await ready(side, suite, bench.peers);
      entries.push({ side, timed, note: timed.note });
    } catch (error) {
      absent.push(notMeasured(suite, side, bench, (error as Error).message));
    }
  }
  const rounds = await alternate(
    entries.map(({ timed }) => timed),
    { ...bench.plan, ...suite.plan },
  );
  const peaks = await measurePeaks(suite, bench);
  if (typeof bench.peers !== 'string') await bench.peers.drop();
  const named = new Map(entries.map(({ side }, i) => [side.name, rounds[i]!]));
  return [
    ...measured(suite, bench, entries, rounds, peaks),
    ...derived(suite, bench, named, peaks),
    ...absent,
  ];
}

function derived(
  suite: Suite,
  { threads }: Bench,
  named: ReadonlyMap<string, Rounds>,
  peaks: ReadonlyMap<string, number>,
): Row[] {
  const of: Measured = {
    ms: (side) => figure(named.get(side) ?? []).median,
    peakMB: (side) => megabytes(peaks, side),
    ratio: (side, other) => ratio(named.get(side) ?? [], named.get(other) ?? []),
  };
  return (suite.derived ?? []).map(({ labels, side, unit, bar, value }) => {
    const found = value(of);
    const { median, spread } = typeof found === 'number' ? { median: found, spread: Number.NaN } : found;
    const status = Number.isNaN(median) ? 'not measured: one of its sides is missing' : 'measured';
    const known = { suite: suite.name, side, status, threads, value: median, ratioSpread: spread, unit };
    return row({ ...labels, ...known }, bar);
  });
}

function megabytes(peaks: ReadonlyMap<string, number>, side: string): number {
  return (peaks.get(side) ?? Number.NaN) / 1e6;
}

async function load(suite: Suite, worker: PeerWorker | FastestPeers): Promise<void> {
  for (const [name, array] of Object.entries(suite.arrays)) await worker.load(name, array);
}

/** Starts a peer and compares its answer with horoball's. */
async function ready(side: PeerSide, suite: Suite, worker: FastestPeers | string): Promise<PreparedPeer> {
  if (typeof worker === 'string') throw new Error(worker);
  const made = await worker.prepare(side.name, side.inputs, side.params);
  if (side.same !== undefined) agree(made.probe, side.same, suite);
  return made;
}

/** Throws unless a side's answer matches that of the side `as`. If it is shorter, only the first numbers are compared. */
function agree(answer: readonly number[], { as, within }: Same, suite: Suite): void {
  const own = suite.own.find(({ name }) => name === as)?.probe?.() ?? [];
  const error = difference(answer, own.slice(0, answer.length));
  if (!(error <= within))
    throw new Error(`its result differs from horoball's ${as} by ${error.toExponential(1)}`);
}

function notMeasured(suite: Suite, side: OwnSide | PeerSide, { threads }: Bench, why: string): Row {
  const { labels, against = '', bar } = side;
  const status = `not measured: ${why}`;
  return row({ ...labels, suite: suite.name, side: title(side), status, threads, against }, bar);
}

/** Returns the name of a side in its row: horoball or the peer. */
function title(side: OwnSide | PeerSide): string {
  return 'run' in side ? (side.side ?? 'horoball') : side.name;
}

function measured(
  suite: Suite,
  { threads }: Bench,
  entries: readonly Entry[],
  rounds: readonly Rounds[],
  peaks: ReadonlyMap<string, number>,
): Row[] {
  const named = new Map(entries.map(({ side }, i) => [side.name, rounds[i]!]));
  const products = entries.filter(({ side }) => suite.peakRate?.includes(side.name));
  const rates = products.map(({ side }) => rate(side, named.get(side.name)!));
  const best = rates.length > 0 ? Math.max(...rates) : Number.NaN;
  return entries.map(({ side, note }, i) => {
    const { median: ms, spread } = figure(rounds[i]!);
    const other = side.against === undefined ? undefined : named.get(side.against);
    const against = other === undefined ? undefined : ratio(rounds[i]!, other);
    const gflops = rate(side, rounds[i]!);
    return row(
      {
        ...side.labels,
        suite: suite.name,
        side: title(side),
        status: 'measured',
        threads,
        ms,
        spread,
        gflop: (side.flops ?? Number.NaN) / 1e9,
        gflops,
        share: gflops / best,
        peakMB: megabytes(peaks, side.name),
        against: side.against ?? '',
        ratio: against?.median ?? Number.NaN,
        ratioSpread: against?.spread ?? Number.NaN,
        note,
      },
      side.bar,
    );
  });
}

function rate({ flops }: OwnSide | PeerSide, rounds: Rounds): number {
  return flops === undefined ? Number.NaN : flops / figure(rounds).median / 1e6;
}

/**
 * Measures the peak memory of one call, for every side with `peak`: own sides in fresh processes, peers in another
 * process.
 */
async function measurePeaks(suite: Suite, { threads, memory }: Bench): Promise<Map<string, number>> {
  const peaks = new Map<string, number>();
  for (const side of suite.own) {
    if (side.peak) peaks.set(side.name, await peakElsewhere(suite.name, side.name, threads));
  }
  const peakSides = suite.peers.filter(({ peak }) => peak);
  if (typeof memory === 'string' || peakSides.length === 0) return peaks;
  await load(suite, memory);
  for (const side of peakSides) {
    try {
      const made = await memory.prepare(side.name, side.inputs, side.params);
      peaks.set(side.name, await made.peak());
    } catch {
      // A peer that failed in the timing process has a row with the reason.
    }
  }
  await memory.drop();
  return peaks;
}
