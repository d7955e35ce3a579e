import { type Html, html, type Part } from '../html.ts';

/** One line of a chart. `faint` are the values before smoothing, which are drawn behind the line. */
export interface Series {
  name: string;
  color: string;
  x: readonly number[];
  y: readonly number[];
  faint?: readonly number[];
  /** Bounds of the error bar at each point. */
  low?: readonly number[];
  high?: readonly number[];
}

export interface ChartOptions {
  title: string;
  xLabel: string;
  series: readonly Series[];
  /** Limits of the vertical axis; by default, the range of the data. */
  yMin?: number;
  yMax?: number;
  /** Whether values are shown as percentages. */
  percent?: boolean;
  /**
   * Whether the x-axis is logarithmic. It has one tick per x value or, with `dense`, ticks at 1, 2 and 5 times powers
   * of ten.
   */
  logX?: boolean;
  /** Whether lines have many points, so that dots and horizontal offsets are omitted. */
  dense?: boolean;
  /** Labeled horizontal reference lines. */
  marks?: readonly { name: string; y: number }[];
}

const width = 460;
const height = 264;
/** The plot area. */
const box = { left: 44, right: width - 14, top: 14, bottom: height - 34 } as const;

/** Larger values are drawn as gaps, because their differences would overflow. */
const largest = 1e200;

/** Whether a value can be drawn; others are gaps in the line. */
function isDrawable(value: number | undefined): value is number {
  return value !== undefined && Math.abs(value) <= largest; // false for NaN
}

/** Whether a line has a measured value. */
function isMeasured({ x, y }: Series): boolean {
  return x.some((value, i) => isDrawable(value) && isDrawable(y[i]));
}

/** Returns a figure with a line chart, or with a note if nothing was measured; chart-script.ts reads its `data-chart`. */
export function lineChart(options: ChartOptions): Html {
  if (options.series.some(isMeasured)) return drawnChart(options);
  return html`<figure class="chart"><figcaption>${options.title}</figcaption><p class="note">Not measured.</p></figure>`;
}

function drawnChart(options: ChartOptions): Html {
  const xs = options.series.flatMap((series) => series.x).filter(isDrawable);
  const ys = options.series.flatMap(({ y, faint, low, high }) =>
    [y, faint, low, high].flatMap((values) => [...(values ?? [])]),
  );
  const marks = (options.marks ?? []).filter((mark) => isDrawable(mark.y));
  for (const mark of marks) ys.push(mark.y);
  const inner = options.logX && !options.dense ? 26 : 0; // keeps error bars at both ends clear of the axes
  const x = scale(xDomain(xs, options), [box.left + inner, box.right - inner], options.logX);
  const vertical = yEnds(ys, options);
  const y = scale(vertical.domain, [box.bottom, box.top]);
  return html`<figure class="chart">
<figcaption>${options.title}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${options.title}" data-chart="${chartData(options, x, y)}">
<g class="axes">${yAxis(y, vertical.tickValues, options.percent ? percent : plain)}${xAxis(x, xTicks(xs, x, options))}</g>${axisLine(options.xLabel)}
<svg class="plot" x="${box.left}" y="${box.top}" width="${box.right - box.left}" height="${box.bottom - box.top}" viewBox="${box.left} ${box.top} ${box.right - box.left} ${box.bottom - box.top}" preserveAspectRatio="none">
${marks.map((mark) => markLine(mark, y))}
${options.series.map((series, i) => line(series, shifted(x, options, i), y, options.dense))}</svg>
<rect class="selection" y="${box.top}" width="0" height="${box.bottom - box.top}"/><g class="cursor"></g></svg>
${legend(options.series)}</figure>`;
}

interface Scale {
  domain: readonly [number, number];
  at(value: number): number;
}

function scale(domain: readonly [number, number], range: readonly [number, number], log = false): Scale {
  const map = log ? Math.log : (value: number): number => value;
  const span = map(domain[1]) - map(domain[0]) || 1;
  return {
    domain,
    at: (value) => range[0] + ((map(value) - map(domain[0])) / span) * (range[1] - range[0]),
  };
}

/** Returns the limits of the x-axis; a single x value is centered. */
function xDomain(xs: readonly number[], { logX }: ChartOptions): [number, number] {
  const [low, high] = extent(xs);
  if (high > low) return [low, high];
  return logX ? [low / 2, 2 * low] : [low - 0.5, low + 0.5];
}

/** Returns the ticks of the x-axis; integer x values, such as steps, get integer ticks. */
function xTicks(xs: readonly number[], x: Scale, { logX, dense }: ChartOptions): number[] {
  if (logX) return placed(dense ? decades(x.domain) : xs, x);
  return ticks(x.domain, 5, xs.every(Number.isInteger) ? 1 : 0);
}

/**
 * Returns the limits and ticks of the vertical axis. Without `yMin`, equal values are centered, because a line at the
 * bottom would look like 0.
 */
function yEnds(
  ys: readonly number[],
  { yMin, yMax }: ChartOptions,
): { domain: [number, number]; tickValues: number[] } {
  const [low, high] = extent(ys);
  const [from, to] = [yMin ?? low, yMax ?? high + 0.04 * (high - low)];
  const size = Math.max(Math.abs(from), Math.abs(to));
  // Ignore rounding errors: two means of equal values can differ in the last digits.
  if (to - from > 1e-9 * size) return { domain: [from, to], tickValues: ticks([from, to]) };
  if (yMin !== undefined) return { domain: [from, from + 1], tickValues: ticks([from, from + 1]) };
  const margin = 0.1 * size || 1;
  return { domain: [low - margin, low + margin], tickValues: [low] };
}

/** Returns 1, 2 and 5 times the powers of ten inside a domain. */
function decades([low, high]: readonly [number, number]): number[] {
  const powers = Array.from({ length: 40 }, (_, i) => 10 ** (i - 20));
  const found = powers.flatMap((power) => [1, 2, 5].map((factor) => Number((factor * power).toPrecision(3))));
  return found.filter((value) => value >= low && value <= high);
}

/** Returns the values whose tick labels do not overlap; short labels have priority. */
function placed(xs: readonly number[], x: Scale): number[] {
  const kept: number[] = [];
  const short = [...new Set(xs)].sort((a, b) => String(a).length - String(b).length || a - b);
  for (const value of short) {
    // Half of a label takes up to 4 units per digit on a narrow page.
    const apart = (other: number): number => 4 * (String(value).length + String(other).length) + 10;
    if (kept.every((other) => Math.abs(x.at(value) - x.at(other)) > apart(other))) kept.push(value);
  }
  return kept;
}

/** Offsets lines horizontally, so that error bars at the same x value do not overlap. */
function shifted(x: Scale, { series, logX, dense }: ChartOptions, index: number): Scale {
  if (!logX || dense) return x;
  const step = Math.min(6, 24 / series.length);
  return { ...x, at: (value) => x.at(value) + step * (index - (series.length - 1) / 2) };
}

function extent(values: readonly number[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!isDrawable(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 1];
}

/** Returns about `count` evenly spaced round numbers inside a domain, at least `apart` from each other. */
export function ticks([low, high]: readonly [number, number], count = 5, apart = 0): number[] {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(apart, power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10));
  const first = Math.ceil(low / step - 1e-9);
  const found: number[] = [];
  // The count is bounded, because the loop would not end for a `first` above 2^53, to which adding 1 has no effect.
  for (let i = 0; i <= 2 * count && (first + i) * step <= high + 1e-9 * step; i++) {
    found.push(Number(((first + i) * step).toPrecision(12)));
  }
  return found;
}

const plain = (value: number): string => String(Number(value.toPrecision(4)));
const percent = (value: number): string => `${Number((100 * value).toPrecision(3))}%`;

function yAxis(y: Scale, tickValues: readonly number[], format: (value: number) => string): Part {
  return tickValues.map((value) => {
    const at = y.at(value).toFixed(1);
    return html`<path class="grid" d="M${box.left} ${at}H${box.right}"/><text class="tick" x="${box.left - 7}" y="${at}" dy="0.35em" text-anchor="end">${format(value)}</text>`;
  });
}

function axisLine(label: string): Html {
  return html`<path class="axis" d="M${box.left} ${box.bottom}H${box.right}"/><text class="label" x="${box.right}" y="${height - 3}" text-anchor="end">${label}</text>`;
}

function xAxis(x: Scale, tickValues: readonly number[]): Part {
  return tickValues.map(
    (value) =>
      html`<text class="tick" x="${x.at(value).toFixed(1)}" y="${box.bottom + 15}" text-anchor="middle">${plain(value)}</text>`,
  );
}

function markLine(mark: { name: string; y: number }, y: Scale): Html {
  const at = y.at(mark.y);
  return html`<path class="mark" d="M${box.left} ${at.toFixed(1)}H${box.right}"/><text class="label" x="${box.right}" y="${(at - 4).toFixed(1)}" text-anchor="end">${mark.name}</text>`;
}

function line(series: Series, x: Scale, y: Scale, dense = false): Html {
  const lone = new Set(lonePoints(series));
  const dots = !dense && series.x.length <= 24;
  return html`${bars(series, x, y)}${series.faint ? html`<path class="line faint" stroke="${series.color}" d="${path(series.x, series.faint, x, y)}"/>` : null}<path class="line" stroke="${series.color}" d="${path(series.x, series.y, x, y)}"/>${series.x.map(
    (value, i) =>
      (dots || lone.has(i)) && isDrawable(series.y[i]) && isDrawable(value)
        ? html`<path class="dot" stroke="${series.color}" d="M${x.at(value).toFixed(1)} ${y.at(series.y[i]).toFixed(1)}h0"/>`
        : null,
  )}`;
}

/** Returns the path of a line, which is interrupted at gaps. */
function path(xs: readonly number[], ys: readonly number[], x: Scale, y: Scale): string {
  let pen = 'M';
  const pieces: string[] = [];
  for (const [i, value] of ys.entries()) {
    const x0 = xs[i];
    if (!isDrawable(value) || !isDrawable(x0)) pen = 'M';
    else {
      pieces.push(`${pen}${x.at(x0).toFixed(1)} ${y.at(value).toFixed(1)}`);
      pen = 'L';
    }
  }
  return pieces.join('');
}

/** Returns the indices of points between two gaps; they need a dot, because no line passes through them. */
function lonePoints({ y }: Series): number[] {
  return [...y.keys()].filter((i) => isDrawable(y[i]) && !isDrawable(y[i - 1]) && !isDrawable(y[i + 1]));
}

/** Draws the error bar of each point. */
function bars({ x: values, low, high, color }: Series, x: Scale, y: Scale): Part {
  if (low === undefined || high === undefined) return null;
  return values.map((value, i) => {
    if (!isDrawable(low[i]) || !isDrawable(high[i]) || !isDrawable(value)) return null;
    const at = x.at(value);
    const [bottom, top] = [y.at(low[i]).toFixed(1), y.at(high[i]).toFixed(1)];
    return html`<path class="whisker" stroke="${color}" d="M${at.toFixed(1)} ${bottom}V${top}M${(at - 4).toFixed(1)} ${bottom}h8M${(at - 4).toFixed(1)} ${top}h8"/>`;
  });
}

function legend(series: readonly Series[]): Part {
  if (series.length < 2) return null;
  return html`<ul class="legend">${series.map(
    (one) =>
      html`<li><i style="background:${one.color}"></i>${one.name}${isMeasured(one) ? null : ' (not measured)'}</li>`,
  )}</ul>`;
}

/** Returns the data for chart-script.ts: rounded positions and values of every line, and the limits of linear axes. */
function chartData(options: ChartOptions, x: Scale, y: Scale): string {
  return JSON.stringify({
    xLabel: options.xLabel,
    percent: options.percent ?? false,
    box,
    ...(!options.logX && { domain: { x: x.domain, y: y.domain } }),
    series: options.series.map((series, i) => {
      const points = series.x.flatMap((from, at): [number, number][] => {
        const value = series.y[at];
        return isDrawable(from) && isDrawable(value) ? [[from, value]] : [];
      });
      return {
        name: series.name,
        color: series.color,
        x: points.map(([from]) => from),
        y: points.map(([, value]) => Number(value.toPrecision(4))),
        px: points.map(([from]) => tenths(shifted(x, options, i).at(from))),
        py: points.map(([, value]) => tenths(y.at(value))),
      };
    }),
  });
}

const tenths = (value: number): number => Math.round(10 * value) / 10;

/**
 * Averages neighboring values to at most `bins` points, the number that a chart can resolve. Each point is at the mean x of
 * its values, and is a gap if none of them was measured.
 */
export function binned(
  x: readonly number[],
  y: readonly number[],
  bins: number,
): { x: number[]; y: number[] } {
  const size = Math.max(1, Math.ceil(x.length / bins));
  const out: { x: number[]; y: number[] } = { x: [], y: [] };
  for (let i = 0; i < x.length; i += size) {
    const end = Math.min(x.length, i + size);
    out.x.push(mean(x.slice(i, end)));
    out.y.push(mean(y.slice(i, end)));
  }
  return out;
}

/** Returns the mean of the measured values; NaN without any. */
function mean(values: readonly number[]): number {
  const measured = values.filter(isDrawable);
  return measured.reduce((sum, value) => sum + value, 0) / measured.length;
}

/** Returns the window size for smoothing a line of `count` values; 1 (no smoothing) if there are too few. */
export function smoothingWindow(count: number): number {
  return Math.max(1, Math.round(count / 20));
}

/** Returns centered moving averages over `window` values (one more if it is even), fewer at both ends. Gaps stay gaps. */
export function smoothed(values: readonly number[], window: number): number[] {
  const half = Math.floor(window / 2);
  return values.map((value, i) =>
    isDrawable(value) ? mean(values.slice(Math.max(0, i - half), i + half + 1)) : Number.NaN,
  );
}
