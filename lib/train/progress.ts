/** Where a meter writes: a terminal or anything else that takes text. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const frameMs = 100;
const plainMs = 15_000;

/**
 * A progress meter. On a terminal it is one line that is drawn again and again; elsewhere a plain line now and
 * then, so that a log stays a log.
 */
export class Meter implements Disposable {
  readonly #output: Output;
  readonly #interactive: boolean;
  readonly #began = performance.now();
  #drawnAt = Number.NEGATIVE_INFINITY;
  #drawn = false;
  #plain = '';
  #from: number | null = null;

  constructor(output: Output = process.stderr) {
    this.#output = output;
    this.#interactive = output.isTTY === true && process.env['TERM'] !== 'dumb';
  }

  /**
   * Shows how far the work is. Calls may come as often as they like; few are drawn.
   * @param done steps done, of `total`
   * @param text what to say beside the bar
   */
  update(done: number, total: number, text: string): void {
    const now = performance.now();
    this.#from ??= Math.max(0, done - 1);
    const last = done >= total;
    if (!last && now - this.#drawnAt < (this.#interactive ? frameMs : plainMs)) return;
    this.#drawnAt = now;
    const left = this.#left(now, done, total);
    if (!this.#interactive) {
      const line = `${done}/${total} ${text}${left}\n`;
      if (line !== this.#plain) this.#output.write(line); // an end may be told twice
      this.#plain = line;
      return;
    }
    // What is left comes first: a narrow terminal cuts the end.
    const line = `${bar(done / total, 24)} ${done}/${total}${left}  ${text}`;
    this.#output.write(`\r\x1b[2K${line.slice(0, (this.#output.columns || 80) - 1)}`);
    this.#drawn = true;
  }

  /** Writes a line that stays. */
  say(text: string): void {
    this.end();
    this.#output.write(`${text}\n`);
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#drawn) this.#output.write('\r\x1b[2K');
    this.#drawn = false;
  }

  /** What is said after an error begins on a line of its own. */
  [Symbol.dispose](): void {
    this.end();
  }

  #left(now: number, done: number, total: number): string {
    const since = done - this.#from!; // work that goes on has some of it done already
    if (since < 1 || done >= total) return '';
    return `, ${clock((((now - this.#began) / since) * (total - done)) / 1000)} left`;
  }
}

function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return '━'.repeat(full) + '─'.repeat(width - full);
}

/** Seconds as `0:07`, `12:34` or `1:02:03`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number): string => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
