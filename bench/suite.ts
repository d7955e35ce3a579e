import type { Figure, Plan } from './measure.ts';
import type { PeerInput } from './peers/client.ts';
import type { Bar, Labels } from './results.ts';

/** The horoball side whose answer another side must match, within a relative tolerance. */
export interface Same {
  readonly as: string;
  readonly within: number;
}

/** A call in this process, of horoball or a JavaScript peer. */
export interface OwnSide {
  /** Unique within its suite; other sides name it in `against`. */
  readonly name: string;
  /** Name of the side in the table; default `horoball`. */
  readonly side?: string;
  readonly labels: Labels;
  run(): unknown;
  /** Floating-point operations per call, if a rate is meaningful. */
  readonly flops?: number;
  /** Returns a few numbers of the answer, to compare with those of a peer. */
  probe?(): readonly number[];
  /** The side whose answer this one must match, if any. */
  readonly same?: Same;
  /** Whether the memory of one call is also measured, in a fresh process. */
  readonly peak?: boolean;
  readonly against?: string;
  readonly bar?: Bar;
}

/** A call in the Python process. */
export interface PeerSide {
  readonly name: string;
  readonly labels: Labels;
  readonly params: object;
  /** Names of the suite's arrays that are passed to the peer, keyed by the peer's argument names. */
  readonly inputs: Record<string, string>;
  readonly same?: Same;
  readonly flops?: number;
  readonly peak?: boolean;
  readonly against?: string;
  readonly bar?: Bar;
}

/** The measurements of a suite's sides; NaN if not measured. */
export interface Measured {
  ms(side: string): number;
  peakMB(side: string): number;
  /** Returns the time of one side divided by that of another, per round. */
  ratio(side: string, other: string): Figure;
}

/** A figure derived from the sides' times or memory peaks. */
export interface Derived {
  readonly labels: Labels;
  readonly side: string;
  readonly unit: string;
  readonly bar?: Bar;
  value(of: Measured): number | Figure;
}

/** Sides that alternate on the same inputs. */
export interface Suite {
  readonly name: string;
  readonly arrays: Readonly<Record<string, PeerInput>>;
  readonly own: readonly OwnSide[];
  readonly peers: readonly PeerSide[];
  /** Names of the peers (matrix products) whose highest FLOP rate counts as the peak of the machine for this suite. */
  readonly peakRate?: readonly string[];
  readonly derived?: readonly Derived[];
  /** Overrides of the run's plan. */
  readonly plan?: Partial<Plan>;
  /** Throws if an answer differs from the oracle's. */
  check(): void;
}

/** Returns the largest relative difference; numbers below `floor` are compared relative to it. */
export function difference(a: readonly number[], b: readonly number[], floor = 1e-30): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  const each = a.map((value, i) => Math.abs(value - b[i]!) / Math.max(Math.abs(b[i]!), floor));
  return each.reduce((worst, one) => (one > worst || Number.isNaN(one) ? one : worst), 0);
}
