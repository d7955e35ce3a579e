import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus } from 'node:os';

/** What a committed figure depends on. */
export interface Machine {
  /** Processor and cores, fit for a file name: `amd-epyc-x2`. */
  readonly name: string;
  /** Commit, with `-dirty` where the tree differs from it. */
  readonly commit: string;
  readonly date: string;
  readonly node: string;
}

export function machine(): Machine {
  const model = cpus()[0]?.model ?? process.arch;
  const slug = model
    .toLowerCase()
    .replace(/\(r\)|\(tm\)|@.*|cpu|processor/g, ' ')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return {
    name: `${slug}-x${availableParallelism()}`,
    commit: commit(),
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
  };
}

function commit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!bench/rows') !== '';
    return git('rev-parse', '--short', 'HEAD') + (changed ? '-dirty' : '');
  } catch {
    return 'no-commit';
  }
}
