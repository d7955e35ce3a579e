import { checkObject, checkText } from '../../check.ts';
import { coded } from '../../errors.ts';
import type { Place } from '../lane/group.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Returns the rank of this process and the rendezvous of its group, from the environment variables that a launcher sets:
 *
 * - torchrun, `horoball train --nproc` and the PyTorchJob of Kubernetes: `RANK`, `WORLD_SIZE`, `MASTER_ADDR`,
 *   `MASTER_PORT` and, if present, `LOCAL_RANK`, `LOCAL_WORLD_SIZE`, `TORCHELASTIC_USE_AGENT_STORE` and
 *   `TORCHELASTIC_RESTART_COUNT`;
 * - SLURM's `srun`: `SLURM_PROCID`, `SLURM_STEP_NUM_TASKS`, `SLURM_LOCALID`, `SLURM_NODEID`, `SLURM_STEP_TASKS_PER_NODE`, and
 *   for the rendezvous `MASTER_ADDR` or the first host of `SLURM_STEP_NODELIST`, and `MASTER_PORT` or a port derived from
 *   `SLURM_JOB_ID` and `SLURM_STEP_ID`.
 *
 * @returns null for a single process
 * @throws RangeError `ERR_HOROBALL_RENDEZVOUS` naming the variable that is missing or invalid
 */
export function placeOf(env: Environment): Place | null {
  checkObject('placeOf', env, 'env');
  const names = env['WORLD_SIZE'] === undefined ? slurm : torch;
  if (env[names.size] === undefined) return null;
  const size = integerOf(env, names.size, 1, 1 << 20);
  if (size === 1) return null;
  const rank = integerOf(env, names.rank, 0, size - 1);
  const isSlurm = names === slurm;
  const localSize =
    isSlurm || env['LOCAL_WORLD_SIZE'] === undefined ? 1 : integerOf(env, 'LOCAL_WORLD_SIZE', 1, size);
  const localRank = env[names.local] === undefined ? 0 : integerOf(env, names.local, 0, size - 1);
  return {
    rank,
    size,
    localRank,
    localSize: isSlurm ? localTasks(env) : Math.max(localSize, localRank + 1),
    host: env['MASTER_ADDR'] ?? (isSlurm ? firstHost(env) : missing(env, 'MASTER_ADDR')),
    port:
      env['MASTER_PORT'] === undefined && isSlurm ? portOfStep(env) : integerOf(env, 'MASTER_PORT', 1, 65535),
    launched: env['TORCHELASTIC_USE_AGENT_STORE'] === 'True',
    restarts:
      env['TORCHELASTIC_RESTART_COUNT'] === undefined ? 0 : integerOf(env, 'TORCHELASTIC_RESTART_COUNT', 0),
  };
}

const torch = { rank: 'RANK', size: 'WORLD_SIZE', local: 'LOCAL_RANK' };
/**
 * The group size is read from SLURM_STEP_NUM_TASKS, which only srun sets. SLURM_NTASKS is also set in the batch script,
 * which is a single process.
 */
const slurm = { rank: 'SLURM_PROCID', size: 'SLURM_STEP_NUM_TASKS', local: 'SLURM_LOCALID' };

/** Distance of the ports of consecutive steps: a prime, so that steps of jobs with close ids have different ports. */
const portsPerStep = 1237;

/**
 * Derives a port from the ids of the job and the step, below the range that systems use for outgoing connections. Steps of
 * a job may run at the same time: at the same port, ranks of one would join the group of another.
 */
function portOfStep(env: Environment): number {
  const step = env['SLURM_STEP_ID'] === undefined ? 0 : integerOf(env, 'SLURM_STEP_ID', 0);
  return 20_000 + ((integerOf(env, 'SLURM_JOB_ID', 0) + portsPerStep * step) % 10_000);
}

/** Returns the number of tasks on this node. SLURM_STEP_TASKS_PER_NODE is a list such as 4(x2),3, in node order. */
function localTasks(env: Environment): number {
  const node = Number(env['SLURM_NODEID'] ?? 0);
  const counts = (env['SLURM_STEP_TASKS_PER_NODE'] ?? '1').split(',').flatMap((part) => {
    const [, count = '1', times = '1'] = /^(\d+)(?:\(x(\d+)\))?$/.exec(part) ?? [];
    return Array<number>(Number(times)).fill(Number(count));
  });
  return counts[node] ?? 1;
}

/** Returns the first host of a list such as gpu[03-05,9],login. */
function firstHost(env: Environment): string {
  const list = env['SLURM_STEP_NODELIST'] ?? missing(env, 'SLURM_STEP_NODELIST');
  const [, prefix = '', number = ''] = /^([^,[]+)(?:\[(\d+))?/.exec(list) ?? [];
  return prefix === '' ? missing(env, 'MASTER_ADDR') : prefix + number;
}

function integerOf(env: Environment, name: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  const text = checkText('placeOf', name, env[name] ?? missing(env, name));
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw rendezvousError(env, `${name}: expected an integer ${range}, got '${text}'`);
}

function missing(env: Environment, name: string): never {
  throw rendezvousError(
    env,
    `${name}: expected a value, because other variables describe a group of processes, got none`,
  );
}

function rendezvousError(env: Environment, what: string): RangeError {
  const sizes = [torch.size, slurm.size].filter((name) => env[name] !== undefined).join(' and ');
  const fix = `Set it as your launcher's documentation says, or unset ${sizes} to train in a single process.`;
  return coded('ERR_HOROBALL_RENDEZVOUS', `[group.join] ${what}. ${fix}`, RangeError);
}
