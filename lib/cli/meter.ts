import { printable } from '../errors.ts';
import { clock, Pace } from '../train/run/progress.ts';

/** The stream to which a meter writes: a terminal or any text stream. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const frameMs = 100;
const plainMs = 15_000;
const tickMs = 1000;
const plainTickMs = 30_000;
const barWidths = [24, 12];

/** Options of a {@link Meter}. */
export interface MeterOptions {
  /** Averaging window for rate and ETA, in milliseconds; default 30,000. */
  windowMs?: number;
  /** The current time in milliseconds; default `performance.now`. */
  now?: () => number;
  /**
   * Interval in milliseconds at which the elapsed time of {@link Meter.steps} is shown without new steps; null: never.
   * Default: every second on a terminal, every 30 seconds elsewhere.
   */
  tickMs?: number | null;
}

/**
 * A progress meter. On a terminal it redraws a single line; elsewhere it prints a plain line at most every 15 seconds,
 * so that logs stay readable.
 */
export class Meter implements Disposable {
  readonly #output: Output;
  readonly #interactive: boolean;
  readonly #pace: Pace;
  readonly #now: () => number;
  readonly #tickMs: number | null;
  #began: { label: string; ms: number } | null = null;
  #timer: NodeJS.Timeout | undefined;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #drawn = false;
  #plain = '';

  /** @param output - stderr by default */
  constructor(output: Output = process.stderr, { windowMs = 30_000, now, tickMs: every }: MeterOptions = {}) {
    this.#output = output;
    this.#interactive = output.isTTY === true && process.env['TERM'] !== 'dumb';
    this.#pace = new Pace(windowMs);
    this.#now = now ?? (() => performance.now());
    this.#tickMs = every === undefined ? (this.#interactive ? tickMs : plainTickMs) : every;
  }

  /**
   * Shows fields of text and the ETA. Updates are throttled, so this can be called at any rate.
   * @param done - completed items
   * @param total - all items; null if unknown, in which case no ETA is shown
   * @param fields - text to print, most important first: a narrow terminal omits the last ones
   * @param more - seconds of other remaining work, to include in the ETA
   */
  update(done: number, total: number | null, fields: readonly string[], more = 0): void {
    this.#update(done, total, () => fields, more);
  }

  /** Excludes milliseconds from the rate, such as those of an evaluation between two steps. */
  pause(ms: number): void {
    this.#pace.pause(ms);
  }

  /**
   * Shows a count and its rate: `embedding  340/1400 img  412 img/s  eta 00:03`.
   * @param label - the work, such as `embedding`
   * @param unit - unit of the items, such as `img`
   */
  count(label: string, done: number, total: number | null, unit: string): void {
    this.#update(done, total, () => {
      const items = `${done}${total === null ? '' : `/${total}`} ${unit}`;
      const rate = this.#pace.perSecond;
      return [label, items, ...(rate === null ? [] : [`${rateText(rate)} ${unit}/s`])];
    });
  }

  /**
   * Shows steps of unequal length, such as build steps. Shows the elapsed time, because no ETA can be estimated:
   * `building the training addon  33%  elapsed 01:05`.
   * @param done - completed steps
   */
  steps(label: string, done: number, total: number): void {
    const began = this.#began?.label === label ? this.#began : { label, ms: this.#now() };
    this.#began = began;
    const fields = (): string[] => [label, `${Math.floor((100 * done) / total)}%`];
    const draw = (): void =>
      this.#show(done, total, fields(), `elapsed ${clock((this.#now() - began.ms) / 1000)}`);
    if (this.#due(done, total)) draw();
    clearInterval(this.#timer);
    if (this.#tickMs !== null && done < total) this.#timer = setInterval(draw, this.#tickMs).unref();
  }

  #update(done: number, total: number | null, fields: () => readonly string[], more = 0): void {
    clearInterval(this.#timer);
    this.#pace.update(this.#now(), done, total);
    if (!this.#due(done, total)) return;
    const secondsLeft = this.#pace.secondsLeft;
    this.#show(done, total, fields(), secondsLeft === null ? null : `eta ${clock(secondsLeft + more)}`);
  }

  /** Whether to show an update now: the last one always, the others at intervals. If so, records the time. */
  #due(done: number, total: number | null): boolean {
    const now = this.#now();
    const last = total !== null && done >= total;
    if (!last && now - this.#drawnAt < (this.#interactive ? frameMs : plainMs)) return false;
    this.#drawnAt = now;
    return true;
  }

  #show(done: number, total: number | null, given: readonly string[], time: string | null): void {
    const fields = given.map(printable);
    const times = time === null ? [] : [time];
    if (!this.#interactive) {
      const line = `${[...fields, ...times].join('  ')}\n`;
      if (line !== this.#plain) this.#output.write(line); // callers may report completion twice
      this.#plain = line;
      return;
    }
    const width = (this.#output.columns || 80) - 1;
    this.#output.write(`\r\x1b[2K${fitted(fields, times, width, total === null ? null : done / total)}`);
    this.#drawn = true;
  }

  /** Prints a permanent line, with control characters escaped. */
  say(text: string): void {
    this.end();
    this.#output.write(`${printable(text)}\n`);
  }

  /** Removes the progress line. */
  end(): void {
    clearInterval(this.#timer);
    if (this.#drawn) this.#output.write('\r\x1b[2K');
    this.#drawn = false;
  }

  /** Removes the progress line, so that an error message starts on an empty line. */
  [Symbol.dispose](): void {
    this.end();
  }
}

/**
 * Fits the text to the width. The time stays visible: if the line is too long, the last fields are omitted; if there is
 * space, a bar comes first.
 */
function fitted(
  fields: readonly string[],
  times: readonly string[],
  width: number,
  share: number | null,
): string {
  const kept = [...fields];
  const text = (): string => [...kept, ...times].join('  ');
  while (kept.length > 1 && text().length > width) kept.pop();
  if (text().length > width)
    kept[0] = kept[0]!.slice(0, Math.max(0, width - (text().length - kept[0]!.length)));
  const size = share === null ? undefined : barWidths.find((each) => each + 2 + text().length <= width);
  return (size === undefined ? text() : `${bar(share!, size)}  ${text()}`).slice(0, width);
}

function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return '━'.repeat(full) + '─'.repeat(width - full);
}

function rateText(rate: number): string {
  return rate < 9.95 ? rate.toFixed(1) : rate.toFixed(0);
}
