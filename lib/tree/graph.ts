// The relation that embedTree embeds: nodes, pairs, and the related nodes of each node.
import { pause, type Steps } from '../call/run.ts';
import { forEach, inSlices, sorted } from '../call/slices.ts';
import { itemsOf, listOf } from '../check.ts';
import { quoted, rangeError, typeError } from '../errors.ts';

/** A node: a name or an integer. */
export type Node = string | number;

/** The relation to embed: the nodes and all pairs of related nodes. */
export interface Relation {
  readonly nodes: Node[];
  /** The distinct pairs (u, v), flattened. */
  readonly pairs: Int32Array;
  /** Related nodes of u, sorted: `related.subarray(starts[u], starts[u + 1])`. */
  readonly starts: Int32Array;
  readonly related: Int32Array;
}

const name = 'embedTree';
/** Maximum number of pairs that fit in typed arrays in browsers, and in Node with its default memory. */
const maxPairs = 1 << 27;

/** Maximum numbers of edges and nodes, because an iterable may be endless. */
interface GraphLimits {
  readonly edges: number;
  readonly nodes: number;
}

/** Reading this many edges takes about 10 seconds, and this many nodes take about 3 GB. */
const graphLimits: GraphLimits = { edges: 1 << 24, nodes: 1 << 22 };

/**
 * Returns the relation that edges define. With `ancestors`, they lead from a node to its parents, and each node is related
 * to all its ancestors; otherwise an edge relates its two nodes to each other.
 */
export function* relationOf(
  edges: Iterable<readonly Node[]>,
  ancestors: boolean,
  limits: GraphLimits = graphLimits,
): Steps<Relation> {
  const { nodes, adjacent } = yield* read(edges, limits);
  const lists = ancestors ? yield* closure(adjacent, nodes) : yield* symmetric(adjacent);
  const starts = new Int32Array(nodes.length + 1);
  yield* forEach(lists, (list, u) => {
    starts[u + 1] = starts[u]! + list.length;
  });
  const count = starts[nodes.length]!;
  const pairs = new Int32Array(2 * count);
  const related = new Int32Array(count);
  for (const [u, list] of lists.entries()) {
    const neighbors = yield* sorted(list, (a, b) => a - b);
    const first = starts[u]!;
    yield* inSlices(neighbors.length, (begin, end) => {
      for (let at = begin; at < end; ++at) {
        related[first + at] = neighbors[at]!;
        pairs[2 * (first + at)] = u;
        pairs[2 * (first + at) + 1] = neighbors[at]!;
      }
    });
    yield pause;
  }
  return { nodes, pairs, starts, related };
}

interface Graph {
  readonly nodes: Node[];
  readonly adjacent: Set<number>[];
}

function* read(edges: Iterable<readonly Node[]>, most: GraphLimits): Steps<Graph> {
  const places = new Map<Node, number>();
  const adjacent: Set<number>[] = [];
  const placeOf = (node: Node): number => {
    let place = places.get(node);
    if (place === undefined) {
      if (adjacent.length === most.nodes) throw tooMany(`${most.nodes} nodes`);
      place = adjacent.push(new Set()) - 1;
      places.set(node, place);
    }
    return place;
  };
  let count = 0;
  yield* forEach(itemsOf(name, 'edges', 'pairs of nodes', edges), (edge, at) => {
    if (at === most.edges) throw tooMany(`${most.edges} pairs of nodes`);
    const argument = `edges[${at}]`;
    const ends = listOf(edge, 2);
    if (ends === null) throw typeError(name, argument, 'a pair of nodes', quoted(edge));
    for (const node of ends)
      if (typeof node !== 'string' && !Number.isSafeInteger(node))
        throw typeError(name, argument, 'strings or integers', quoted(node));
    const [u, v] = ends as [Node, Node];
    if (u === v) throw rangeError(name, argument, 'two different nodes', quoted(u));
    adjacent[placeOf(u)]!.add(placeOf(v));
    count = at + 1;
  });
  if (count === 0) throw rangeError(name, 'edges', 'at least one pair of nodes', 'none');
  const nodes: Node[] = [];
  yield* forEach(places.keys(), (node) => nodes.push(node));
  return yield* numbered({ nodes, adjacent });
}

function tooMany(limit: string): Error {
  return rangeError(name, 'edges', `at most ${limit}`, 'more (is the iterable endless?)');
}

/** Reorders the nodes so that row i is node i, if they are exactly the numbers 0 to n - 1. */
function* numbered(graph: Graph): Steps<Graph> {
  const { nodes, adjacent } = graph;
  let isNumbered = true;
  yield* forEach(nodes, (node) => {
    isNumbered &&= typeof node === 'number' && node >= 0 && node < nodes.length;
  });
  if (!isNumbered) return graph;
  const ordered: Graph = { nodes: [], adjacent: [] };
  yield* forEach(nodes, (_, row) => {
    ordered.nodes.push(row);
    ordered.adjacent.push(new Set());
  });
  for (const [at, set] of adjacent.entries()) {
    const neighbors = ordered.adjacent[nodes[at] as number]!;
    yield* forEach(set, (other) => neighbors.add(nodes[other] as number));
    yield pause;
  }
  return ordered;
}

/** Returns a function that counts pairs, and throws before they exceed the memory. */
function pairCounter(): (more: number) => void {
  let count = 0;
  return (more) => {
    count += more;
    if (count > maxPairs) throw rangeError(name, 'edges', `at most ${maxPairs} pairs`, 'more');
  };
}

function* symmetric(adjacent: readonly Set<number>[]): Steps<Int32Array[]> {
  const counted = pairCounter();
  const both: Set<number>[] = [];
  for (const set of adjacent) {
    both.push(yield* copyOf(set));
    yield pause;
  }
  for (const [u, set] of adjacent.entries()) {
    yield* forEach(set, (v) => both[v]!.add(u));
    yield pause;
  }
  const lists: Int32Array[] = [];
  for (const set of both) {
    counted(set.size);
    const list = new Int32Array(set.size);
    yield* forEach(set, (v, at) => {
      list[at] = v;
    });
    lists.push(list);
    yield pause;
  }
  return lists;
}

function* copyOf(set: ReadonlySet<number>): Steps<Set<number>> {
  const copy = new Set<number>();
  yield* forEach(set, (value) => copy.add(value));
  return copy;
}

/** Returns all ancestors of each node, by depth-first search without recursion. */
function* closure(parents: readonly Set<number>[], nodes: readonly Node[]): Steps<Int32Array[]> {
  const found: (Int32Array | undefined)[] = Array(parents.length);
  const counted = pairCounter();
  const union = new Int32Array(parents.length);
  const owner = new Int32Array(parents.length).fill(-1); // per ancestor, the last node to whose list it was added
  const open = new Set<number>();
  for (let root = 0; root < parents.length; ++root) {
    const stack = [root];
    while (stack.length > 0) {
      yield pause;
      const node = stack.at(-1)!;
      if (found[node] !== undefined) {
        stack.pop();
        continue;
      }
      const before = stack.length;
      yield* forEach(parents[node]!, (parent) => {
        if (found[parent] !== undefined) return;
        if (open.has(parent))
          throw rangeError(
            name,
            'edges',
            "edges without a cycle for the relation 'ancestors'",
            `a cycle through ${nodes[parent]}`,
          );
        stack.push(parent);
      });
      open.add(node);
      if (stack.length > before) continue;
      let size = 0;
      const add = (ancestor: number): void => {
        if (owner[ancestor] === node) return;
        owner[ancestor] = node;
        union[size++] = ancestor;
      };
      for (const parent of parents[node]!) {
        add(parent);
        const above = found[parent]!;
        yield* inSlices(above.length, (begin, end) => {
          for (let at = begin; at < end; ++at) add(above[at]!);
        });
        yield pause;
      }
      counted(size);
      found[node] = union.slice(0, size);
      open.delete(node);
      stack.pop();
    }
  }
  return found as Int32Array[];
}
