// Writes lib/ops.ts from the cards: `npm run ops`. A test compares the two.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type RowCard, rowCards } from '../lib/row-card.ts';

const head = `// Made from the cards in native/ops/row/ by \`npm run ops\`: edit those.
//
// Every operation throws a TypeError or RangeError with a code \`ERR_HOROBALL_...\` when an argument does not fit
// (a promise rejects with it). A NaN in a row makes that row's result NaN. A point on or outside the rim counts as
// one with 1 - c|x|^2 = 1e-30, whose radius has no gradient; distances from it are infinite. Under compat: 'hypmix' the
// published formulas go on outside the ball as they are.
import { type Curved, type Operation, operation } from './operation.ts';
`;

/** The text of lib/ops.ts. */
export function opsSource(): string {
  return `${head}\n${rowCards().map(one).join('\n')}`;
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
  if (published) lines.push("`compat: 'hypmix'` has the published guards.");
  lines.push('');
  if (parameter?.leading === true) lines.push(...wrap(`@param ${parameter.name} - ${parameter.doc}`));
  for (const [place, { name, doc }] of inputs.entries()) {
    lines.push(...wrap(`@param ${name} - ${inputShapes(card)[place]}: ${doc}`));
  }
  lines.push(...wrap(`@param options - ${optionsText(card)}`), `@returns ${resultShape(card)}`);
  return `/**\n${lines.map((line) => ` * ${line}`.trimEnd()).join('\n')}\n */\n`;
}

function inputShapes({ family, inputs, liftedInput }: RowCard): string[] {
  if (family === 'matvec') return ['m x d', 'n x d'];
  if (family === 'midpoint') return ['n x d', 'n numbers, may be left out'];
  if (family === 'planes') return ['n x d', 'k x d', 'k x d'];
  const row = `n x ${liftedInput ? '(d + 1)' : 'd'}`;
  return inputs.map(() => (inputs.length === 1 ? row : `${row}, or one row for all`));
}

function resultShape({ family, result }: RowCard): string {
  if (family === 'matvec') return 'n x m';
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

const path = fileURLToPath(new URL('../../lib/ops.ts', import.meta.url));
if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, opsSource());
