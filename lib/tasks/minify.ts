// Makes a package smaller before it is packed: bundles small dependencies, removes comments, spaces, and the declaration
// files that no entry point reaches, and indents the other declarations with tabs. Names and short lines stay, because Node prints the line that threw an
// uncaught error.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, type Token } from 'acorn';
import { transform } from 'esbuild';
import { vendor } from './vendor.ts';

/**
 * Matches a backslash at the end of a line, with which esbuild's `lineLimit` divides string literals. A package must not
 * contain any: bundlers find `new URL('...', import.meta.url)` and file tracers find paths only if the literal is on one
 * line.
 */
export const continuation: RegExp = /(?<!\\)(?:\\\\)*\\\r?\n/;

const lineLength = 110;
/** Tokens that a line break may follow without a change of meaning. */
const breakable: ReadonlySet<string> = new Set([',', ';', '{']);

/** Adds line breaks where a token allows it, after at least `lineLength` characters. */
export function wrapLines(code: string): string {
  const lines: string[] = [];
  let begin = 0;
  const onToken = ({ type, end }: Token): void => {
    if (end - begin < lineLength || !breakable.has(type.label)) return;
    lines.push(code.slice(begin, end));
    begin = end;
  };
  parse(code, { ecmaVersion: 'latest', sourceType: 'module', onToken });
  return [...lines, code.slice(begin)].join('\n');
}

/**
 * Modules whose `const require = createRequire(import.meta.url)` must stay a variable: esbuild would inline it, and file
 * tracers do not follow the inlined expression.
 */
const traced = /\/(binary|runtime)-files\.js$/;

/** Minifies the compiled files of a package, in its folder. */
export async function minify(folder: string): Promise<void> {
  await vendor(join(folder, 'dist/lib'));
  for (const part of ['dist/lib', 'dist/bench', 'dist/test']) {
    const at = join(folder, part);
    if (!existsSync(at)) continue;
    for (const file of readdirSync(at, { recursive: true, encoding: 'utf8' })) {
      if (!/\.c?js$/.test(file)) continue;
      const text = readFileSync(join(at, file), 'utf8');
      const { code } = await transform(text, {
        minifyWhitespace: true,
        minifySyntax: !traced.test(`/${file}`),
        legalComments: 'none',
        target: 'node20',
        logLevel: 'error',
      });
      writeFileSync(join(at, file), wrapLines(code));
    }
  }
  removeDeclarations(join(folder, 'dist/lib'));
  indentDeclarations(join(folder, 'dist/lib'));
}

function removeDeclarations(lib: string): void {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    const text = readFileSync(join(lib, file), 'utf8');
    for (const [, path = ''] of text.matchAll(/(?:\bfrom |\bimport\(|\bimport )'(\.[^']+)'/g))
      visit(posix.join(posix.dirname(file), path.replace(/(?:\.d)?\.(c?)[jt]s$/, '.d.$1ts')));
  };
  for (const entry of ['index', 'embed/index', 'io/index', 'train/index'])
    for (const extension of ['d.ts', 'd.cts']) visit(`${entry}.${extension}`);
  for (const file of readdirSync(lib, { recursive: true, encoding: 'utf8' }))
    if (/\.d\.c?ts$/.test(file) && !reached.has(file)) rmSync(join(lib, file));
}

/** Replaces each four spaces at the start of a line with a tab. */
export function withTabs(declarations: string): string {
  return declarations.replace(/^(?: {4})+/gm, (spaces) => '\t'.repeat(spaces.length / 4));
}

function indentDeclarations(lib: string): void {
  for (const file of readdirSync(lib, { recursive: true, encoding: 'utf8' }))
    if (/\.d\.c?ts$/.test(file))
      writeFileSync(join(lib, file), withTabs(readFileSync(join(lib, file), 'utf8')));
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await minify(fileURLToPath(new URL('../../..', import.meta.url)));
