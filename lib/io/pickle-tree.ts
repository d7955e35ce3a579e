import { PickleDict, type PickleValue, unsupported } from './pickle-values.ts';

const maxDepth = 100;
/** Maximum number of values, counting shared parts once per occurrence. */
const maxUnfolded = 2 ** 24;

/** Rejects values that would make a traversal hang or overflow: cycles, deep nesting, exponentially shared parts. */
export function checkTree(root: PickleValue): void {
  const sizes = new Map<PickleValue, number>();
  const open = new Set<PickleValue>();
  const path: { node: PickleValue; rest: Iterator<PickleValue>; size: number }[] = [];
  const enter = (node: PickleValue): number => {
    if (!Array.isArray(node) && !(node instanceof PickleDict)) return 1;
    const known = sizes.get(node);
    if (known !== undefined) return known;
    if (open.has(node)) throw unsupported('a container that contains itself is not supported');
    if (path.length >= maxDepth)
      throw unsupported(`nesting more than ${maxDepth} levels deep is not supported`);
    open.add(node);
    path.push({ node, rest: node.values(), size: 1 });
    return 0;
  };
  enter(root);
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const next = top.rest.next();
    if (!next.done) {
      top.size += enter(next.value);
    } else {
      path.pop();
      open.delete(top.node);
      sizes.set(top.node, top.size);
      const parent = path.at(-1);
      if (parent !== undefined) parent.size += top.size;
    }
    if (top.size > maxUnfolded)
      throw unsupported(`a pickle that expands to more than ${maxUnfolded} values is not supported`);
  }
}
