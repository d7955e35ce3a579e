import type { HealthRow } from '../train/record.ts';

/** Epochs can be short; a line for each would push everything else away. */
const pauseMs = 10_000;

/**
 * Says how the points stand at the end of an epoch: at most every ten seconds, and at once when something is at a limit
 * or leaves it; nothing while nothing changes.
 */
export class HealthTeller {
  readonly #say: (text: string) => void;
  readonly #now: () => number;
  #saidAt = Number.NEGATIVE_INFINITY;
  #state = '';
  #text = '';

  constructor(say: (text: string) => void, now: () => number = () => performance.now()) {
    this.#say = say;
    this.#now = now;
  }

  tell(row: HealthRow): void {
    const state = `${row.atRim > 0} ${row.saturated > 0} ${row.skippedSteps}`;
    const text = standing(row);
    if (text === this.#text || (this.#now() - this.#saidAt < pauseMs && state === this.#state)) return;
    this.#saidAt = this.#now();
    this.#state = state;
    this.#text = text;
    this.#say(healthText(row));
  }
}

/** One line for people: where the points are, what is at its limit, and float16's scale. */
export function healthText(row: HealthRow): string {
  return `Epoch ${row.epoch}: ${standing(row)}`;
}

function standing({ c, radius, atRim, saturated, scale, skippedSteps }: HealthRow): string {
  const parts = [
    `radius ${radius.min.toFixed(3)} to ${radius.max.toFixed(3)} of the ball's (c ${Number(c.toPrecision(4))}) ${sparkline(radius.histogram)}`,
    `${percent(atRim)} % at the rim`,
    `${percent(saturated)} % of distances saturated`,
  ];
  if (scale !== null) parts.push(`loss scale ${scale}, ${skippedSteps} steps left out`);
  return parts.join(', ');
}

const levels = ' ▁▂▃▄▅▆▇█';

/** A histogram in as many characters as it has bins; what is not empty is at least the lowest bar. */
function sparkline(counts: readonly number[]): string {
  const most = Math.max(1, ...counts);
  return `|${counts.map((count) => levels[Math.ceil((count / most) * (levels.length - 1))]).join('')}|`;
}

function percent(share: number): string {
  const value = 100 * share;
  return value > 0 && value < 0.05 ? '<0.1' : value.toFixed(1);
}
