// The child process of test/options.test.ts: calls every export that has options, once with an unknown option added to valid
// arguments, and once with options that count the reads of each property. It prints a line per fault.

import { writeLine } from './write-line.ts';
import { type Callable, callables } from './wrong-arguments.ts';

/** Arguments, as the name of a call and an index, that are data instead of options and may have unknown properties. */
const data: ReadonlySet<string> = new Set([
  'Batch.from 1',
  'ImageLoader 0',
  'Batch.fromNormalized 1',
  'Batch.fromNormalised 1',
  'CachedEmbeddings 1',
  'Checkpoint.capture 1',
  'Checkpoint.capture 2',
  'Checkpoint#changedMachine 0',
  'EventWriter#hparams 0',
  'GradScaler#loadState 0',
  'LearnableScalars#loadState 0',
  'LearnableScalars#update 0',
  'Learner#batch 0',
  'Learner#embed 0',
  'Learner#firstNotFinite 0',
  'Learner#explain 2',
  'Learner#follow 0',
  'Learner#gather 1',
  'ProcessGroup.join 0',
  'checkDataset 0',
  'createViT 0',
  'embed 1',
  'evaluate 1',
  'learningRate 0', // accepts a whole run configuration
  'measure 0',
  'measure 1',
  'placeOf 0',
  'writeSafetensors 1',
]);
/** Arguments whose unknown properties are rejected with `ERR_HOROBALL_CONFIG`. */
const runOptions: ReadonlySet<string> = new Set(['Learner.create 0', 'parseConfig 0', 'train 0']);

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** A proxy that counts how often each property is read. */
function counted(base: object, readings: Map<string, number>): object {
  return new Proxy(base, {
    get(target, key) {
      readings.set(String(key), (readings.get(String(key)) ?? 0) + 1);
      return Reflect.get(target, key) as unknown;
    },
  });
}

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'a result';
  } catch (error) {
    return String((error as { code?: unknown }).code ?? error);
  }
}

async function probe({ name, args, call }: Callable): Promise<number> {
  let probed = 0;
  for (const [place, value] of (await args()).entries()) {
    const at = `${name} ${place}`;
    if (!isPlain(value) || data.has(at) || 'rows' in value) continue;
    const other = await args();
    other[place] = { ...value, misspelled: 1 };
    const code = await codeOf(() => call(other));
    const expected = runOptions.has(at) ? 'ERR_HOROBALL_CONFIG' : 'ERR_HOROBALL_OPTION';
    // If valid options lead to the same error, the call rejects another argument before it reads the options.
    const isRead = code === 'a result' || code !== (await codeOf(async () => call(await args())));
    if (code !== expected && isRead) writeLine(`fault: ${at} with an unknown option: ${code}`);
    const readings = new Map<string, number>();
    const watched = await args();
    watched[place] = counted(watched[place] as object, readings);
    await codeOf(() => call(watched));
    for (const [key, count] of readings) {
      // `train` reads a callback of its listener each time it calls it.
      if (count > 1 && at !== 'train 1') writeLine(`fault: ${at} reads ${key} ${count} times`);
    }
    probed++;
  }
  return probed;
}

process.on('unhandledRejection', () => {}); // later awaits handle the errors of queued calls
const { found } = await callables();
let probed = 0;
for (const callable of found) probed += await probe(callable);
writeLine(`done: ${probed} arguments of ${found.length} callables`);
process.exit(0);
