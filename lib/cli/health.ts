import { counted } from '../train/report/run/extent.ts';
import type { HealthRow } from '../train/run/record.ts';

/** Minimum time between two reports: epochs can be short, and one line per epoch would crowd out everything else. */
const pauseMs = 10_000;

/**
 * Reports changes of numerical health at the end of an epoch, at most every ten seconds. Reports sooner if a step was
 * skipped, or if values start or stop being at their limits.
 */
export class HealthReporter {
  readonly #say: (text: string) => void;
  readonly #now: () => number;
  #saidAt = Number.NEGATIVE_INFINITY;
  #state = '';
  #text = '';

  constructor(say: (text: string) => void, now: () => number = () => performance.now()) {
    this.#say = say;
    this.#now = now;
  }

  report(row: HealthRow): void {
    const state = `${row.atRim > 0} ${row.saturated > 0} ${row.skippedSteps}`;
    const text = valuesText(row);
    if (text === this.#text || (this.#now() - this.#saidAt < pauseMs && state === this.#state)) return;
    this.#saidAt = this.#now();
    this.#state = state;
    this.#text = text;
    this.#say(healthText(row));
  }
}

/** Returns one line of text: radii, fractions of values at their limits, and the loss scale. */
export function healthText(row: HealthRow): string {
  return `Epoch ${row.epoch}: ${valuesText(row)}`;
}

function valuesText({ c, radius, atRim, saturated, scale, skippedSteps }: HealthRow): string {
  const parts = [
    `radius ${radius.min.toFixed(3)} to ${radius.max.toFixed(3)} of the ball radius (c ${Number(c.toPrecision(4))}) ${sparkline(radius.histogram)}`,
    `${percent(atRim)}% of points at the boundary`,
    `${percent(saturated)}% of distances saturated`,
  ];
  if (scale !== null) parts.push(`loss scale ${scale}, ${counted(skippedSteps, 'step')} skipped`);
  return parts.join(', ');
}

const levels = ' ▁▂▃▄▅▆▇█';

/** Returns a histogram with one character per bin; a bin that is not empty gets at least the lowest bar. */
function sparkline(counts: readonly number[]): string {
  const most = Math.max(1, ...counts);
  return `|${counts.map((count) => levels[Math.ceil((count / most) * (levels.length - 1))]).join('')}|`;
}

function percent(share: number): string {
  const value = 100 * share;
  return value > 0 && value < 0.05 ? '<0.1' : value.toFixed(1);
}
