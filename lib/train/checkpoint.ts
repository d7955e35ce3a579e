import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { coded } from '../errors.ts';
import { parsedJson } from '../io/json.ts';
import { readSafetensors, writeSafetensors } from '../io/safetensors.ts';
import { ViT } from './backbone.ts';
import { learntNames, parseConfig, type RunConfig } from './config.ts';
import type { Learner } from './learner.ts';
import type { LearntState } from './learnt.ts';
import type { Embedder } from './model.ts';
import { type Device, randomState, setRandomState, torchInfo } from './native.ts';
import type { Baseline } from './record.ts';
import type { ScalerState } from './scaler.ts';
import type { AnyTensor } from './tensor.ts';
import { loadWeights, type WeightsReport } from './weights/load.ts';

/**
 * Writes a network as safetensors under timm's parameter names; the file's metadata says how it was made.
 * The file appears whole or not at all. `loadWeights` reads it back.
 */
export async function saveWeights(path: string, model: Embedder | ViT): Promise<void> {
  const metadata = model instanceof ViT ? { format: 'pt' } : weightsMetadata(model);
  await writeSafetensors(path, await model.state(), { metadata });
}

/** Reads the weights of a run into its network, with the curvature at which a learnt one ended. */
export async function loadTrained(
  path: string,
  embedder: Embedder,
  config: RunConfig,
): Promise<WeightsReport> {
  const report = await loadWeights(path, embedder);
  if (!learntNames(config).includes('hyp_c')) return report;
  const { metadata } = await readSafetensors(path, { names: [] });
  const saved = parsedJson(metadata['horoball'] ?? '{}', path) as { c?: number };
  if (saved.c !== undefined) embedder.setCurvature(saved.c);
  return report;
}

function weightsMetadata(embedder: Embedder): Record<string, string> {
  return { format: 'pt', horoball: JSON.stringify({ ...embedder.config, c: embedder.c }) };
}

/** The evaluation with the highest Recall@1 so far; the first of equals. */
export interface Best {
  step: number;
  epoch: number;
  /** From 0 to 1. */
  recall: number;
}

/** Where a run is: with the configuration it names the next batch, its crops and its rate. */
export interface Position {
  /** Steps taken. */
  step: number;
  /** Seconds that they took, over all sittings. */
  seconds: number;
  /** Length of metrics.jsonl; what was written after this checkpoint is taken again. */
  metricsBytes: number;
  best: Best | null;
  baselines: Baseline[];
  /** The run has come to its end and written all that it leaves. */
  complete: boolean;
}

/** What libtorch computed with; another one rounds differently. */
interface Machine {
  libtorch: string;
  threads: number;
}

interface Contents {
  /** Of this layout; a file of a later one is refused. */
  version: 1;
  config: RunConfig;
  position: Position;
  scaler: ScalerState | null;
  learnt: LearntState;
  machine: Machine;
}

/** Which tensors stand before a slash: what is under none are the weights that an evaluation uses. */
type Part = 'training' | 'optimizer' | 'memory' | 'random';

/**
 * All that a run goes on from: weights, their average, the optimiser's moments, scaler, learnt scalars, cross-batch
 * memory, random states, and the position, which with the configuration's seed also is the sampler's, the loader's
 * and the schedule's. The file is safetensors; the weights in it stand under timm's names, so that it can be read
 * wherever weights can.
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

  /** Copies out all that changes from step to step; waits for the steps that are queued. */
  static async capture(learner: Learner, config: RunConfig, position: Position): Promise<Checkpoint> {
    const { embedder, ema, optimizer, scaler, learnt, memory } = learner;
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
    for (const device of randomDevices(config)) {
      const data = await randomState(device);
      add('random', [[device, { shape: [data.length], data }]]);
    }
    const contents: Contents = {
      version: 1,
      config,
      position,
      scaler: (await scaler?.state()) ?? null,
      learnt: learnt.state(),
      machine: machineOf(config),
    };
    return new Checkpoint(contents, tensors, weightsMetadata(embedder));
  }

  /** Writes the file: to a temporary one beside it, synced and renamed, so that it is whole or not there. */
  async write(path: string): Promise<void> {
    const metadata = { ...this.#weightsMetadata, [metadataKey]: JSON.stringify(this.#contents) };
    await writeSafetensors(path, this.#tensors, { metadata });
  }

  /**
   * @param path - a checkpoint, or a run folder, whose last one is meant
   * @throws `ERR_HOROBALL_CHECKPOINT` where it is no checkpoint; `ERR_HOROBALL_FORMAT` where the file is damaged; the
   * system's own errors
   */
  static async read(path: string): Promise<Checkpoint> {
    const { tensors, metadata } = await readSafetensors(await fileOf(path));
    const { [metadataKey]: _, ...weightsMetadata } = metadata;
    return new Checkpoint(contentsOf(path, metadata), tensors, weightsMetadata);
  }

  /** Only where the run was, without the tensors. */
  static async position(path: string): Promise<Position> {
    const { metadata } = await readSafetensors(await fileOf(path), { names: [] });
    return contentsOf(path, metadata).position;
  }

  /**
   * Puts all back into a learner of the same configuration.
   * @throws `ERR_HOROBALL_CHECKPOINT` or `ERR_HOROBALL_SHAPE` where the learner is of another
   */
  async restore(learner: Learner): Promise<void> {
    const { embedder, ema, optimizer, scaler, learnt, memory } = learner;
    const weights = new Map([...this.#tensors].filter(([name]) => !name.includes('/')));
    const { missing, unexpected } = await embedder.loadState(
      new Map([...weights, ...this.#part('training')]),
    );
    const odd = missing[0] ?? unexpected[0];
    if (odd !== undefined)
      throw checkpointError(`the checkpoint is of another network: ${odd} is in one only`);
    if (ema !== null) await ema.loadState(weights);
    await optimizer.loadState(this.#part('optimizer'));
    memory?.loadState(this.#part('memory'));
    const { scaler: scalerState, learnt: learntState } = this.#contents;
    if (scaler !== null) {
      if (scalerState === null) throw checkpointError('the checkpoint has no scaler of the loss');
      scaler.loadState(scalerState);
    }
    learnt.loadState(learntState);
    learner.follow(scalerState);
    const states = this.#part('random');
    for (const device of randomDevices(embedder.config)) {
      const data = states.get(device)?.data; // none of a device that the run was not on before
      if (data instanceof Uint8Array) await setRandomState(data, device);
    }
  }

  /** What makes the same steps come out otherwise in the last digits; null where nothing does. */
  changedMachine(config: RunConfig): string | null {
    const [was, is] = [this.#contents.machine, machineOf(config)];
    if (was.libtorch === is.libtorch && was.threads === is.threads) return null;
    const said = ({ libtorch, threads }: Machine): string => `libtorch ${libtorch} with ${threads} threads`;
    return `the run began on ${said(was)} and goes on with ${said(is)}, so its last digits will differ`;
  }

  #part(part: Part): Map<string, AnyTensor> {
    const prefix = `${part}/`;
    const entries = [...this.#tensors].filter(([name]) => name.startsWith(prefix));
    return new Map(entries.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
  }
}

/** The files of a run folder: the run goes on from the one, the other had the best evaluation. */
export const lastName = 'last.safetensors';
export const bestName = 'best.safetensors';

const metadataKey = 'horoball.checkpoint';

async function fileOf(path: string): Promise<string> {
  return (await stat(path)).isDirectory() ? join(path, lastName) : path;
}

function contentsOf(path: string, metadata: Readonly<Record<string, string>>): Contents {
  const text = metadata[metadataKey];
  if (text === undefined) throw checkpointError(`${path} is no checkpoint: it has weights only`);
  const contents = parsedJson(text, path) as Contents;
  if (contents.version !== 1)
    throw checkpointError(`${path} was written by a later version of horoball: update it`);
  return { ...contents, config: parseConfig({ ...contents.config }) };
}

function randomDevices({ device }: { device: string }): Device[] {
  return device === 'cpu' ? ['cpu'] : ['cpu', device as Device];
}

function machineOf(config: RunConfig): Machine {
  const { version: libtorch, threads } = torchInfo();
  return { libtorch, threads: config.threads > 0 ? config.threads : threads };
}

function checkpointError(message: string): Error {
  return coded('ERR_HOROBALL_CHECKPOINT', `[checkpoint] ${message}`);
}
