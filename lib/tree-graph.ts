// The relation that embedTree embeds: nodes, pairs, and the related nodes of each node.
import { quoted, rangeError, typeError } from './errors.ts';

/** A name or a number of a node. */
export type Node = string | number;

/** What is embedded: which pairs count as related. */
export interface Relation {
  readonly nodes: Node[];
  /** The pairs (u, v), one after the other, each once. */
  readonly pairs: Int32Array;
  /** Related nodes of u, sorted: `related[starts[u]]` to before `related[starts[u + 1]]`. */
  readonly starts: Int32Array;
  readonly related: Int32Array;
}

const name = 'embedTree';
/** Pairs that fit the typed arrays of a browser or of Node with its default memory. */
const mostPairs = 1 << 27;

/** Reads edges. `ancestors`: the edges lead from a node to its parents, and each node is related to all its ancestors. */
export function relationOf(edges: Iterable<readonly Node[]>, ancestors: boolean): Relation {
  const { nodes, adjacent } = read(edges);
  const sets = ancestors ? closure(adjacent, nodes) : symmetric(adjacent);
  const starts = new Int32Array(nodes.length + 1);
  for (const [u, set] of sets.entries()) {
    starts[u + 1] = starts[u]! + set.size;
    if (starts[u + 1]! > mostPairs) throw rangeError(name, 'edges', `at most ${mostPairs} pairs`, 'more');
  }
  const count = starts[nodes.length]!;
  const pairs = new Int32Array(2 * count);
  const related = new Int32Array(count);
  for (const [u, set] of sets.entries()) {
    const begin = starts[u]!;
    related.set([...set], begin);
    related.subarray(begin, starts[u + 1]!).sort();
    for (let at = begin; at < starts[u + 1]!; ++at) pairs.set([u, related[at]!], 2 * at);
  }
  return { nodes, pairs, starts, related };
}

function read(edges: Iterable<readonly Node[]>): { nodes: Node[]; adjacent: Set<number>[] } {
  if (typeof (edges as unknown as Iterable<unknown> | undefined)?.[Symbol.iterator] !== 'function')
    throw typeError(name, 'edges', 'pairs of nodes', quoted(edges));
  const places = new Map<Node, number>();
  const adjacent: Set<number>[] = [];
  const placeOf = (node: Node): number => {
    let place = places.get(node);
    if (place === undefined) {
      place = adjacent.push(new Set()) - 1;
      places.set(node, place);
    }
    return place;
  };
  let at = 0;
  for (const edge of edges) {
    const argument = `edges[${at++}]`;
    if (!Array.isArray(edge) || edge.length !== 2)
      throw typeError(name, argument, 'a pair of nodes', quoted(edge));
    for (const node of edge as unknown[])
      if (typeof node !== 'string' && !Number.isSafeInteger(node))
        throw typeError(name, argument, 'strings or integers', quoted(node));
    const [u, v] = edge as unknown as [Node, Node];
    if (u === v) throw rangeError(name, argument, 'two different nodes', quoted(u));
    adjacent[placeOf(u)]!.add(placeOf(v));
  }
  if (at === 0) throw rangeError(name, 'edges', 'at least one pair of nodes', 'none');
  return numbered({ nodes: [...places.keys()], adjacent });
}

/** If all nodes are the numbers 0 to n - 1, row i is node i. */
function numbered(graph: { nodes: Node[]; adjacent: Set<number>[] }): typeof graph {
  const { nodes, adjacent } = graph;
  const isRow = (node: Node): boolean => typeof node === 'number' && node >= 0 && node < nodes.length;
  if (!nodes.every(isRow)) return graph;
  const sorted: Set<number>[] = [];
  for (const [at, set] of adjacent.entries())
    sorted[nodes[at] as number] = new Set(Array.from(set, (other) => nodes[other] as number));
  return { nodes: nodes.map((_, i) => i), adjacent: sorted };
}

function symmetric(adjacent: readonly Set<number>[]): Set<number>[] {
  const both = adjacent.map((set) => new Set(set));
  for (const [u, set] of adjacent.entries()) for (const v of set) both[v]!.add(u);
  return both;
}

/** All ancestors of each node, by depth-first search without recursion. */
function closure(parents: readonly Set<number>[], nodes: readonly Node[]): Set<number>[] {
  const found: (Set<number> | undefined)[] = Array(parents.length);
  const open = new Set<number>();
  for (let root = 0; root < parents.length; ++root) {
    const stack = [root];
    while (stack.length > 0) {
      const node = stack.at(-1)!;
      if (found[node] !== undefined) {
        stack.pop();
        continue;
      }
      const missing = [...parents[node]!].filter((parent) => found[parent] === undefined);
      const again = missing.find((parent) => open.has(parent));
      if (again !== undefined)
        throw rangeError(
          name,
          'edges',
          'no cycle with relation: ancestors',
          `a cycle through ${nodes[again]}`,
        );
      open.add(node);
      stack.push(...missing);
      if (missing.length > 0) continue;
      const all = new Set(parents[node]);
      for (const parent of parents[node]!) for (const ancestor of found[parent]!) all.add(ancestor);
      found[node] = all;
      open.delete(node);
      stack.pop();
    }
  }
  return found as Set<number>[];
}
