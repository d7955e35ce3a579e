import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkObject, checkText, filePath, instance, integer, mostThreads } from '../../check.ts';
import { checkInside } from '../../io/inside.ts';
import { bestName, checkpointKey, lastName } from '../../io/run-path.ts';
import { readSafetensors, writeSafetensors } from '../../io/safetensors.ts';
import { decoderVersion } from '../../io/sharp.ts';
import { coreInfo } from '../../native.ts';
import { Embedder } from '../lane/embedder.ts';
import { randomState, setRandomState, torchInfo } from '../lane/native.ts';
import type { AnyTensor, Device } from '../lane/types.ts';
import type { RunConfig } from '../options/options.ts';
import { problemOf } from './checkpoint-check.ts';
import { type Contents, checkpointError, contentsOf, type Machine, type Position } from './contents.ts';
import { Learner } from './learner.ts';
import { optionsMetadata, temperaturesMetadata, weightsMetadata } from './trained-weights.ts';

export type { Best, Position } from './contents.ts';

/** Prefixes of tensor names; names without a prefix are the weights used for evaluation. */
type Part = 'training' | 'optimizer' | 'memory' | 'proxies' | 'random';

/**
 * Everything needed to resume a run: weights, their EMA, the state of the optimizer and the scaler, learnable scalars,
 * cross-batch memory, proxies, random states and the position. The file is safetensors with the weights under timm's names,
 * so that `loadWeights` and other readers can load it.
 *
 * @example
 * const checkpoint = await Checkpoint.read('runs/shapes-hybrid-1');
 * checkpoint.position.step; // 360
 */
export class Checkpoint {
  readonly config: RunConfig;
  readonly position: Position;
  readonly #contents: Contents;
  readonly #tensors: ReadonlyMap<string, AnyTensor>;
  readonly #weightsMetadata: Readonly<Record<string, string>>;

  private constructor(
    contents: Contents,
    tensors: ReadonlyMap<string, AnyTensor>,
    weightsMetadata: Readonly<Record<string, string>>,
  ) {
    this.config = contents.config;
    this.position = contents.position;
    this.#contents = contents;
    this.#tensors = tensors;
    this.#weightsMetadata = weightsMetadata;
  }

  /** Captures the state of a run; waits for queued steps. */
  static async capture(learner: Learner, config: RunConfig, position: Position): Promise<Checkpoint> {
    checkLearner('checkpoint.capture', learner);
    checkObject('checkpoint.capture', config, 'config');
    checkObject('checkpoint.capture', position, 'position');
    const { embedder, ema, optimizer, scaler, learnables, memory, proxies } = learner;
    const trained = await embedder.state();
    const tensors = new Map<string, AnyTensor>(trained);
    const add = (part: Part, entries: Iterable<readonly [string, AnyTensor]>): void => {
      for (const [name, tensor] of entries) tensors.set(`${part}/${name}`, tensor);
    };
    if (ema !== null) {
      const averages = await ema.state();
      add(
        'training',
        [...trained].filter(([name]) => averages.has(name)),
      );
      for (const [name, tensor] of averages) tensors.set(name, tensor);
    }
    add('optimizer', await optimizer.state());
    if (memory !== null) add('memory', memory.state());
    if (proxies !== null) add('proxies', await proxies.state());
    for (const device of randomDevices(config)) {
      const data = await randomState(device);
      add('random', [[device, { shape: [data.length], data }]]);
    }
    const contents: Contents = {
      version: 1,
      config,
      position,
      scaler: (await scaler?.state()) ?? null,
      learnt: learnables.state(),
      machine: machineOf(config, learner.ranks),
    };
    const metadata = { ...weightsMetadata(embedder), ...temperaturesMetadata(learnables) };
    return new Checkpoint(contents, tensors, metadata);
  }

  /**
   * Writes the file atomically.
   *
   * @throws file system errors
   */
  async write(path: string): Promise<void> {
    filePath('checkpoint.write', 'path', path);
    const metadata = {
      ...this.#weightsMetadata,
      ...optionsMetadata(this.config),
      [checkpointKey]: JSON.stringify(this.#contents),
    };
    await writeSafetensors(path, this.#tensors, { metadata, checksums: true });
  }

  /**
   * Reads a checkpoint.
   * @param path - a file, or a run folder for its last checkpoint
   * @throws `ERR_HOROBALL_CHECKPOINT` if the file is not a checkpoint; `ERR_HOROBALL_FORMAT` if it is damaged; file
   * system errors
   */
  static async read(path: string): Promise<Checkpoint> {
    const { tensors, metadata } = await readSafetensors(await fileOf(path));
    const { [checkpointKey]: _, ...weightsMetadata } = metadata;
    return new Checkpoint(contentsOf(path, metadata), tensors, weightsMetadata);
  }

  /**
   * Reads only the position.
   *
   * @throws as {@link Checkpoint.read}
   */
  static async position(path: string): Promise<Position> {
    const { metadata } = await readSafetensors(await fileOf(path), { names: [] });
    return contentsOf(path, metadata).position;
  }

  /**
   * Restores a learner with the same configuration.
   * @throws `ERR_HOROBALL_CHECKPOINT` or `ERR_HOROBALL_SHAPE` if the learner differs or the checkpoint is not the
   * complete state of a run
   */
  async restore(learner: Learner): Promise<void> {
    checkLearner('checkpoint.restore', learner);
    const { embedder, ema, optimizer, scaler, learnables, memory, proxies } = learner;
    const { scaler: scalerState, learnt: learnableState } = this.#contents;
    const problem = await problemOf(
      { tensors: this.#tensors, step: this.position.step, scaler: scalerState, learnables: learnableState },
      learner,
    );
    if (problem !== null)
      throw checkpointError(
        `state: expected the complete state of this run, got a checkpoint that ${problem}. Use the options of the checkpoint, or restore it from a backup.`,
      );
    const weights = new Map([...this.#tensors].filter(([name]) => !name.includes('/')));
    await embedder.loadState(new Map([...weights, ...this.#part('training')]));
    if (ema !== null) await ema.loadState(weights);
    await optimizer.loadState(this.#part('optimizer'));
    memory?.loadState(this.#part('memory'));
    await proxies?.loadState(this.#part('proxies'));
    if (scalerState !== null) scaler?.loadState(scalerState);
    learnables.loadState(learnableState);
    learner.follow(scalerState);
    const states = this.#part('random');
    for (const device of randomDevices(embedder.config)) {
      const data = states.get(device)?.data; // missing for a device that the run has not used before
      if (data !== undefined) await restoreRandom(data as Uint8Array, device);
    }
  }

  /** Number of ranks that trained together; null in checkpoints of earlier versions. */
  get ranks(): number | null {
    return this.#contents.machine.ranks ?? null;
  }

  /**
   * Describes changes of the machine since the checkpoint that affect the last digits of results; null without any.
   *
   * @param ranks - number of processes that train together now
   */
  changedMachine(config: RunConfig, ranks: number = 1): string | null {
    checkObject('checkpoint.changedMachine', config, 'config');
    const is = machineOf(config, integer('checkpoint.changedMachine', 'ranks', ranks, 1, mostRanks));
    const was = { ...is, ...this.#contents.machine };
    if (Object.entries(is).every(([name, value]) => was[name as keyof Machine] === value)) return null;
    const isDecoded = was.decoder === is.decoder;
    const said = ({ libtorch, threads, device, level, ranks, decoder }: Machine): string =>
      `libtorch ${libtorch} with ${threads} ${threads === 1 ? 'thread' : 'threads'} on ${device} (${level})${ranks === 1 ? '' : ` in ${ranks} processes`}${isDecoded ? '' : ` with ${decoder}`}`;
    return `the last checkpoint was written on ${said(was)}, and the run resumes on ${said(is)}, so results may differ in the last digits`;
  }

  #part(part: Part): Map<string, AnyTensor> {
    const prefix = `${part}/`;
    const entries = [...this.#tensors].filter(([name]) => name.startsWith(prefix));
    return new Map(entries.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
  }
}

/** Names of the checkpoints in a run folder: the last checkpoint, and the checkpoint of the best evaluation. */
export { bestName, lastName };

/** Checks a learner and its embedder, because an object with the prototype of `Learner` may lack its fields. */
function checkLearner(operation: string, learner: Learner): void {
  const { embedder } = instance(operation, 'learner', learner, Learner);
  instance(operation, 'learner.embedder', embedder, Embedder);
  learner.checkTrained(operation);
}

async function fileOf(path: string): Promise<string> {
  filePath('checkpoint', 'path', path);
  if (!(await stat(path)).isDirectory()) return path;
  const file = join(path, lastName);
  await checkInside(file);
  return file;
}

async function restoreRandom(state: Uint8Array, device: Device): Promise<void> {
  try {
    await setRandomState(state, device);
  } catch (cause) {
    throw Object.assign(
      checkpointError(
        `random: expected a valid random state of ${device}, got an invalid one. Restore the checkpoint from a backup.`,
      ),
      { cause },
    );
  }
}

function randomDevices({ device }: { device: string }): Device[] {
  return device === 'cpu' ? ['cpu'] : ['cpu', device as Device];
}

const mostRanks = 2 ** 31 - 1;

function machineOf(config: RunConfig, ranks: number): Machine {
  const { version: libtorch, threads } = torchInfo();
  const wanted = integer('checkpoint', 'config.threads', config.threads, 0, mostThreads);
  const { level } = coreInfo();
  const device = checkText('checkpoint', 'config.device', config.device);
  const decoder = decoderVersion();
  const own = { libtorch, threads: wanted > 0 ? wanted : threads, device, level, ranks };
  return decoder === null ? own : { ...own, decoder };
}
