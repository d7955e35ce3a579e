import { execFileSync, type StdioOptions } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout, or the installed package. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url));

/** Whether results belong to a commit. */
export const isCheckout: boolean = existsSync(join(root, '.git'));

/** The machine, commit, date and version of Node with which figures were measured. */
export interface Machine {
  /** The CPU's model name, family, model number, stepping and cores in one file name: `amd-epyc-f26m2s1-x2`. */
  readonly name: string;
  /** Commit, with `-dirty` if the tree differs from it; the version if this is an installed package. */
  readonly commit: string;
  readonly date: string;
  readonly node: string;
}

export function machine(): Machine {
  return {
    name: machineName(cpus()[0]?.model ?? process.arch, cpuInfo(), availableParallelism()),
    commit: commit(),
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
  };
}

/** Returns the text of /proc/cpuinfo, which is empty on systems other than Linux. */
function cpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}

/**
 * Returns a name of the CPU for file names. The model name of a virtual machine may lack the CPU's generation; family,
 * model number and stepping identify it.
 */
export function machineName(model: string, cpuInfo: string, cores: number): string {
  const numbers = ['cpu family', 'model', 'stepping'].map(
    (field) => new RegExp(`^${field}\\s*: (\\d+)$`, 'm').exec(cpuInfo)?.[1],
  );
  const [family, number, stepping] = numbers;
  const generation = numbers.includes(undefined) ? '' : `-f${family}m${number}s${stepping}`;
  const slug = model
    .toLowerCase()
    .replace(/\(r\)|\(tm\)|@.*|cpu|processor/g, ' ')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return `${slug}${generation}-x${cores}`;
}

function commit(): string {
  if (!isCheckout) {
    return `v${(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version}`;
  }
  try {
    const stdio = ['ignore', 'pipe', 'ignore'] satisfies StdioOptions;
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!bench/rows') !== '';
    return git('rev-parse', '--short', 'HEAD') + (changed ? '-dirty' : '');
  } catch {
    return 'no-commit';
  }
}
