import test from 'ava';
import { placeOf } from '../../../lib/train/distributed/environment.ts';

const torchrun = {
  RANK: '5',
  WORLD_SIZE: '8',
  LOCAL_RANK: '1',
  LOCAL_WORLD_SIZE: '4',
  MASTER_ADDR: 'node0',
  MASTER_PORT: '29500',
  TORCHELASTIC_USE_AGENT_STORE: 'True',
  TORCHELASTIC_RESTART_COUNT: '2',
};

const srun = {
  SLURM_JOB_ID: '123456',
  SLURM_PROCID: '3',
  SLURM_LOCALID: '1',
  SLURM_NODEID: '1',
  SLURM_NTASKS: '5',
  SLURM_STEP_NUM_TASKS: '5',
  SLURM_STEP_TASKS_PER_NODE: '2(x2),1',
  SLURM_STEP_NODELIST: 'gpu[03-04,17],big',
};

test('torchrun: uses its store, with separate keys for each restart', (t) => {
  t.deepEqual(placeOf(torchrun), {
    rank: 5,
    size: 8,
    localRank: 1,
    localSize: 4,
    host: 'node0',
    port: 29500,
    launched: true,
    restarts: 2,
  });
});

test('PyTorchJob: needs only its four variables', (t) => {
  const place = placeOf({ RANK: '1', WORLD_SIZE: '2', MASTER_ADDR: 'job-master-0', MASTER_PORT: '23456' });
  t.like(place, { rank: 1, size: 2, localRank: 0, localSize: 1, launched: false, restarts: 0 });
});

test('srun: ranks meet at the first host of the step, on a port derived from the job', (t) => {
  t.deepEqual(placeOf(srun), {
    rank: 3,
    size: 5,
    localRank: 1,
    localSize: 2,
    host: 'gpu03',
    port: 23456,
    launched: false,
    restarts: 0,
  });
  t.is(placeOf({ ...srun, SLURM_STEP_NODELIST: 'login1,gpu2' })!.host, 'login1');
  t.like(placeOf({ ...srun, MASTER_ADDR: 'a', MASTER_PORT: '7' }), { host: 'a', port: 7 });
});

test('srun: steps of a job, and of jobs with close ids, meet on different ports', (t) => {
  const ports = new Set<number>();
  for (let job = 123456; job < 123556; job++)
    for (let step = 0; step < 8; step++) {
      const ids = { SLURM_JOB_ID: String(job), SLURM_STEP_ID: String(step) };
      const { port } = placeOf({ ...srun, ...ids })!;
      t.true(port >= 20_000 && port < 30_000);
      ports.add(port);
    }
  t.is(ports.size, 800);
  t.is(placeOf({ ...srun, SLURM_STEP_ID: '0' })!.port, 23456);
});

test('one process does not form a group: alone, in a batch script, or as the only rank', (t) => {
  t.is(placeOf({}), null);
  t.is(placeOf({ SLURM_NTASKS: '4', SLURM_PROCID: '0' }), null);
  t.is(placeOf({ RANK: '0', WORLD_SIZE: '1' }), null);
  t.is(placeOf({ ...srun, SLURM_STEP_NUM_TASKS: '1', SLURM_PROCID: '0' }), null);
});

for (const [name, env, message] of [
  ['a rank outside the group', { ...torchrun, RANK: '8' }, /RANK: expected an integer from 0 to 7, got '8'/],
  ['no rank', { ...torchrun, RANK: undefined }, /RANK: expected a value, .* got none/],
  ['no address', { ...torchrun, MASTER_ADDR: undefined }, /MASTER_ADDR: expected a value, .* got none/],
  ['an invalid port', { ...torchrun, MASTER_PORT: 'x' }, /MASTER_PORT: .* from 1 to 65535, got 'x'/],
  ['an invalid size', { ...torchrun, WORLD_SIZE: '2.5' }, /WORLD_SIZE: expected an integer/],
  ['no rank of torchrun', { ...torchrun, RANK: undefined }, / or unset WORLD_SIZE to train/],
  ['no rank of srun', { ...srun, SLURM_PROCID: undefined }, / or unset SLURM_STEP_NUM_TASKS to train/],
  [
    'no rank of torchrun within srun',
    { ...srun, ...torchrun, RANK: undefined },
    / or unset WORLD_SIZE and SLURM_STEP_NUM_TASKS to train/,
  ],
] as const) {
  test(`${name}: the error names the variable`, (t) => {
    t.throws(() => placeOf(env), { code: 'ERR_HOROBALL_RENDEZVOUS', message });
  });
}

test('without LOCAL_WORLD_SIZE, the number of local ranks is LOCAL_RANK + 1', (t) => {
  const { LOCAL_WORLD_SIZE: _, ...env } = torchrun;
  t.like(placeOf(env), { localRank: 1, localSize: 2 });
});
