/** Minimum measured time for an ETA: earlier rates mostly reflect start-up. */
const minMs = 1000;
/** Minimum number of intervals in the average, even if they exceed the window, because the first is often the slowest. */
const minIntervals = 4;

/**
 * Measures the rate and the remaining time of counted work over recent updates. The clock starts with the first update above
 * 0, and earlier items do not count: start-up, the first batch and the work of an earlier process would distort the rate.
 */
export class Pace {
  readonly #windowMs: number;
  #samples: { ms: number; done: number }[] = [];
  #total: number | null = null;

  /** @param windowMs - length of the averaging window in milliseconds */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /**
   * Records progress. A smaller count or a different total restarts the measurement.
   * @param ms - current time in milliseconds
   */
  update(ms: number, done: number, total: number | null): void {
    const last = this.#samples.at(-1);
    if (total !== this.#total || (last !== undefined && done < last.done)) this.#samples = [];
    this.#total = total;
    if (done <= 0) return;
    const before = this.#samples.at(-2);
    // Frequent updates replace the newest sample, so that the window holds about 100 samples.
    if (before !== undefined && ms - before.ms < this.#windowMs / 100) this.#samples.pop();
    this.#samples.push({ ms, done });
    while (this.#samples.length > minIntervals + 1 && this.#samples[1]!.ms <= ms - this.#windowMs)
      this.#samples.shift();
  }

  /** Excludes time from the rate, such as the time of an evaluation between two steps. */
  pause(ms: number): void {
    for (const sample of this.#samples) sample.ms += ms;
  }

  /** Items per second; null before the second update. */
  get perSecond(): number | null {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.done <= first.done) return null;
    return ((last.done - first.done) * 1000) / Math.max(1, last.ms - first.ms);
  }

  /** Remaining seconds; null if finished, if the total is unknown, or in the first second. */
  get secondsLeft(): number | null {
    const [first, last, rate, total] = [this.#samples[0], this.#samples.at(-1), this.perSecond, this.#total];
    if (first === undefined || last === undefined || rate === null || total === null) return null;
    if (last.done >= total || last.ms - first.ms < minMs) return null;
    return (total - last.done) / rate;
  }
}

/** Estimates the time of pending evaluations from earlier evaluations of the run. */
export class EvaluationTimes {
  readonly #due: readonly number[];
  #sum = 0;
  #count = 0;

  /** @param due - the epochs after which to evaluate; 0 is before training */
  constructor(due: readonly number[]) {
    this.#due = due;
  }

  add(ms: number): void {
    this.#sum += ms;
    ++this.#count;
  }

  /** Returns the estimated seconds of the evaluations due from this epoch on; 0 until the first evaluation was timed. */
  secondsFrom(epoch: number): number {
    if (this.#count === 0) return 0;
    const pending = new Set(this.#due.filter((each) => each >= epoch)).size;
    return (pending * this.#sum) / this.#count / 1000;
  }
}

/** Formats seconds as `00:07`, `12:34` or `1:02:03`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number): string => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${two(m)}:${two(s)}`;
}
