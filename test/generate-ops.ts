// Writes lib/ops.ts, lib/card-names.ts and the tables of lib/guide/numerics.md from the cards, the thresholds of that page
// from native/ops/near.h and the CUDA kernels, and lib/row/call.ts, lib/call/binding-calls.ts and
// lib/image/binding-calls.ts from the core's lists: `npm run ops`. A test checks that they are up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  distanceCard,
  type GeometryCard,
  geometryCards,
  lossCards,
  metricCards,
  type Tolerance,
  type Tolerances,
} from '../lib/cards.ts';
import { core } from '../lib/native.ts';
import { headCards, headGuards, type RowCard, rowCards, unitFloor } from '../lib/row/card.ts';

const head = `// Generated from the cards in native/ops/row/ by \`npm run ops\`: edit those instead.
//
// Every operation throws a TypeError or RangeError with a code \`ERR_HOROBALL_...\` for an invalid argument (an
// asynchronous call rejects with it). NaN in a row makes the result of that row NaN. A point on or outside the rim is
// treated as one with 1 - c|x|^2 = 1e-30, and its radius has no gradient; distances from it are infinite.
// compat: 'hypmix' uses the published guards (the clamps and epsilons of HypMix's code), also outside the ball.
import { type Curved, type Operation, operation } from './row/operation.ts';
`;

/** The text of lib/ops.ts. */
function opsSource(): string {
  return `${head}\n${rowCards().map(one).join('\n')}`;
}

/** The text of lib/row/call.ts. */
function rowCallSource(): string {
  const { rowCall, shortData } = core();
  return `// Generated from native/bind/row_call.h by \`npm run ops\`: edit that file instead.

/** The indices of a row-wise call's numeric arguments in the array that passes them. */
export const rowCall = {
${rowCall.map((name, place) => `  ${name}: ${place},\n`).join('')}} as const;

/** The length of the array of numeric arguments in calls that pass matrices as arguments. */
export const rowNumbers: number = rowCall.job + 1;

/** The index of a short call's first element in the core's call buffer. */
export const shortData = ${shortData};
`;
}

/** Names and types of a function's arguments. */
type Fields = readonly (readonly [name: string, type: string])[];

/** Returns the arguments of every function that native/bind describes, by its name. */
export const describedCalls = (): Readonly<Record<string, Fields>> => JSON.parse(core().describeCalls());

/** Whether a function works on images: such functions run on the CPU only. */
const isOnImages = (fields: Fields): boolean => fields.every(([name]) => name !== 'device');

/** The text of lib/image/binding-calls.ts. */
function imageCallsSource(): string {
  const functions = Object.entries(describedCalls()).filter(([, fields]) => isOnImages(fields));
  return `// Generated from native/bind/image.h by \`npm run ops\`: edit that file instead.
// lib/call/binding-calls.ts documents threads and job.
import type { Outcome, PlacedCalls } from '../call/binding-calls.ts';
${functions.map(([name, fields]) => boundCall(name, fields)).join('')}`;
}

/** The text of lib/call/binding-calls.ts. */
function bindingCallsSource(): string {
  const functions = Object.entries(describedCalls());
  return `// Generated from native/bind/calls.h by \`npm run ops\`: edit that file instead.
//
// device: -2 for a CUDA device if there is one, -1 for the CPU, otherwise the index of a CUDA device. threads: 0 for all.
// job: 0 for a synchronous call, otherwise the number by which it is canceled.
import type { Reals } from '../matrix.ts';

/** A row-major matrix for the core. An omitted matrix has a shape, but no data. */
export interface CallMatrix {
  readonly data: Reals | null;
  readonly rows: number;
  readonly cols: number;
}

/** The result of starting a call: undefined if it ran synchronously (job 0), otherwise the promise of the job. */
export type Outcome = Promise<undefined> | undefined;

type Placed = (...given: readonly (Reals | Int32Array | Uint8Array | number | boolean | null)[]) => Outcome;

/** The exports of the core that take positional arguments. */
export interface PlacedCalls {
${functions.map(([name]) => `  ${name}: Placed;\n`).join('')}}
${functions
  .filter(([, fields]) => !isOnImages(fields))
  .map(([name, fields]) => boundCall(name, fields))
  .join('')}`;
}

/** Returns the source of a function that passes named arguments to an export of the core in order. */
function boundCall(name: string, fields: Fields): string {
  const types: Readonly<Record<string, string>> = {
    matrix: 'CallMatrix',
    number: 'number',
    boolean: 'boolean',
  };
  const type = `${name[0]!.toUpperCase()}${name.slice(1)}Call`;
  const members = fields.map(([field, kind]) => `  ${field}: ${types[kind] ?? `${kind} | null`};\n`).join('');
  const given = fields.map(([field, kind]) =>
    kind === 'matrix' ? `a.${field}.data, a.${field}.rows, a.${field}.cols` : `a.${field}`,
  );
  return `
export interface ${type} {
${members}}

export function ${name}(core: Pick<PlacedCalls, '${name}'>, a: ${type}): Outcome {
  // biome-ignore format: one argument per line
  return core.${name}(
${given.map((text) => `    ${text},\n`).join('')}  );
}
`;
}

/** The text of lib/card-names.ts. */
function cardNamesSource(): string {
  const list = (what: string, name: string, cards: readonly { name: string }[]) =>
    `\n/** The ${what} cards, in the core's order. */\nexport const ${name} = [${cards
      .map((card) => `'${card.name}'`)
      .join(', ')}] as const;\n`;
  const type = (name: string, of: string, doc: string, cards: readonly { name: string; formula: string }[]) =>
    `\n/**\n * ${doc}\n *\n${cards
      .map((card) => ` * - \`${card.name}\`: \`${card.formula}\`\n`)
      .join('')} */\nexport type ${name} = (typeof ${of})[number];\n`;
  return `// Generated from the cards in native/ops/ by \`npm run ops\`: edit those instead.
${list('metric', 'metrics', metricCards())}${type('Metric', 'metrics', 'The distance between two rows x and y, by name; {@link metricCard} describes each.', metricCards())}
/** Whether a metric depends on c. */
export const metricCurved = {
${metricCards()
  .map(({ name, curved }) => `  ${name}: ${curved},\n`)
  .join('')}} as const;
${list('geometry', 'geometries', geometryCards())}${type('Geometry', 'geometries', "The logit of two samples, by name: e and e' are unit rows, h and h' points. {@link geometryCard} describes each.", geometryCards())}
${list('pair loss', 'contrastiveLosses', lossCards())}${type('ContrastiveLossName', 'contrastiveLosses', 'One term of the loss of an anchor, by name: p and q are its positives, n its negatives, S the logits.', lossCards())}
/** The parameters of the logit, in the core's order. */
export const logitParameters = [${parameters()
    .map(({ name }) => `'${name}'`)
    .join(', ')}] as const;

/**
 * Published defaults of the logit's parameters, and of the norm at which the head clips. The loss functions require c, so they
 * do not use its default.
 */
export const logitDefaults = { ${defaults()} } as const;

/**
 * Constants of the head. \`unitFloor\` is the smallest norm by which it divides a feature to get a unit row, \`margin\` the
 * fraction of the ball's radius that the projection leaves free; the others are guards of the published code.
 */
export const headConstants = {
${headConstants()}} as const;

/**
 * Properties of each geometry's logit, available without the core, which the full cards in lib/cards.ts need.
 *
 * - \`inner\`, \`distance\`, \`weighted\`: whether the logit has an inner product, a distance, and the factor lambda
 * - \`curved\`, \`slope\`: with a tied head (one head for both spaces), whether the distance depends on c, and the norm of
 *   its gradient (0 if it is not constant)
 * - \`points\`: with two heads, the space of the points; null without a distance
 */
export const geometryTerms = {
${geometryCards().map(termsOf).join('')}} as const;
`;
}

function parameters(): { name: string; start: number }[] {
  return JSON.parse(core().logitParameters) as { name: string; start: number }[];
}

/** Returns the source of the defaults of the logit's parameters and of the norm at which the head clips. */
function defaults(): string {
  const clip = { name: 'clipR', start: headCards()[0]!.parameter!.start };
  return [...parameters(), clip].map(({ name, start }) => `${name}: ${start}`).join(', ');
}

/** Returns the source of the head's constants: the minimum norm of unit rows, the margin of the projection, the guards. */
function headConstants(): string {
  const margin = headCards().at(-1)!.parameter!.start;
  const constants = { unitFloor: unitFloor(), margin, ...headGuards() };
  return Object.entries(constants)
    .map(([name, value]) => `  ${name}: ${value},\n`)
    .join('');
}

function termsOf(card: GeometryCard): string {
  const terms = {
    inner: card.inner,
    distance: card.distance !== null,
    weighted: card.weighted,
    curved: distanceCard(card, true)?.curved ?? false,
    slope: distanceCard(card, true)?.slope ?? 0,
    points: distanceCard(card, false)?.points ?? null,
  };
  const text = Object.entries(terms).map(
    ([name, value]) => `${name}: ${typeof value === 'string' ? `'${value}'` : value}`,
  );
  return `  ${card.name}: { ${text.join(', ')} },\n`;
}

function one(card: RowCard): string {
  const operation = (kinds: string[]) => `Operation<[${kinds.join(', ')}], ${optionsOf(card)}>`;
  const kinds = argumentsOf(card);
  const weighted = card.inputs.at(-1)?.name === 'weights';
  const type = operation(kinds) + (weighted ? ` & ${operation(kinds.slice(0, -1))}` : '');
  return `${comment(card)}export const ${card.name}: ${type} = operation('${card.name}');\n`;
}

function argumentsOf(card: RowCard): string[] {
  const inputs = card.inputs.map(({ name }) => `${name}: '${name === 'weights' ? 'weights' : 'rows'}'`);
  return card.parameter?.leading === true ? [`${card.parameter.name}: 'number'`, ...inputs] : inputs;
}

function optionsOf({ parameter, curved }: RowCard): string {
  const c = curved ? 'Curved' : 'Partial<Curved>';
  return parameter === null || parameter.leading ? c : `${c} & { ${parameter.name}?: number | undefined }`;
}

function comment(card: RowCard): string {
  const { doc, gradient, inputs, parameter, published } = card;
  const lines = [...wrap(doc), ...wrap(gradient)];
  if (published) lines.push("`compat: 'hypmix'` uses the published guards.");
  lines.push('');
  if (parameter?.leading === true) lines.push(...wrap(`@param ${parameter.name} - ${parameter.doc}`));
  for (const [place, { name, doc }] of inputs.entries()) {
    lines.push(...wrap(`@param ${name} - ${inputShapes(card)[place]}: ${doc}`));
  }
  lines.push(...wrap(`@param options - ${optionsText(card)}`), `@returns ${resultShape(card)}`);
  return `/**\n${lines.map((line) => ` * ${line}`.trimEnd()).join('\n')}\n */\n`;
}

function inputShapes({ family, inputs, liftedInput }: RowCard): string[] {
  if (family === 'matvec') return ['k x d', 'n x d'];
  if (family === 'midpoint') return ['n x d', 'n numbers, optional'];
  if (family === 'planes') return ['n x d', 'k x d', 'k x d'];
  const row = `n x ${liftedInput ? '(d + 1)' : 'd'}`;
  return inputs.map(() => (inputs.length === 1 ? row : `${row}, or one row that is broadcast`));
}

function resultShape({ family, result }: RowCard): string {
  if (family === 'matvec') return 'n x k';
  if (family === 'midpoint') return '1 x d';
  if (family === 'planes') return 'n x k';
  return { vector: 'n x d', number: 'n x 1', lifted: 'n x (d + 1)' }[result];
}

function optionsText({ curved, parameter }: RowCard): string {
  const parts = curved ? ['`c` > 0: the curvature is -c'] : [];
  if (parameter?.leading === false) {
    parts.push(`\`${parameter.name}\`: ${parameter.doc} (default ${parameter.start})`);
  }
  return parts.join('; ');
}

/** Breaks a paragraph into lines of at most 100 characters. */
function wrap(text: string): string[] {
  if (text === '') return [];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length >= 100) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return [...lines, line];
}

/** Returns the absolute path of a file in the repository. */
const fileOf = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const numerics = 'lib/guide/numerics.md';

/** The text of lib/guide/numerics.md with its two tables from the cards, and the thresholds of near points. */
function numericsSource(): string {
  const tables = [accuracyTable((accuracy) => accuracy), accuracyTable(({ device }) => device)];
  const text = readFileSync(fileOf(numerics), 'utf8').replace(
    /^\| errors of \|.*\n(?:\|.*\n)+/gm,
    () => tables.shift() ?? '',
  );
  return withThresholds(text, nearThresholds());
}

/** Matches the guide's sentence on near points; every second group is a number. */
const nearSentence =
  /(at least )([\d.]+)( of the sum of the two squared norms; )([\d.]+)( within the loss; )([\d.]+)( in float32\s+on a CUDA device; on the hyperboloid )([\d.]+)(, )([\d.]+)( and )([\d.]+)/;

function withThresholds(text: string, numbers: readonly number[]): string {
  if (!nearSentence.test(text)) throw new Error(`${numerics} does not name the thresholds of near points`);
  return text.replace(nearSentence, (_, ...parts: string[]) =>
    parts
      .slice(0, 2 * numbers.length)
      .map((part, i) => (i % 2 === 0 ? part : Number(numbers[(i - 1) / 2]!.toPrecision(3))))
      .join(''),
  );
}

/**
 * Returns the thresholds of near pairs, first for the ball, then for the hyperboloid: those of float32 distances, of the
 * loss, and of distances on a CUDA device.
 */
function nearThresholds(): number[] {
  const [near, cuda] = ['native/ops/near.h', 'native/cuda/pairwise/differences.h'].map((path) =>
    readFileSync(fileOf(path), 'utf8'),
  );
  const constant = (text: string, pattern: string): number => {
    const value = new RegExp(`constexpr double ${pattern}`).exec(text)?.[1];
    if (value === undefined) throw new Error(`expected a constant ${pattern} in native`);
    return Number(value);
  };
  const number = '([\\d.]+)';
  const cut = constant(cuda!, `kCut = sizeof\\(T\\) == 4 \\? ${number} :`);
  const [kNear, kFair] = ['kNear', 'kFair'].map((name) => constant(near!, `${name} = ${number};`));
  const minkowski = (name: string) => constant(near!, `${name}Minkowski = ${number} \\* ${name};`);
  const [within, fair] = [minkowski('kNear') * kNear!, minkowski('kFair') * kFair!];
  return [kFair!, kNear!, cut * kNear!, fair, within, cut * within];
}

/** A quantity, and the error bounds of the cards that compute it. */
interface Stated {
  readonly quantity: string;
  readonly cards: readonly (readonly [name: string, accuracy: CardErrors])[];
}

/** The error bounds of a card; without `device` if no device has its kernels. */
type CardErrors = Tolerances & { readonly device?: Tolerances };

/**
 * Returns a table with one row per quantity and error bound. A row names its cards, except that the row with the most cards
 * says `other`.
 */
function accuracyTable(part: (accuracy: CardErrors) => Tolerances | undefined): string {
  const published = metricCards().flatMap(({ name, publishedTolerance }) =>
    publishedTolerance === null ? [] : [[`${name}\` with \`compat: 'hypmix'`, publishedTolerance] as const],
  );
  const all: Stated[] = [
    { quantity: 'row-wise operations', cards: rowCards().map(named) },
    { quantity: 'distances', cards: [...metricCards().map(named), ...published] },
    { quantity: 'loss', cards: geometryCards().map(named) },
    {
      quantity: 'loss of well separated classes',
      cards: geometryCards().map(({ name, separated }) => [name, separated] as const),
    },
    { quantity: 'pair losses', cards: lossCards().map(named) },
  ];
  const rows = all.flatMap((stated) => rowsOf(stated, part));
  const head =
    '| errors of | value | gradient | gradient in scalar parameters |\n| --- | --- | --- | --- |\n';
  return head + rows.map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

function named({ name, tolerance }: { name: string; tolerance: CardErrors }) {
  return [name, tolerance] as const;
}

function rowsOf({ quantity, cards }: Stated, part: Parameters<typeof accuracyTable>[0]): string[][] {
  const groups = new Map<string, { names: string[]; errors: Tolerances }>();
  for (const [name, accuracy] of cards) {
    const errors = part(accuracy);
    if (errors === undefined) continue;
    const key = JSON.stringify(errors);
    const { names } = groups.get(key) ?? groups.set(key, { names: [], errors }).get(key)!;
    names.push(name);
  }
  const lists = [...groups.values()].sort((a, b) => a.names.length - b.names.length);
  const most = Math.max(...lists.map(({ names }) => names.length));
  return lists.map(({ names, errors: { value, gradient, parameters } }) => {
    const isRest = names.length === most;
    const listed = names.map((name) => `\`${name}\``).join(', ');
    const what = isRest ? (lists.length > 1 ? `other ${quantity}` : quantity) : `${quantity}, ${listed}`;
    return [what, ...[value, gradient, parameters].map(bound)];
  });
}

/** Formats the bounds of both element types, float64 first. */
function bound({ float32, float64 }: Tolerance): string {
  const text = (x: number) => x.toExponential().replace('+', '');
  return `${text(float64)}, ${text(float32)}`;
}

/** The generated files and their texts. */
export const generated: Readonly<Record<string, () => string>> = {
  'lib/ops.ts': opsSource,
  'lib/card-names.ts': cardNamesSource,
  'lib/row/call.ts': rowCallSource,
  'lib/call/binding-calls.ts': bindingCallsSource,
  'lib/image/binding-calls.ts': imageCallsSource,
  [numerics]: numericsSource,
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, source] of Object.entries(generated)) {
    writeFileSync(fileOf(path), source());
  }
}
