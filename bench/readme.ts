// `npm run bench:readme`: writes the figures of README.md and of the guide from the committed rows. A test checks that
// they agree.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { growths, growthTable } from './growth.ts';
import { root } from './machine.ts';
import { fromCsv, isOneMachine, judgedBy, type Labels, type Results, type Row } from './results.ts';
import { number } from './table.ts';

/** A line of the table: an operation, the peer, and the row whose figure it shows. */
interface Line {
  readonly operation: string;
  readonly peer: string;
  readonly of: Partial<Labels>;
  /** `horoball` or a peer; of several peers, the fastest. */
  readonly sides: readonly string[];
  /** Formats the figure of a row; by default, the peer's time divided by horoball's. */
  readonly figure?: (row: Row) => string;
  readonly unit?: string;
}

const distances = { op: 'pairwiseDistance', shape: 'vit-s', pass: 'forward', type: 'float32' } as const;
const loss = { op: 'hybridContrastiveLoss', geometry: 'hybrid', heads: 'untied', pass: 'both' } as const;
const training = { shape: 'vit_small_patch16_224, batch 16' } as const;
const losses = (views: number) => `loss and gradients, 900 rows x 128, ${views} views`;

const lines: readonly Line[] = [
  {
    operation: 'hyperbolic distances, 4,096 x 4,096 x 384',
    peer: 'bare matrix product',
    of: { ...distances, op: 'sgemm' },
    sides: ['numpy sgemm', 'torch sgemm'],
  },
  {
    operation: 'the same, allocating the result',
    peer: 'torch.cdist (Euclidean)',
    of: distances,
    sides: ['torch.cdist'],
  },
  {
    operation: losses(2),
    peer: 'published code',
    of: { ...loss, shape: 'sop' },
    sides: ['published loss'],
  },
  {
    operation: losses(2),
    peer: 'torch.compile',
    of: { ...loss, shape: 'sop' },
    sides: ['torch.compile, one matrix', 'torch.compile, explicit gradients', 'torch.compile, pair blocks'],
  },
  {
    operation: losses(9),
    peer: 'published code',
    of: { ...loss, shape: 'cub' },
    sides: ['published loss'],
  },
  {
    operation: '10 nearest of 60,502 rows x 128, 4,096 queries',
    peer: 'faiss, flat indexes',
    of: { op: 'topK, k = 10', n: 4096 },
    sides: ['faiss IndexFlatL2', 'faiss IndexFlatIP'],
  },
  {
    operation: 'Gromov delta, 500 points',
    peer: 'published formula in torch',
    of: { op: 'gromovDelta', shape: 'n = 500' },
    sides: ['published delta'],
  },
  {
    operation: 'training step, ViT-S/16, 16 images',
    peer: 'timm',
    of: { ...training, op: 'training step' },
    sides: ['timm training step'],
  },
  {
    operation: 'training step, ViT-S/16, 16 images',
    peer: 'timm, torch.compile',
    of: { ...training, op: 'training step' },
    sides: ['timm training step, torch.compile'],
  },
  {
    operation: 'the same in bfloat16',
    peer: 'timm, eager or compiled',
    of: { ...training, op: 'training step, bfloat16' },
    sides: ['timm training step', 'timm training step, torch.compile'],
  },
  {
    operation: 'decoding and cropping 16 images',
    peer: 'torchvision',
    of: { ...training, op: 'loading' },
    sides: ['torchvision DataLoader'],
  },
  {
    operation: 'working memory of the loss, 50,000 rows x 128',
    peer: 'logit matrix: 10 GB',
    of: { ...loss, shape: 'scaling, N = 50000' },
    sides: ['horoball'],
    figure: ({ peakMB }) => `${number(Math.ceil(peakMB))} MB`,
    unit: ' MB',
  },
];

/**
 * Formats a ratio as `5.1 ± 4 %`, with the half-width of the range that covers 99 of 100 further runs. The range itself is
 * shown in place of the half-width if it contains 0, and in place of both numbers if it contains the target.
 */
function ratioText({ ratio, ratioSpread, verdict }: Row): string {
  const low = ratio * (1 - ratioSpread);
  const high = digits(ratio * (1 + ratioSpread));
  const range = low > 0 ? `${digits(low)} to ${high}` : `up to ${high}`;
  if (verdict === 'within noise') return `not decided (${range})`;
  const figure =
    low > 0 || Number.isNaN(low)
      ? `${digits(ratio)}${Number.isNaN(low) ? '' : ` ± ${Math.ceil(100 * ratioSpread)} %`}`
      : `${digits(ratio)} (${range})`;
  return verdict === 'fail' ? `${figure}, missed` : figure;
}

/** Formats a number with two significant digits. */
function digits(value: number): string {
  return value < 100 ? value.toPrecision(2) : number(Number(value.toPrecision(2)));
}

/** A file with the rows of one machine. */
interface File {
  readonly name: string;
  readonly results: Results;
}

/** Reads the committed files, the newest first. */
async function committed(): Promise<File[]> {
  const folder = join(root, 'bench', 'rows');
  // bench/search-scale.ts writes a separate table.
  const names = (await readdir(folder)).filter(
    (name) => name.endsWith('.csv') && !name.endsWith('-search-scale.csv'),
  );
  const files = await Promise.all(
    names.map(async (name) => ({ name, results: fromCsv(await readFile(join(folder, name), 'utf8')) })),
  );
  const dateOf = ({ results }: File): string => results.about['date'] ?? '';
  return files.sort((a, b) => dateOf(b).localeCompare(dateOf(a)) || a.name.localeCompare(b.name));
}

/** Returns the row of a line's fastest side in the newest file that has one, and the file. `files` begin with the newest. */
function newest(files: readonly File[], { of, sides }: Line): [Row, File] | undefined {
  for (const file of files) {
    const rows = file.results.rows.filter(
      (row) =>
        row.status === 'measured' &&
        sides.includes(row.side) &&
        Object.entries(of).every(([label, value]) => row[label as keyof Row] === value),
    );
    const [first] = rows.sort((a, b) => a.ratio - b.ratio);
    if (first !== undefined) return [first, file];
  }
  return undefined;
}

/** Groups the files by machine and returns the machines that have a figure, ordered by name. */
function byMachine(files: readonly File[]): File[][] {
  const machines: File[][] = [];
  for (const file of files) {
    const known = machines.find(([first]) => isOneMachine(first!.results, file.results));
    if (known === undefined) machines.push([file]);
    else known.push(file);
  }
  return machines
    .filter((of) => lines.some((line) => newest(of, line) !== undefined))
    .sort(([a], [b]) => nameOf(a!).localeCompare(nameOf(b!)));
}

const nameOf = ({ results }: File): string => results.about['machine'] ?? '';

/** Returns the head of a machine's column: its name, and the dates and commits of the files whose figures it shows. */
function headOf(files: readonly File[]): string {
  const used = new Set(lines.map((line) => newest(files, line)?.[1]));
  const shown = files.filter((file) => used.has(file)).reverse();
  const all = (key: string) => [...new Set(shown.map(({ results }) => results.about[key] ?? ''))];
  const dates = all('date');
  const date = dates.length > 1 ? `${dates[0]} to ${dates.at(-1)}` : dates[0];
  return `${nameOf(shown[0]!)}, ${date} (${all('commit').join(', ')})`;
}

/**
 * Returns the table in Markdown: a column per machine, each figure linked to the file that contains it. All figures of a
 * line are judged by the target of its newest row.
 */
export function readmeTable(files: readonly File[]): string {
  const machines = byMachine(files);
  const cells = (line: Line): string[] => {
    const { figure = ratioText } = line;
    const bar = newest(files, line)?.[0].bar ?? '';
    const figures = machines.map((of) => {
      const found = newest(of, line);
      if (found === undefined) return 'not measured';
      return `[${figure(judgedBy(found[0], bar))}](bench/rows/${found[1].name})`;
    });
    return [line.operation, line.peer, targetText(bar, line), ...figures];
  };
  const table = [
    ['operation', 'compared with', 'target', ...machines.map(headOf)],
    ['---', '---', '---', ...machines.map(() => '---')],
    ...lines.map(cells),
  ];
  return table.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Formats a target such as `ratio >= 5` as `≥ 5`, followed by the unit of the line. */
function targetText(bar: string, { unit = '' }: Line): string {
  const [, relation, limit] = bar.split(' ');
  return limit === undefined ? 'none' : `${relation === '<=' ? '≤' : '≥'} ${limit}${unit}`;
}

/** Returns the table of the newest rows of the suite `scaling`, with a link to their file. */
function growthText(files: readonly File[]): string {
  const newest = files.find(({ results }) => growths(results).length > 0);
  if (newest === undefined) throw new Error('bench/rows has no rows of the suite scaling');
  const { name, results } = newest;
  const { machine, threads, commit } = results.about;
  return `Rows of [${machine}](../../bench/rows/${name}), ${threads} threads, commit ${commit}:

${growthTable(results)}`;
}

/** Every page with generated figures, and the function that writes them. */
const pages: Readonly<Record<string, (files: readonly File[]) => string>> = {
  'README.md': readmeTable,
  'lib/guide/performance.md': growthText,
};

const marks = ['<!-- figures: npm run bench:readme -->', '<!-- end of figures -->'] as const;

/** Returns a page with its figures replaced. */
export function withFigures(page: string, figures: string): string {
  const [begin, end] = marks.map((mark) => page.indexOf(mark)) as [number, number];
  if (begin < 0 || end < begin) throw new Error(`expected a page with the lines ${marks.join(' and ')}`);
  return `${page.slice(0, begin + marks[0].length)}\n\n${figures}\n\n${page.slice(end)}`;
}

/** Returns the pages with current figures, by file name. */
export async function writtenPages(): Promise<Record<string, string>> {
  const files = await committed();
  const written = Object.entries(pages).map(async ([name, figures]) => {
    return [name, withFigures(await readFile(join(root, name), 'utf8'), figures(files))] as const;
  });
  return Object.fromEntries(await Promise.all(written));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(await writtenPages())) await writeFile(join(root, name), text);
}
