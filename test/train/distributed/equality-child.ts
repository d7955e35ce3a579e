// One rank of the comparison between several processes and a single one: `node equality-child.js CASES FOLDER`. For every
// case, computes the gradients of the first step and then trains; rank 0 writes FOLDER/<case>.json and the gradients.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../../../lib/io/index.ts';
import { placeOf } from '../../../lib/train/distributed/environment.ts';
import {
  type HealthRow,
  Learner,
  type NamedTensor,
  ProcessGroup,
  parseConfig,
  type RunConfig,
  type StepRow,
  setThreads,
  train,
} from '../../../lib/train/index.ts';
import { openSource } from '../../../lib/train/run/source.ts';

export interface Case {
  name: string;
  options: Partial<RunConfig>;
}

/**
 * The results of a case that rank 0 writes, in addition to the gradients and the run folder, which are named after the
 * case.
 */
export interface CaseResult {
  rows: StepRow[];
  health: HealthRow[];
  recalls: number[];
  skipped: number;
}

const [file, folder] = process.argv.slice(2) as [string, string];
const cases = JSON.parse(await readFile(file, 'utf8')) as Case[];
const place = placeOf(process.env);
const group = place === null ? null : await ProcessGroup.join(place);
setThreads(1);

async function firstGradients(config: RunConfig): Promise<Map<string, NamedTensor>> {
  using learner = await Learner.create(config, () => {}, group);
  const source = await openSource(config, group?.place);
  for await (const samples of source.batches(0)) {
    using own = await learner.embed(samples);
    using whole = learner.gather(own, samples);
    using rows = learner.compared(whole, whole.labels);
    using objective = learner.loss.apply(rows, rows.labels, learner.scalars());
    await learner.backward(objective, own, rows.factor);
    return await learner.embedder.gradients();
  }
  throw new Error('no batch');
}

for (const { name, options } of cases) {
  const gradients = await firstGradients(parseConfig(options));
  const rows: StepRow[] = [];
  const health: HealthRow[] = [];
  const onStep = (row: StepRow): void => void rows.push(row);
  const onHealth = (row: HealthRow): void => void health.push(row);
  const { evaluations, skipped } = await train(
    { ...options, runs: folder, name },
    { onStep, onHealth, group },
  );
  if (group !== null && group.rank !== 0) continue;
  await writeSafetensors(join(folder, `${name}.gradients.safetensors`), gradients);
  const recalls = evaluations.flatMap(({ spaces }) => Object.values(spaces).map(({ at }) => at['1']!));
  const result: CaseResult = { rows, health, recalls, skipped };
  await writeFile(join(folder, `${name}.json`), JSON.stringify(result));
}
await group?.close();
