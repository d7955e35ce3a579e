/** How time grows with the numbers of rows and columns, from the results of the suite `scaling`. */
import { exponent } from './measure.ts';
import type { Results, Row } from './results.ts';
import { number } from './table.ts';

/** A measured series and its power law `ms = ms(largest) (size / largest)^exponent`. */
export interface Growth {
  readonly op: string;
  readonly over: 'N' | 'D';
  readonly exponent: number;
  readonly largest: number;
  readonly ms: number;
  /** Memory beyond inputs and results at the largest size; NaN if it was not measured. */
  readonly peakMB: number;
}

/** How many of the largest sizes are fitted; smaller calls spend much of their time on starting threads. */
const fittedSizes = 3;

/** Fits a power law to the largest sizes of every series with at least three sizes. */
export function growths({ rows }: Results): Growth[] {
  const series = new Map<string, Row[]>();
  const measured = rows.filter(({ suite, ms }) => suite === 'scaling' && ms > 0);
  const threads = Math.min(...measured.map((row) => row.threads)); // rows with more threads measure memory only
  for (const row of measured.filter((row) => row.threads === threads)) {
    const key = `${row.op} ${/scaling, (.) =/.exec(row.shape)?.[1]}`;
    series.set(key, [...(series.get(key) ?? []), row]);
  }
  return [...series]
    .filter(([, points]) => points.length >= fittedSizes)
    .map(([key, points]) => {
      const over = key.at(-1) === 'D' ? 'D' : 'N';
      const sizes = points.map(({ n, m, dim }) => (over === 'D' ? dim : Math.max(n, m)));
      const last = points.at(-1)!;
      return {
        op: last.op,
        over,
        exponent: exponent(
          sizes.slice(-fittedSizes),
          points.slice(-fittedSizes).map(({ ms }) => ms),
        ),
        largest: sizes.at(-1)!,
        ms: last.ms,
        peakMB: last.peakMB,
      };
    });
}

const words: Readonly<Record<string, string>> = {
  hybridContrastiveLoss: '`hybridContrastiveLoss` with all gradients, a batch of N rows',
  pairwiseDistance: '`pairwiseDistance`, N x N',
  'topK, k = 10': '`topK`, the 10 nearest of N rows for 512 queries',
};

/** The sizes to which the growth in N is extrapolated. */
const far = [1e6, 1e9] as const;

/** Returns a table in Markdown: the fit, the measurement, and the extrapolation to sizes that take too long to measure. */
export function growthTable(results: Results): string {
  const lines = growths(results).map(({ op, over, exponent, largest, ms, peakMB }) => [
    `${words[op] ?? op}${over === 'D' ? ', by columns D' : ''}`,
    `${over}^${exponent.toFixed(2)}`,
    `${duration(ms / 1000)} at ${over} = ${number(largest)}`,
    Number.isNaN(peakMB) ? '' : `${number(Math.ceil(peakMB))} MB`,
    ...far.map((size) => (over === 'D' ? '' : duration((ms / 1000) * (size / largest) ** exponent))),
  ]);
  const heads = ['', 'time grows as', 'measured', 'memory beyond inputs and results', 'N = 10^6', 'N = 10^9'];
  return [heads, heads.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const units: readonly (readonly [seconds: number, name: string])[] = [
  [365.25 * 86_400, 'years'],
  [86_400, 'days'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
  [1e-3, 'ms'],
];

/** Formats a duration with two significant digits, in the largest unit of which it is at least one. */
export function duration(seconds: number): string {
  const [size, name] = units.find(([size]) => seconds >= size) ?? units.at(-1)!;
  const value = Number((seconds / size).toPrecision(2));
  return `${value < 1e6 ? number(value) : value.toExponential(0).replace('e+', ' x 10^')} ${name}`;
}
