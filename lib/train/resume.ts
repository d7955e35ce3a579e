import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { coded } from '../errors.ts';
import { Checkpoint, lastName } from './checkpoint.ts';
import { withChunk } from './chunk.ts';
import { busyWith } from './claim.ts';
import { configError, parseConfig, type RunConfig } from './config.ts';
import { readConfig } from './run-folder.ts';
import { settled } from './settle.ts';

/** What a call of `train` means: a run from its beginning, or one that goes on. */
export interface Plan {
  config: RunConfig;
  /** Of a run that was begun already. */
  folder: string | null;
}

/** What a run may go on with otherwise than it began: nothing that its numbers depend on. */
const free = [
  'runs',
  'name',
  'path',
  'workers',
  'cache',
  'device',
  'threads',
  'save_every',
  'strict',
] as const;
/** What may be asked for on top when the run is named: more of it. */
const extensible = [...free, 'ep', 'eval_ep', 'baselines'] as const;

/**
 * Finds the run that `resume` means.
 * @param resume - a run folder; `auto` for the run of these very options that has not come to its end (with a `name`:
 * the run of that name), or a new one where there is none
 * @param note - see `settled`
 * @throws `ERR_HOROBALL_CONFIG` where an option is not the run's own; `ERR_HOROBALL_RUN`
 */
export async function planRun(
  options: Readonly<Partial<RunConfig>>,
  resume?: string | null,
  note?: (text: string) => void,
): Promise<Plan> {
  if (resume !== undefined && resume !== null && resume !== 'auto') return await planFolder(resume, options);
  const config = await settled(parseConfig({ ...options }), note);
  const going = resume === 'auto' ? await planAuto(config, note) : null;
  return going ?? { config: withChunk(config, note), folder: null };
}

async function planFolder(folder: string, options: Readonly<Record<string, unknown>>): Promise<Plan> {
  const began = await readConfig(folder);
  const config = await settled(parseConfig({ ...began, ...withoutEnd(began, options) }));
  const other = differing(began, config, extensible);
  if (other !== undefined) {
    const message = `[train] ${other}: expected ${began[other]}, with which the run ${folder} began, got ${config[other]}; leave it out, or begin a new run`;
    throw configError(message);
  }
  return { config, folder };
}

/** A longer run is evaluated at its own end. */
function withoutEnd(began: RunConfig, options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const moves = given['ep'] !== undefined && given['eval_ep'] === undefined;
  return moves && began.eval_ep === `[${began.ep}]` ? { ...given, eval_ep: undefined } : given;
}

/** The run that goes on; null where there is none. */
async function planAuto(config: RunConfig, note?: (text: string) => void): Promise<Plan | null> {
  const { runs, name } = config;
  if (runs === null)
    throw configError('[train] resume: expected runs to be a folder, got None: nothing was kept');
  if (name !== null) {
    const folder = join(runs, name);
    const begun = await exists(join(folder, 'config.json'));
    return begun ? await planFolder(folder, { ...config, chunk: config.chunk ?? undefined }) : null;
  }
  for (const folder of await newestFirst(runs)) {
    const began = await readConfig(folder).catch(() => null);
    if (began === null) continue;
    const like = { ...config, chunk: config.chunk ?? began.chunk }; // what fits changes with what else is running
    if (differing(began, like, free)) continue;
    const other = await busyWith(folder);
    if (other !== null) {
      note?.(`process ${other} is training in ${folder} with these options, so that one is left alone`);
      continue;
    }
    if (!(await isOver(folder))) return { config: like, folder };
  }
  return null;
}

/** The first option in which two configurations differ, but for those that may. */
function differing(
  one: RunConfig,
  other: RunConfig,
  may: readonly (keyof RunConfig)[],
): keyof RunConfig | undefined {
  const keys = Object.keys(one) as (keyof RunConfig)[];
  return keys.find((key) => !may.includes(key) && one[key] !== other[key]);
}

/** A run without checkpoints cannot be gone on with once it has learnt anything. */
async function isOver(folder: string): Promise<boolean> {
  const last = join(folder, lastName);
  if (await exists(last)) return (await Checkpoint.position(last)).complete;
  return (await exists(join(folder, 'model.safetensors'))) && (await tookSteps(folder));
}

/** The weights of a run that took no step are those that it began with: beginning again loses nothing. */
async function tookSteps(folder: string): Promise<boolean> {
  const metrics = await readFile(join(folder, 'metrics.jsonl'), 'utf8').catch(() => '');
  return metrics.includes('"type":"step"');
}

/**
 * Where a run was when it last wrote a checkpoint; null where it was ended before that, so that it begins again.
 * @throws `ERR_HOROBALL_CHECKPOINT` where it wrote none; the errors of `Checkpoint.read`
 */
export async function readLast(folder: string): Promise<Checkpoint | null> {
  const last = join(folder, lastName);
  if (await exists(last)) return await Checkpoint.read(last);
  if (!(await isOver(folder))) return null;
  const message = `[train] resume: ${folder} has no checkpoint to go on from, only weights: there is no ${lastName} (save_every None writes none)`;
  throw coded('ERR_HOROBALL_CHECKPOINT', message);
}

async function newestFirst(runs: string): Promise<string[]> {
  const names = await readdir(runs).catch(() => []);
  const dated = await Promise.all(
    names.map(async (name) => {
      const folder = join(runs, name);
      const at = await stat(join(folder, 'config.json')).then(
        ({ mtimeMs }) => mtimeMs,
        () => null,
      );
      return { folder, at };
    }),
  );
  return dated
    .filter(({ at }) => at !== null)
    .sort((a, b) => b.at! - a.at!)
    .map(({ folder }) => folder);
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
