import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { coded } from '../errors.ts';
import { run } from './command.ts';
import { type Inspection, inspect, inspectRoot } from './inspect.ts';
import type { LibTorch } from './record.ts';

/** One place that was looked at. */
export interface Looked {
  /** In words: LIBTORCH, LIBTORCH_USE_PYTORCH, chosen before, python3, system. */
  origin: string;
  found?: LibTorch;
  /** Why there is none, or why it cannot be used. */
  reason?: string;
}

/** What the search depends on; tests give their own. */
export interface Surroundings {
  env: NodeJS.ProcessEnv;
  /** What `setup` chose before. */
  chosen: LibTorch | undefined;
  /** The folder of python3's torch, or why there is none. */
  pythonTorch: () => Promise<{ root: string } | { reason: string }>;
  /** Folder of the system's headers and folders of its libraries. */
  system: { include: string; libs: readonly string[] };
  /** Whether the library can be loaded here, or why not. */
  loads: (libtorch: LibTorch) => Promise<true | string>;
}

/** The place that won, if any, and all that were looked at on the way. */
export interface Search {
  libtorch: LibTorch | undefined;
  looked: Looked[];
}

/**
 * Looks for a libtorch: LIBTORCH, LIBTORCH_USE_PYTORCH=1, what was chosen before, a python3 that has torch, the
 * system's. The first that exists and loads is taken.
 * @throws Error `ERR_HOROBALL_NO_TORCH` when the environment names one that cannot be used: no other is taken
 *   in its place.
 */
export async function findLibTorch(around: Surroundings): Promise<Search> {
  const looked: Looked[] = [];
  for (const place of places(around)) {
    const entry = await lookAt(place, around);
    looked.push(entry);
    if (entry.found !== undefined) return { libtorch: entry.found, looked };
    if (place.binding) {
      const message = `${place.origin} is set, but it cannot be used: ${entry.reason}; mend or unset it`;
      throw coded('ERR_HOROBALL_NO_TORCH', message);
    }
  }
  return { libtorch: undefined, looked };
}

interface Place {
  origin: string;
  /** Named by the user: no other will do. */
  binding: boolean;
  inspect: () => Promise<Inspection> | Inspection;
}

function places({ env, chosen, pythonTorch, system }: Surroundings): Place[] {
  const root = env['LIBTORCH'];
  const list: Place[] = [];
  const add = (origin: string, binding: boolean, look: Place['inspect']): void => {
    list.push({ origin, binding, inspect: look });
  };
  const python = async (origin: string): Promise<Inspection> => {
    const answer = await pythonTorch();
    return 'root' in answer ? inspectRoot(origin, answer.root) : answer;
  };
  if (root) add('LIBTORCH', true, () => inspectRoot('LIBTORCH', root));
  if (env['LIBTORCH_USE_PYTORCH'] === '1') {
    add('LIBTORCH_USE_PYTORCH', true, () => python('LIBTORCH_USE_PYTORCH'));
  }
  if (chosen) add('chosen before', false, () => inspect(chosen.origin, chosen.lib, chosen.include));
  add('python3', false, () => python('python3'));
  add('system', false, () => inspectSystem(system));
  return list;
}

async function lookAt({ origin, inspect: look }: Place, { loads }: Surroundings): Promise<Looked> {
  const inspection = await look();
  if ('reason' in inspection) return { origin, reason: inspection.reason };
  const verdict = await loads(inspection.libtorch);
  if (verdict === true) return { origin, found: inspection.libtorch };
  return { origin, reason: `${inspection.libtorch.lib} does not load: ${verdict}` };
}

function inspectSystem({ include, libs }: Surroundings['system']): Inspection {
  let answer: Inspection = { reason: 'libtorch-dev is not installed' };
  for (const lib of libs) {
    const inspection = inspect('system', lib, include);
    if ('libtorch' in inspection) return inspection;
    if (!inspection.reason.startsWith('there is no')) answer = inspection;
  }
  return answer;
}

/** Where a system keeps libraries: the multiarch folders, then the plain ones. */
export function systemFolders(prefix: string = '/usr'): Surroundings['system'] {
  const triplets = names(join(prefix, 'lib')).filter((name) => /^[^.]+-linux-gnu[^.]*$/.test(name));
  const libs = [...triplets.map((name) => join('lib', name)), 'lib64', 'lib'];
  return { include: join(prefix, 'include'), libs: libs.map((name) => join(prefix, name)) };
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Asks python3 where its torch is, without importing it (that takes seconds). */
export async function pythonTorch(program = 'python3'): Promise<{ root: string } | { reason: string }> {
  const script =
    "import importlib.util as u; s = u.find_spec('torch'); print(s.origin if s and s.origin else '')";
  const { code, stdout } = await run(program, ['-c', script], { timeoutMs: 20_000 });
  if (code === null) return { reason: `there is no ${program}` };
  const origin = stdout.trim();
  return code === 0 && origin !== '' ? { root: dirname(origin) } : { reason: `${program} has no torch` };
}
