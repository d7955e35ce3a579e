import { type Html, html, type Part } from './html.ts';

/** One line of a chart; `faint` points are drawn behind it (the values that it smooths). */
export interface Series {
  name: string;
  colour: string;
  x: readonly number[];
  y: readonly number[];
  faint?: readonly number[];
  /** Ends of a bar through each point. */
  low?: readonly number[];
  high?: readonly number[];
}

export interface ChartOptions {
  title: string;
  xLabel: string;
  series: readonly Series[];
  /** Ends of the vertical axis where the data should not choose them. */
  yMin?: number;
  yMax?: number;
  /** Values as percentages. */
  percent?: boolean;
  /** Few places, such as the temperatures of a study, at equal steps of their logarithm and each with its tick. */
  logX?: boolean;
  /** Lines whose points lie close: no dots, and nothing is moved aside. */
  dense?: boolean;
  /** Dashed horizontal lines with their names. */
  marks?: readonly { name: string; y: number }[];
}

const width = 460;
const height = 264;
const margin = { left: 44, right: 14, top: 14, bottom: 34 };

/** A line chart as one SVG element; script.ts adds the values under the pointer from `data-chart`. */
export function lineChart(options: ChartOptions): Html {
  const xs = options.series.flatMap((series) => series.x);
  const ys = options.series.flatMap(({ y, faint, low, high }) =>
    [y, faint, low, high].flatMap((values) => [...(values ?? [])]),
  );
  for (const mark of options.marks ?? []) ys.push(mark.y);
  const inner = options.logX && !options.dense ? 26 : 0; // bars at the first and last place stay clear of the axes
  const x = scale(xDomain(xs, options), [margin.left + inner, width - margin.right - inner], options.logX);
  const vertical = yEnds(ys, options);
  const y = scale(vertical.domain, [height - margin.bottom, margin.top]);
  return html`<figure class="chart">
<figcaption>${options.title}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${options.title}" data-chart="${chartData(options, x, y)}">
${yAxis(y, vertical.places, options.percent ? percent : plain)}${xAxis(x, options.xLabel, xPlaces(xs, x, options))}
${(options.marks ?? []).map((mark) => markLine(mark, y))}
${options.series.map((series, i) => line(series, shifted(x, options, i), y, options.dense))}
<g class="cursor"></g></svg>
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

/** A lone place stands in the middle. */
function xDomain(xs: readonly number[], { logX }: ChartOptions): [number, number] {
  const [low, high] = extent(xs);
  if (high > low) return [low, high];
  return logX ? [low / 2, 2 * low] : [low - 0.5, low + 0.5];
}

/** Whole places, such as steps, have whole ticks: there is no step 1.5. */
function xPlaces(xs: readonly number[], x: Scale, { logX, dense }: ChartOptions): number[] {
  if (logX) return placed(dense ? decades(x.domain) : xs, x);
  return ticks(x.domain, 5, xs.every(Number.isInteger) ? 1 : 0);
}

/**
 * The ends of the vertical axis and its ticks. Equal values stand in the middle beside their own tick: on the
 * horizontal axis they would read as 0.
 */
function yEnds(
  ys: readonly number[],
  { yMin, yMax }: ChartOptions,
): { domain: [number, number]; places: number[] } {
  const [low, high] = extent(ys);
  const [from, to] = [yMin ?? low, yMax ?? high + 0.04 * (high - low)];
  const size = Math.max(Math.abs(from), Math.abs(to));
  // Means of equal values differ by their rounding.
  if (to - from > 1e-9 * size) return { domain: [from, to], places: ticks([from, to]) };
  if (yMin !== undefined) return { domain: [from, from + 1], places: ticks([from, from + 1]) };
  const room = 0.1 * size || 1;
  return { domain: [low - room, low + room], places: [low] };
}

/** 1, 2 and 5 times the powers of ten inside a domain. */
function decades([low, high]: readonly [number, number]): number[] {
  const powers = Array.from({ length: 40 }, (_, i) => 10 ** (i - 20));
  const found = powers.flatMap((power) => [1, 2, 5].map((factor) => Number((factor * power).toPrecision(3))));
  return found.filter((value) => value >= low && value <= high);
}

/** The places themselves, less those whose label would touch another's; short numbers go first. */
function placed(xs: readonly number[], x: Scale): number[] {
  const kept: number[] = [];
  const short = [...new Set(xs)].sort((a, b) => String(a).length - String(b).length || a - b);
  for (const value of short) {
    // A digit takes up to 8 units, where the page is narrow.
    const apart = (other: number): number => 4 * (String(value).length + String(other).length) + 10;
    if (kept.every((other) => Math.abs(x.at(value) - x.at(other)) > apart(other))) kept.push(value);
  }
  return kept;
}

/** Lines with intervals at the same places stand a little apart, so that each can be seen. */
function shifted(x: Scale, { series, logX, dense }: ChartOptions, index: number): Scale {
  if (!logX || dense) return x;
  const step = Math.min(6, 24 / series.length);
  return { ...x, at: (value) => x.at(value) + step * (index - (series.length - 1) / 2) };
}

function extent(values: readonly number[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 1];
}

/** About `count` round numbers (1, 2 or 5 times a power of ten) inside a domain, at least `apart` from each other. */
export function ticks([low, high]: readonly [number, number], count = 5, apart = 0): number[] {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(apart, power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10));
  const found: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}

const plain = (value: number): string => String(Number(value.toPrecision(4)));
const percent = (value: number): string => `${Number((100 * value).toPrecision(3))}%`;

function yAxis(y: Scale, places: readonly number[], format: (value: number) => string): Part {
  return places.map((value) => {
    const at = y.at(value).toFixed(1);
    return html`<path class="grid" d="M${margin.left} ${at}H${width - margin.right}"/><text class="tick" x="${margin.left - 7}" y="${at}" dy="0.35em" text-anchor="end">${format(value)}</text>`;
  });
}

function xAxis(x: Scale, label: string, places: readonly number[]): Part {
  const base = height - margin.bottom;
  return [
    html`<path class="axis" d="M${margin.left} ${base}H${width - margin.right}"/>`,
    ...places.map(
      (value) =>
        html`<text class="tick" x="${x.at(value).toFixed(1)}" y="${base + 15}" text-anchor="middle">${plain(value)}</text>`,
    ),
    html`<text class="label" x="${width - margin.right}" y="${height - 3}" text-anchor="end">${label}</text>`,
  ];
}

function markLine(mark: { name: string; y: number }, y: Scale): Html {
  const at = y.at(mark.y);
  return html`<path class="mark" d="M${margin.left} ${at.toFixed(1)}H${width - margin.right}"/><text class="label" x="${width - margin.right}" y="${(at - 4).toFixed(1)}" text-anchor="end">${mark.name}</text>`;
}

function line(series: Series, x: Scale, y: Scale, dense = false): Html {
  const path = (values: readonly number[]): string =>
    values
      .map((value, i) => ({ value, i }))
      .filter(({ value }) => Number.isFinite(value))
      .map(
        ({ value, i }, at) => `${at ? 'L' : 'M'}${x.at(series.x[i]!).toFixed(1)} ${y.at(value).toFixed(1)}`,
      )
      .join('');
  // One point has no line.
  const dots = series.x.length === 1 || (!dense && series.x.length <= 24);
  return html`${bars(series, x, y)}${series.faint ? html`<path class="line faint" stroke="${series.colour}" d="${path(series.faint)}"/>` : null}<path class="line" stroke="${series.colour}" d="${path(series.y)}"/>${
    dots
      ? series.x.map((value, i) =>
          Number.isFinite(series.y[i])
            ? html`<circle class="dot" fill="${series.colour}" cx="${x.at(value).toFixed(1)}" cy="${y.at(series.y[i]!).toFixed(1)}" r="2.6"/>`
            : null,
        )
      : null
  }`;
}

/** The interval of each point. */
function bars({ x: places, low, high, colour }: Series, x: Scale, y: Scale): Part {
  if (low === undefined || high === undefined) return null;
  return places.map((value, i) => {
    if (!Number.isFinite(low[i]) || !Number.isFinite(high[i])) return null;
    const at = x.at(value);
    const [bottom, top] = [y.at(low[i]!).toFixed(1), y.at(high[i]!).toFixed(1)];
    return html`<path class="whisker" stroke="${colour}" d="M${at.toFixed(1)} ${bottom}V${top}M${(at - 4).toFixed(1)} ${bottom}h8M${(at - 4).toFixed(1)} ${top}h8"/>`;
  });
}

function legend(series: readonly Series[]): Part {
  if (series.length < 2) return null;
  return html`<ul class="legend">${series.map(
    (one) => html`<li><i style="background:${one.colour}"></i>${one.name}</li>`,
  )}</ul>`;
}

/** What the pointer's read-out needs: pixels and values of every line, rounded. */
function chartData(options: ChartOptions, x: Scale, y: Scale): string {
  return JSON.stringify({
    xLabel: options.xLabel,
    percent: options.percent ?? false,
    series: options.series.map((series, i) => ({
      name: series.name,
      colour: series.colour,
      x: series.x,
      y: series.y.map((value) => Number(value.toPrecision(4))),
      px: series.x.map((value) => Math.round(shifted(x, options, i).at(value))),
      py: series.y.map((value) => Math.round(y.at(value))),
    })),
  });
}

/**
 * Means of at most `bins` runs of neighbouring values: what a chart this wide can show.
 * The mean step of each run is its place.
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

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** How many of `count` values a smooth line takes together: 1, which is none, where there are too few to spare. */
export function smoothingWindow(count: number): number {
  return Math.max(1, Math.round(count / 20));
}

/** Centred moving means over `window` values; shorter at both ends. */
export function smoothed(values: readonly number[], window: number): number[] {
  const half = Math.floor(window / 2);
  return values.map((_, i) => mean(values.slice(Math.max(0, i - half), i + half + 1)));
}
