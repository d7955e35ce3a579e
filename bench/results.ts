/** What a row measures; with the suite, side, threads and unit, it identifies the row. */
export interface Labels {
  /** The operation, such as `pairwiseDistance`. */
  readonly op: string;
  /** Name of the shape, and anything special about the inputs: `vit-s, y = x`. */
  readonly shape: string;
  readonly n: number;
  readonly m: number;
  readonly dim: number;
  readonly views: number;
  readonly type: string;
  /** Metric card or geometry of the loss. */
  readonly geometry: string;
  readonly heads: '' | 'tied' | 'untied';
  readonly guards: 'clean' | 'compat';
  readonly pass: 'forward' | 'backward' | 'both';
}

/** The quantity that a target limits, and in which direction. */
export interface Bar {
  readonly of: 'ratio' | 'ms' | 'peakMB' | 'value';
  readonly atLeast?: number;
  readonly atMost?: number;
}

/**
 * Whether a row meets its target: `pass` if it does even at the worse end of its spread, `fail` if it misses it even
 * at the better end, `within noise` in between, `open` if it was not measured. Empty without a target.
 */
export type Verdict = '' | 'pass' | 'within noise' | 'fail' | 'open';

/** One row of the results. Missing numbers are NaN. */
export interface Row extends Labels {
  readonly suite: string;
  /** `horoball`, or the peer's name. */
  readonly side: string;
  /** `measured`, or `not measured: why`. */
  readonly status: string;
  readonly threads: number;
  readonly ms: number;
  /** Spread of the rounds; see `Figure`. */
  readonly spread: number;
  /** Arithmetic actually performed per call, in 10^9 operations; NaN if the call is bound by memory. */
  readonly gflop: number;
  /** Floating-point operations per second, in GFLOP/s. */
  readonly gflops: number;
  /** Rate relative to the best sgemm of the same shape in the same run. */
  readonly share: number;
  readonly peakMB: number;
  /** The side that `ratio` compares with. */
  readonly against: string;
  /** This row's time divided by that of `against`: the median of the ratios of all rounds. */
  readonly ratio: number;
  readonly ratioSpread: number;
  /** A result other than a time, in `unit`; `ratioSpread` is its spread if it is a ratio. */
  readonly value: number;
  readonly unit: string;
  readonly bar: string;
  readonly verdict: Verdict;
  readonly note: string;
}

/** The results of a run and their origin. */
export interface Results {
  readonly about: Record<string, string>;
  readonly rows: readonly Row[];
}

/** The key in {@link Results.about} of the machine's measured peak rate of float32 multiply-adds. */
export const peakKey = 'multiply-add peak';

/** Returns the machine's peak rate in GFLOP/s; NaN if it was not measured. */
export function peakOf({ about }: Results): number {
  return Number.parseFloat(about[peakKey] ?? '');
}

/** The largest relative difference of the peak rates of one machine, from run to run. */
const peakNoise = 0.1;

/**
 * Whether two runs are from one machine at one speed: with equal names, and peak rates that differ by at most `peakNoise`.
 * Older rows may lack the CPU's generation in the name or the peak rate; these are compared only if both runs have them.
 */
export function isOneMachine(a: Results, b: Results): boolean {
  const [one, other] = [a, b].map(({ about }) => about['machine'] ?? '') as [string, string];
  const [peak, otherPeak] = [peakOf(a), peakOf(b)];
  const isSlower = Math.abs(peak - otherPeak) > peakNoise * Math.max(peak, otherPeak); // false for NaN
  return !isSlower && (one === other || withoutGeneration(one) === other || withoutGeneration(other) === one);
}

function withoutGeneration(machine: string): string {
  return machine.replace(/-f\d+m\d+s\d+(?=-x\d+$)/, '');
}

const nothing: Omit<Row, keyof Labels | 'suite' | 'side' | 'status' | 'threads'> = {
  ms: Number.NaN,
  spread: Number.NaN,
  gflop: Number.NaN,
  gflops: Number.NaN,
  share: Number.NaN,
  peakMB: Number.NaN,
  against: '',
  ratio: Number.NaN,
  ratioSpread: Number.NaN,
  value: Number.NaN,
  unit: '',
  bar: '',
  verdict: '',
  note: '',
};

/** Completes a row from the values that are known, and judges it by its target. */
export function row(
  known: Partial<Row> & Labels & Pick<Row, 'suite' | 'side' | 'status' | 'threads'>,
  bar?: Bar,
): Row {
  const whole = { ...nothing, ...known };
  return bar === undefined ? whole : { ...whole, bar: barText(bar), verdict: judge(whole, bar) };
}

function barText(bar: Bar): string {
  const limit = bar.atLeast === undefined ? `<= ${bar.atMost}` : `>= ${bar.atLeast}`;
  return `${bar.of} ${limit}`;
}

/** Reads a target that {@link barText} wrote. */
function parseBar(text: string): Bar {
  const [of, relation, limit] = text.split(' ') as [Bar['of'], '<=' | '>=', string];
  return { of, [relation === '<=' ? 'atMost' : 'atLeast']: Number(limit) };
}

/** Judges a row by another target, in the format of {@link Row.bar}. */
export function judgedBy(row: Row, bar: string): Row {
  return { ...row, bar, verdict: bar === '' ? '' : judge(row, parseBar(bar)) };
}

/** Judges a row by a target. Only ratios have a spread; without one, a single number decides. */
function judge(row: Row, bar: Bar): Verdict {
  const found = row[bar.of];
  if (Number.isNaN(found)) return 'open';
  const spread = bar.of === 'ratio' && !Number.isNaN(row.ratioSpread) ? row.ratioSpread : 0;
  const meets = (value: number) => value >= (bar.atLeast ?? -Infinity) && value <= (bar.atMost ?? Infinity);
  const ends = [meets(found * (1 - spread)), meets(found * (1 + spread))];
  if (ends.every(Boolean)) return 'pass';
  return ends.some(Boolean) ? 'within noise' : 'fail';
}

const labels = [
  'suite',
  'op',
  'side',
  'shape',
  'n',
  'm',
  'dim',
  'views',
  'type',
  'geometry',
  'heads',
  'guards',
  'pass',
] as const;
const columns = [
  ...labels,
  ...([
    'threads',
    'status',
    'ms',
    'spread',
    'gflop',
    'gflops',
    'share',
    'peakMB',
    'against',
    'ratio',
    'ratioSpread',
  ] as const),
  ...(['value', 'unit', 'bar', 'verdict', 'note'] as const),
] as const satisfies readonly (keyof Row)[];

/** Returns a key that is equal for rows of two runs that measure the same quantity. */
export function identity(row: Row): string {
  return [...labels.map((key) => row[key]), row.threads, row.unit].join('|');
}

/** Formats results as lines `# key: value`, followed by a table with a header. */
export function toCsv({ about, rows }: Results): string {
  const head = Object.entries(about).map(([key, value]) => `# ${key}: ${value}`);
  const lines = rows.map((row) => columns.map((column) => cell(row[column])).join(','));
  return `${[...head, columns.join(','), ...lines].join('\n')}\n`;
}

function cell(value: string | number): string {
  if (typeof value === 'number') return Number.isNaN(value) ? '' : String(Number(value.toPrecision(5)));
  return /[",\n]/.test(value) ? `"${value.replaceAll('"', '""').replaceAll('\n', ' ')}"` : value;
}

/** Reads a table that {@link toCsv} wrote, and recomputes the verdict of each row instead of reading it. */
export function fromCsv(text: string): Results {
  const lines = text.split('\n').filter((line) => line !== '');
  const head = lines.filter((line) => line.startsWith('# '));
  const about = Object.fromEntries(
    head.map((line) =>
      line
        .slice(2)
        .split(/: (.*)/s)
        .slice(0, 2),
    ),
  );
  const [names = '', ...data] = lines.slice(head.length);
  if (names !== columns.join(',')) throw new Error('not a table of results, or a table of another version');
  return { about, rows: data.map(parseRow) };
}

function parseRow(line: string): Row {
  const cells = [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)];
  const entries = columns.map((column, i) => {
    const text = cells[i]?.[1]?.replaceAll('""', '"') ?? cells[i]?.[2] ?? '';
    return [column, isNumeric(column) ? (text === '' ? Number.NaN : Number(text)) : text];
  });
  const read = Object.fromEntries(entries) as unknown as Row;
  return read.bar === '' ? read : { ...read, verdict: judge(read, parseBar(read.bar)) };
}

function isNumeric(column: keyof Row): boolean {
  return column in nothing
    ? typeof nothing[column as keyof typeof nothing] === 'number'
    : ['n', 'm', 'dim', 'views', 'threads'].includes(column);
}
