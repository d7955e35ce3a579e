// `npm run bench:readme`: writes the figures of README.md and of the guide from the committed rows. A test checks that
// they agree.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { growths, growthTable } from './growth.ts';
import { root } from './machine.ts';
import { fromCsv, type Labels, type Results, type Row } from './results.ts';
import { number } from './table.ts';

/** A line of the table: its label, and the row whose figure it shows. */
interface Line {
  readonly words: string;
  readonly of: Partial<Labels>;
  /** `horoball` or a peer; of several peers, the fastest. */
  readonly sides: readonly string[];
  /** The figure; by default the peer's time divided by horoball's. */
  readonly figure?: (row: Row) => string;
}

const distances = { op: 'pairwiseDistance', shape: 'vit-s', pass: 'forward', type: 'float32' } as const;
const loss = { op: 'hybridContrastiveLoss', geometry: 'hybrid', heads: 'untied', pass: 'both' } as const;
const training = { shape: 'vit_small_patch16_224, batch 16' } as const;

const lines: readonly Line[] = [
  {
    words: 'hyperbolic distances, 4,096 x 4,096 x 384, against a bare matrix product',
    of: { ...distances, op: 'sgemm' },
    sides: ['numpy sgemm', 'torch sgemm'],
  },
  {
    words: "the same with a newly allocated result, against torch.cdist's Euclidean distances",
    of: distances,
    sides: ['torch.cdist'],
  },
  {
    words: 'loss with all gradients, 2 views x 450 classes x 128, against the published code',
    of: { ...loss, shape: 'sop' },
    sides: ['published loss'],
  },
  {
    words: 'the same, against the fastest torch.compile formulation',
    of: { ...loss, shape: 'sop' },
    sides: ['torch.compile, one matrix', 'torch.compile, pair blocks'],
  },
  {
    words: 'loss with all gradients, 9 views x 100 classes x 128, against the published code',
    of: { ...loss, shape: 'cub' },
    sides: ['published loss'],
  },
  {
    words:
      'the 10 nearest of 60,502 rows x 128 for 4,096 queries, against the faster of faiss IndexFlatL2 and IndexFlatIP',
    of: { op: 'topK, k = 10', n: 4096 },
    sides: ['faiss IndexFlatL2', 'faiss IndexFlatIP'],
  },
  {
    words: 'Gromov delta of 500 points, against the published code',
    of: { op: 'gromovDelta', shape: 'n = 500' },
    sides: ['published delta'],
  },
  {
    words: 'training step of ViT-S/16, batch size 16, against timm in eager torch',
    of: { ...training, op: 'training step' },
    sides: ['timm training step'],
  },
  {
    words: 'the same, against timm in torch.compile',
    of: { ...training, op: 'training step' },
    sides: ['timm training step, torch.compile'],
  },
  {
    words: 'the same in bfloat16, against the faster of the two',
    of: { ...training, op: 'training step, bfloat16' },
    sides: ['timm training step', 'timm training step, torch.compile'],
  },
  {
    words: "decoding and cropping its images, against torchvision's loader",
    of: { ...training, op: 'loading' },
    sides: ['torchvision DataLoader'],
  },
  {
    words:
      'memory of the loss of 50,000 rows x 128, beyond inputs and results (a full logit matrix takes 10 GB)',
    of: { ...loss, shape: 'scaling, N = 50000' },
    sides: ['horoball'],
    figure: ({ peakMB }) => `${number(Math.ceil(peakMB))} MB`,
  },
];

/** Above this relative spread, a ratio is stated as "about", without its spread. */
const maxSpread = 1;

/** How many times as fast, and the half-width of the range that covers 99 of 100 further runs. */
function ratioText({ ratio, ratioSpread, verdict }: Row): string {
  const missed =
    verdict === 'fail'
      ? ', below its target'
      : verdict === 'within noise'
        ? ', within noise of its target'
        : '';
  if (!(ratioSpread <= maxSpread)) return `about ${digits(ratio)}, rounds differ widely${missed}`;
  return `${digits(ratio)} ± ${Math.ceil(100 * ratioSpread)} %${missed}`;
}

/** Formats a number with two significant digits. */
function digits(value: number): string {
  return value < 100 ? value.toPrecision(2) : number(Number(value.toPrecision(2)));
}

/** A file of rows of a machine. */
interface File {
  readonly name: string;
  readonly results: Results;
}

/** The committed files, the newest first. */
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

/** The newest row of a machine for a line, of its fastest side, and the row's file. */
function newest(files: readonly File[], machine: string, { of, sides }: Line): [Row, File] | undefined {
  for (const file of files.filter(({ results }) => results.about['machine'] === machine)) {
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

/** The table in Markdown: a column per machine, each figure linked to the file that holds it. */
export function readmeTable(files: readonly File[]): string {
  const machines = [...new Set(files.map(({ results }) => results.about['machine'] ?? ''))].sort();
  const cell = (machine: string, line: Line): string => {
    const found = newest(files, machine, line);
    const { figure = ratioText } = line;
    return found === undefined ? 'not measured' : `[${figure(found[0])}](bench/rows/${found[1].name})`;
  };
  const table = [
    ['', ...machines],
    ['---', ...machines.map(() => '---')],
    ...lines.map((line) => [line.words, ...machines.map((machine) => cell(machine, line))]),
  ];
  return table.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The newest rows of the suite `scaling`, and where they are. */
function growthText(files: readonly File[]): string {
  const newest = files.find(({ results }) => growths(results).length > 0);
  if (newest === undefined) throw new Error('bench/rows has no rows of the suite scaling');
  const { name, results } = newest;
  const { machine, threads, commit } = results.about;
  return `Rows of [${machine}](../../bench/rows/${name}), ${threads} threads, commit ${commit}:

${growthTable(results)}`;
}

/** Every page with generated figures, and their text. */
const pages: Readonly<Record<string, (files: readonly File[]) => string>> = {
  'README.md': readmeTable,
  'lib/guide/performance.md': growthText,
};

const marks = ['<!-- figures: npm run bench:readme -->', '<!-- end of figures -->'] as const;

/** A page with its figures replaced. */
export function withFigures(page: string, figures: string): string {
  const [begin, end] = marks.map((mark) => page.indexOf(mark)) as [number, number];
  if (begin < 0 || end < begin) throw new Error(`expected a page with the lines ${marks.join(' and ')}`);
  return `${page.slice(0, begin + marks[0].length)}\n\n${figures}\n\n${page.slice(end)}`;
}

/** The pages as they should be, by name. */
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
