import { dirname, join } from 'node:path';

import { coded } from '../errors.ts';
import { run } from './command.ts';
import { type Inspection, inspect, inspectRoot } from './inspect.ts';
import { namesIn } from './paths.ts';
import type { LibTorch } from './record.ts';

/** One location that was checked. */
export interface CheckedPlace {
  /** The location in words: LIBTORCH, LIBTORCH_USE_PYTORCH, chosen earlier, python3 or system. */
  origin: string;
  found?: LibTorch;
  /** Why it was not found or cannot be used. */
  reason?: string;
}

/** Inputs of the search, which tests replace. */
export interface SearchInputs {
  env: NodeJS.ProcessEnv;
  /** The libtorch that `setup` chose earlier. */
  chosen: LibTorch | undefined;
  /** The folder of python3's torch, or why it was not found. */
  pythonTorch: () => Promise<{ root: string } | { reason: string }>;
  /** Folder of the system's headers and folders of its libraries. */
  system: { include: string; libs: readonly string[] };
  /** Returns true if the library can be loaded here, otherwise the reason why not. */
  loads: (libtorch: LibTorch) => Promise<true | string>;
}

/** The selected libtorch, if any, and every location that was checked. */
export interface Search {
  libtorch: LibTorch | undefined;
  looked: CheckedPlace[];
}

/**
 * Searches for libtorch in this order: LIBTORCH, LIBTORCH_USE_PYTORCH=1, the earlier choice, python3's torch, the
 * system's library folders. Selects the first libtorch that exists and can be loaded.
 *
 * @throws Error `ERR_HOROBALL_NO_TORCH` if the environment selects one that cannot be used: no other is then tried
 */
export async function findLibTorch(inputs: SearchInputs): Promise<Search> {
  const looked: CheckedPlace[] = [];
  for (const candidate of candidates(inputs)) {
    const entry = await check(candidate, inputs);
    looked.push(entry);
    if (entry.found !== undefined) return { libtorch: entry.found, looked };
    if (candidate.binding) {
      const message = `[setup] ${candidate.origin} is set, but it cannot be used: ${entry.reason}. Correct it or unset it.`;
      throw coded('ERR_HOROBALL_NO_TORCH', message);
    }
  }
  return { libtorch: undefined, looked };
}

interface Candidate {
  origin: string;
  /** Whether an environment variable selects it: if it cannot be used, the search fails. */
  binding: boolean;
  inspect: () => Promise<Inspection> | Inspection;
}

function candidates({ env, chosen, pythonTorch, system }: SearchInputs): Candidate[] {
  const root = env['LIBTORCH'];
  const list: Candidate[] = [];
  const add = (origin: string, binding: boolean, look: Candidate['inspect']): void => {
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
  if (chosen) add('chosen earlier', false, () => inspect(chosen.origin, chosen.lib, chosen.include));
  add('python3', false, () => python('python3'));
  add('system', false, () => inspectSystem(system));
  return list;
}

async function check({ origin, inspect: look }: Candidate, { loads }: SearchInputs): Promise<CheckedPlace> {
  const inspection = await look();
  if ('reason' in inspection) return { origin, reason: inspection.reason };
  const verdict = await loads(inspection.libtorch);
  if (verdict === true) return { origin, found: inspection.libtorch };
  return { origin, reason: `${inspection.libtorch.lib} cannot be loaded: ${verdict}` };
}

function inspectSystem({ include, libs }: SearchInputs['system']): Inspection {
  let answer: Inspection = { reason: 'no libtorch in the library folders of the system' };
  for (const lib of libs) {
    const inspection = inspect('system', lib, include);
    if ('libtorch' in inspection) return inspection;
    if (!inspection.reason.endsWith(' not found')) answer = inspection;
  }
  return answer;
}

/** Returns the system's header folder and library folders, the multiarch ones first. */
export function systemFolders(prefix: string = '/usr'): SearchInputs['system'] {
  const triplets = namesIn(join(prefix, 'lib')).filter((name) => /^[^.]+-linux-gnu[^.]*$/.test(name));
  const libs = [...triplets.map((name) => join('lib', name)), 'lib64', 'lib'];
  return { include: join(prefix, 'include'), libs: libs.map((name) => join(prefix, name)) };
}

/** Asks python3 for the location of its torch without importing it, which would take seconds. */
export async function pythonTorch(program = 'python3'): Promise<{ root: string } | { reason: string }> {
  const script =
    "import importlib.util as u; s = u.find_spec('torch'); print(s.origin if s and s.origin else '')";
  const { code, stdout } = await run(program, ['-c', script], { timeoutMs: 20_000 });
  if (code === null) return { reason: `${program} not found` };
  const origin = stdout.trim();
  return code === 0 && origin !== ''
    ? { root: dirname(origin) }
    : { reason: `torch is not installed for ${program}` };
}
