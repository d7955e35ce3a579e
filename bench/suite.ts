import type { Figure, Plan } from './measure.ts';
import type { PeerInput } from './peers/client.ts';
import type { Bar, Labels } from './rows.ts';

/** The own side whose answer a peer must give, within a relative tolerance. */
export interface Same {
  readonly as: string;
  readonly within: number;
}

/** A call in this process: horoball's, or a JavaScript peer's. */
export interface OwnSide {
  /** Unique in its suite; what the others name in `against`. */
  readonly name: string;
  /** Default `horoball`. */
  readonly side?: string;
  readonly labels: Labels;
  run(): unknown;
  /** Floating-point operations that a call does, where they are worth a rate. */
  readonly flops?: number;
  /** A few numbers of the answer, to compare with a peer's. */
  probe?(): readonly number[];
  /** For a JavaScript peer. */
  readonly same?: Same;
  /** Measures the memory of one call in a fresh process. */
  readonly peak?: boolean;
  readonly against?: string;
  readonly bar?: Bar;
}

/** A call in the Python process. */
export interface PeerSide {
  readonly name: string;
  readonly labels: Labels;
  readonly params: object;
  /** Which of the suite's arrays it gets, by its own names. */
  readonly inputs: Record<string, string>;
  readonly same?: Same;
  readonly flops?: number;
  readonly peak?: boolean;
  readonly against?: string;
  readonly bar?: Bar;
}

/** What was measured of a suite's sides; NaN of one that was not. */
export interface Measured {
  ms(side: string): number;
  peakMB(side: string): number;
  /** Time of a side over another's, round by round. */
  ratio(side: string, other: string): Figure;
}

/** A figure made of the sides' times or peaks. */
export interface Derived {
  readonly labels: Labels;
  readonly side: string;
  readonly unit: string;
  readonly bar?: Bar;
  value(of: Measured): number | Figure;
}

/** Sides that take turns over the same inputs. */
export interface Suite {
  readonly name: string;
  readonly arrays: Readonly<Record<string, PeerInput>>;
  readonly own: readonly OwnSide[];
  readonly peers: readonly PeerSide[];
  /** The peers whose rate is the machine's peak for the shape: the best of them. */
  readonly peakRate?: readonly string[];
  readonly derived?: readonly Derived[];
  /** Where the standard one does not fit. */
  readonly plan?: Partial<Plan>;
  /** Throws when an answer is not the oracle's. */
  check(): void;
}

/** Largest relative difference; differences of numbers below `floor` count against it. */
export function difference(a: readonly number[], b: readonly number[], floor = 1e-30): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  const each = a.map((value, i) => Math.abs(value - b[i]!) / Math.max(Math.abs(b[i]!), floor));
  return each.reduce((worst, one) => (one > worst || Number.isNaN(one) ? one : worst), 0);
}
