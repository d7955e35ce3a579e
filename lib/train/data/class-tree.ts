/** A class tree as arrays of numbers, for the tree losses. */
import { integer } from '../../check.ts';
import { largest } from '../../integers.ts';
import type { Split } from './types.ts';

/** The part of a class tree that contains the classes of a batch. A row is an image of the batch. */
export interface BatchTree {
  /**
   * The rows grouped by ancestor, one entry per level, from the bottom up: the group of each row, numbered from 0, and
   * the level's height above the classes. A level is omitted if it has the same groups as the level below, or if
   * all rows are in one group.
   */
  readonly levels: readonly { readonly height: number; readonly groups: Int32Array }[];
  /**
   * Pairs of a node (a class or an ancestor), numbered from 0, and a row below it. An ancestor with only one child in the
   * batch is omitted, because both have the same rows.
   */
  readonly nodes: Int32Array;
  readonly rows: Int32Array;
  /** Relative depths of nodes and rows: 0 for the root, 1 for an image of one of the deepest classes. */
  readonly nodeDepths: Float64Array;
  readonly rowDepths: Float64Array;
}

/**
 * Pads the ancestors of classes in shorter branches, so that all classes have the same number of ancestors. The padding comes
 * first, nearest to the class, and stands for the class itself.
 *
 * @param parents - the ancestors of each class, nearest first
 */
export function evenAncestors(parents: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const lengths = parents.map(({ length }) => length);
  const depth = largest(lengths, 0);
  if (lengths.every((length) => length === depth)) return parents;
  // Padding starts with a null character, so that it never equals the name of an ancestor.
  return parents.map((names, label) => [
    ...Array.from({ length: depth - names.length }, () => `\0${label}`),
    ...names,
  ]);
}

/** The class tree of a split. */
export class ClassTree {
  /** The path to each class, as node numbers: its ancestors from the top, then the class itself. */
  readonly #paths: readonly (readonly number[])[];
  /** Number of edges from the root to an image of one of the deepest classes. */
  readonly #depth: number;

  /** @param parents - the ancestors of each class, nearest first */
  private constructor(parents: readonly (readonly string[])[]) {
    const numbers = new Map<string, number>();
    const numberOf = (name: string): number => {
      const number = numbers.get(name) ?? parents.length + numbers.size;
      numbers.set(name, number);
      return number;
    };
    this.#paths = parents.map((names, label) => [...names.toReversed().map(numberOf), label]);
    this.#depth =
      1 +
      largest(
        this.#paths.map((path) => path.length),
        0,
      );
  }

  /** Returns the tree of a split; null if no class has an ancestor. */
  static of({ parents }: Pick<Split, 'parents'>): ClassTree | null {
    return parents?.some((names) => names.length > 0) ? new ClassTree(parents) : null;
  }

  /**
   * Returns the part of the tree that contains the classes of a batch.
   * @param labels - the class of each row
   * @throws RangeError `ERR_HOROBALL_RANGE` for a label that is not a class of the tree
   */
  batch(labels: Int32Array): BatchTree {
    const most = this.#paths.length - 1;
    const paths = Array.from(
      labels,
      (label) => this.#paths[integer('classTree.batch', 'labels', label, 0, most)]!,
    );
    return {
      levels: this.#levels(paths),
      ...this.#pairs(paths),
      rowDepths: Float64Array.from(paths, (path) => (path.length + 1) / this.#depth),
    };
  }

  #levels(paths: readonly (readonly number[])[]): BatchTree['levels'] {
    const levels: { height: number; groups: Int32Array }[] = [];
    let below = new Set(paths.map((path) => path.at(-1))).size;
    const classes = this.#depth - 1;
    for (let depth = classes - 1; depth > 0; depth--) {
      const numbers = new Numbering();
      const groups = Int32Array.from(paths, (path) => numbers.of(path[Math.min(depth, path.length) - 1]!));
      if (numbers.size > 1 && numbers.size < below) levels.push({ height: classes - depth, groups });
      below = numbers.size;
    }
    return levels;
  }

  #pairs(paths: readonly (readonly number[])[]): Pick<BatchTree, 'nodes' | 'rows' | 'nodeDepths'> {
    const children = new Map<number, Set<number>>();
    for (const path of paths) {
      for (const [i, node] of path.slice(0, -1).entries())
        children.set(node, (children.get(node) ?? new Set()).add(path[i + 1]!));
    }
    const numbers = new Numbering();
    const [nodes, rows, depths]: [number[], number[], number[]] = [[], [], []];
    for (const [row, path] of paths.entries()) {
      for (const [i, node] of path.entries()) {
        if (children.get(node)?.size === 1) continue;
        const number = numbers.of(node);
        nodes.push(number);
        rows.push(row);
        depths[number] = (i + 1) / this.#depth;
      }
    }
    return {
      nodes: Int32Array.from(nodes),
      rows: Int32Array.from(rows),
      nodeDepths: Float64Array.from(depths),
    };
  }
}

/** Assigns numbers from 0 in the order of first use. */
class Numbering {
  readonly #numbers = new Map<number, number>();

  of(node: number): number {
    const number = this.#numbers.get(node) ?? this.#numbers.size;
    this.#numbers.set(node, number);
    return number;
  }

  get size(): number {
    return this.#numbers.size;
  }
}
