// Reads the exports of the package from the declarations that tsc wrote, which contain signatures and
// comments, in order.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** One export. */
export interface Declaration {
  readonly name: string;
  /** The TSDoc comment, without its stars. */
  readonly comment: string;
  readonly code: string;
}

/** Returns the exported declarations of an entry's index.d.ts, module by module. */
export function publicDeclarations(index: string): { module: string; declarations: Declaration[] }[] {
  const text = readFileSync(index, 'utf8');
  const found: { module: string; declarations: Declaration[] }[] = [];
  for (const [, names, module = ''] of text.matchAll(
    /^export (?:type )?(\*|\{[^}]*\}) from '\.\/([^']+)\.ts';/gm,
  )) {
    const all = declarationsOf(readFileSync(join(dirname(index), `${module}.d.ts`), 'utf8'));
    const wanted = new Set(
      names!
        .replaceAll(/[{}]|\btype\b/g, '')
        .split(',')
        .map((name) => name.trim()),
    );
    const declarations = all.filter(({ name }) => names === '*' || wanted.has(name));
    found.push({ module, declarations });
  }
  return found;
}

/** A top-level declaration ends at a line that ends with `;` or `}` outside of brackets. */
function declarationsOf(text: string): Declaration[] {
  const found: Declaration[] = [];
  let comment = '';
  let code: string[] = [];
  let depth = 0;
  for (const line of text.split('\n')) {
    if (code.length === 0 && depth === 0 && /^( \*|\/\*\*)/.test(line)) {
      comment = line.startsWith('/**') ? line : `${comment}\n${line}`;
      continue;
    }
    if (code.length === 0 && !line.startsWith('export ')) {
      if (line !== '') comment = '';
      continue;
    }
    code.push(line);
    depth += (line.match(/[{(]/g)?.length ?? 0) - (line.match(/[})]/g)?.length ?? 0);
    if (depth > 0 || !/[;}]$/.test(line)) continue;
    const name = /^export (?:declare )?(?:abstract )?(?:const|function|class|interface|type|let) (\w+)/.exec(
      code[0]!,
    )?.[1];
    if (name !== undefined)
      found.push({ name, comment: plain(comment), code: code.join('\n').replaceAll('declare ', '') });
    [comment, code] = ['', []];
  }
  return found;
}

/** Converts a comment to Markdown: tags become a list, examples become code. */
function plain(comment: string): string {
  const text = comment.replaceAll(/^\/\*\*\s?|\s*\*\/$/g, '').replaceAll(/^ \* ?/gm, '');
  return text
    .replaceAll(/\{@link (\w+)\}/g, '`$1`')
    .replaceAll(/^@example\n([\s\S]*?)(?=^@|$(?![\s\S]))/gm, '\n```js\n$1\n```\n')
    .replaceAll(/^@param (\w+) -? ?/gm, '- `$1`: ')
    .replaceAll(/^@returns /gm, '- returns ')
    .replaceAll(/^@throws /gm, '- throws ');
}
