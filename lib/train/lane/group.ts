import { createServer } from 'node:net';
import {
  boolean,
  checkMethods,
  checkOptions,
  checkText,
  instance,
  integer,
  positive,
  readOptions,
} from '../../check.ts';
import { coded, describeList, quoted, shapeError, typeError } from '../../errors.ts';
import type { Handle } from './addon-types.ts';
import { native, waitFor } from './native.ts';
import type { Trainable } from './optim.ts';
import { Resource, Tensor } from './tensor.ts';
import type { WaitOptions } from './types.ts';

/** The rank of a process in its group and on its machine. */
export interface RankPlace {
  /** From 0 to `size` - 1. */
  rank: number;
  /** Number of processes in the group, over all machines. */
  size: number;
  /** Rank among the processes on this machine, and their number. `cuda` means the device with index `localRank`. */
  localRank: number;
  localSize: number;
}

/** The rank of a process, and the rendezvous of its group. */
export interface Place extends RankPlace {
  /** Address of the rendezvous server, which rank 0 or a launcher runs. */
  host: string;
  port: number;
  /** Whether a launcher (torchrun) runs the rendezvous server. */
  launched: boolean;
  /** Number of times the launcher has restarted the group. */
  restarts: number;
}

/** Options of {@link ProcessGroup.join}. */
export interface JoinOptions extends WaitOptions {
  /** Seconds to wait until every rank has joined; default 300. */
  joinSeconds?: number;
  /** Time limit of a collective in seconds, including the wait for a rank that evaluates; default 1800. */
  timeout?: number;
  /** Seconds without a heartbeat after which a rank counts as hung; default 20. */
  patience?: number;
}

/** The processes that train one network together: a {@link ProcessGroup}, or the only process. */
export interface RankGroup {
  readonly place: Readonly<RankPlace>;
  readonly rank: number;
  readonly size: number;
  /** Sums the values over the ranks, in place. */
  sum(values: Float64Array): Promise<void>;
  /**
   * Queues a gather of the rows of all ranks, in rank order. Dispose of both `tensor` and the result, which are the same
   * object for a single process.
   * @param counts - the number of rows of each rank
   */
  gatherRows(tensor: Tensor, counts: readonly number[]): Tensor;
  /** Returns the values of all ranks on every rank, in rank order, with unchanged bits. */
  gatherValues(values: Float32Array): Promise<Float32Array>;
  /** Returns the text of rank 0 on every rank. */
  share(text: string): Promise<string>;
  /** Copies the weights of rank 0 to every rank. */
  broadcast(model: Trainable): Promise<void>;
  /** Returns an object that sums the gradients of a network over the ranks. */
  gradientSum(model: Trainable): Pick<GradientSum, 'arm' | 'finish' | 'dispose'>;
  /** Records what this rank is doing, for the error messages of other ranks. */
  at(where: string): void;
  /** Reports an error of this rank to the others. */
  fail(message: string): void;
  /** Leaves the group. */
  close(): Promise<void>;
}

/** The group of a process that trains alone: its collectives do nothing or return their argument. */
export const singleProcess: RankGroup = {
  place: { rank: 0, size: 1, localRank: 0, localSize: 1 },
  rank: 0,
  size: 1,
  sum: async () => {},
  gatherRows: (tensor) => tensor,
  gatherValues: async (values) => values,
  share: async (text) => text,
  broadcast: async () => {},
  gradientSum: () => ({ arm: () => {}, finish: () => {}, dispose: () => {} }),
  at: () => {},
  fail: () => {},
  close: async () => {},
};

/** Validates a caller's group; defaults to a single process. */
export function checkGroup(operation: string, group: RankGroup | null | undefined): RankGroup {
  if (group === undefined || group === null || group === singleProcess) return singleProcess;
  return instance(operation, 'group', group, ProcessGroup);
}

/** Computes a JSON value on rank 0 and returns it on every rank. */
export async function fromFirst<T>(group: RankGroup, compute: () => T | Promise<T>): Promise<T> {
  if (group.size === 1) return await compute();
  const text = await group.share(group.rank === 0 ? JSON.stringify(await compute()) : '');
  return JSON.parse(text) as T;
}

/**
 * Checks that the rendezvous server of rank 0 can listen on a port, at one of the addresses that c10d tries. If it cannot,
 * c10d itself would print five lines to stderr and throw an error of the same length.
 */
async function checkPort(port: number): Promise<void> {
  for (const host of ['::', '0.0.0.0']) if (!(await isInUse(port, host))) return;
  const message = `[group.join] port: expected a free port for the rendezvous server of rank 0, got ${port}, which another program uses. Choose another port (MASTER_PORT).`;
  throw coded('ERR_HOROBALL_RENDEZVOUS', message);
}

/** Whether another program listens on a port; other problems are reported when the store is opened. */
async function isInUse(port: number, host: string): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'EADDRINUSE'));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(false)));
  });
}

/**
 * The processes (ranks) that train one network: c10d's Gloo between CPUs, NCCL between CUDA devices. Every rank must call
 * the collectives (`sum`, `gatherRows`, `gatherValues`, `broadcast`, `share`) in the same order. When a rank dies, hangs or
 * fails, the collectives of the others reject with `ERR_HOROBALL_RANK`, which names the rank and what it was doing.
 *
 * @example
 * const place = placeOf(process.env);
 * if (place === null) throw new Error('start it with torchrun');
 * await using group = await ProcessGroup.join(place);
 * using all = group.gatherRows(embeddings, [32, 32]); // backward gives the gradient of this rank's rows
 */
export class ProcessGroup extends Resource<'Group'> implements RankGroup {
  readonly #place: Readonly<Place>;
  #shared = 0;
  #closing: Promise<void> | null = null;

  private constructor(handle: Handle<'Group'>, place: Place) {
    super('group', handle);
    this.#place = place;
  }

  /**
   * Joins the group, and waits for the other ranks.
   * @throws `ERR_HOROBALL_RENDEZVOUS` if they cannot be reached or the port of rank 0 is in use; `ERR_HOROBALL_NO_GROUP` if
   * libtorch has no Gloo
   */
  static async join(place: Place, options: JoinOptions = {}): Promise<ProcessGroup> {
    const {
      joinSeconds = 300,
      timeout = 1800,
      patience = 20,
      ...wait
    } = readOptions('group.join', options, ['joinSeconds', 'timeout', 'patience', 'signal']);
    const own = { ...checkOptions('group.join', place, 'place') };
    const { rank, size, host, port, launched, restarts } = own;
    integer('group.join', 'size', size, 1, 1 << 20);
    integer('group.join', 'rank', rank, 0, size - 1);
    integer('group.join', 'port', port, 1, 65535);
    checkText('group.join', 'host', host);
    boolean('group.join', 'launched', launched, false);
    integer('group.join', 'restarts', restarts, 0, Number.MAX_SAFE_INTEGER);
    for (const [name, value] of Object.entries({ joinSeconds, timeout, patience }))
      positive('group.join', name, value);
    if (rank === 0 && !launched) await checkPort(port);
    const group = new ProcessGroup(native().group(), own);
    const numbers = {
      ...{ host, port, rank, size, launched, joinSeconds, timeout, patience },
      prefix: `horoball/${restarts}`,
      interface: process.env['GLOO_SOCKET_IFNAME'] ?? '',
    };
    try {
      await waitFor('group.join', wait, (cancel) => native().joinGroup(group.handle, numbers, cancel));
      return group;
    } catch (error) {
      group.dispose();
      throw error;
    }
  }

  get place(): Readonly<Place> {
    return this.#place;
  }

  get rank(): number {
    return this.#place.rank;
  }

  get size(): number {
    return this.#place.size;
  }

  /** Sums the values over the ranks, in place. */
  sum(values: Float64Array): Promise<void> {
    instance('group.sum', 'values', values, Float64Array);
    return native().sumValues(this.handle, values);
  }

  /**
   * Queues a gather of the rows of all ranks, concatenated in rank order. Every rank then computes the same function of all
   * rows, or its part of a divided loss, so the backward pass returns the gradient of this rank's rows without
   * communication. Parameter gradients must then be summed over the ranks ({@link GradientSum}), not averaged.
   *
   * @param counts - the number of rows of each rank
   */
  gatherRows(tensor: Tensor, counts: readonly number[]): Tensor {
    const own = this.#checked(instance('group.gatherRows', 'tensor', tensor, Tensor).shape[0]!, counts);
    const rows = own.reduce((sum, count) => sum + count, 0);
    const shape = [rows, ...tensor.shape.slice(1)];
    return new Tensor(native().gatherRows(this.handle, tensor.handle, own), shape);
  }

  /** Returns the values of all ranks, concatenated in rank order; ranks may have different numbers of values. */
  async gatherValues(values: Float32Array): Promise<Float32Array> {
    instance('group.gatherValues', 'values', values, Float32Array);
    const lengths = new Float64Array(this.size);
    lengths[this.rank] = values.length;
    await this.sum(lengths);
    const counts = [...lengths];
    const out = new Float32Array(counts.reduce((sum, count) => sum + count, 0));
    if (out.length > 0) await native().gatherValues(this.handle, values, counts, out);
    return out;
  }

  /** Returns the text of rank 0 on every rank. */
  share(text: string): Promise<string> {
    return native().shareText(this.handle, String(this.#shared++), checkText('group.share', 'text', text));
  }

  /** Copies the weights of rank 0 to every rank. */
  broadcast(model: Trainable): Promise<void> {
    checkMethods('group.broadcast', 'model', model, ['parameters']);
    return native().broadcastModel(this.handle, model.handle);
  }

  /** Returns a {@link GradientSum}, which sums the gradients of a network over the ranks. */
  gradientSum(model: Trainable): GradientSum {
    return new GradientSum(model, this);
  }

  /** Records what this rank is doing. If the rank fails, the errors of the other ranks contain this text. */
  at(where: string): void {
    native().groupAt(this.handle, checkText('group.at', 'where', where));
  }

  /** Reports an error of this rank to the others, so that they fail without waiting for a heartbeat timeout. */
  fail(message: string): void {
    native().failGroup(this.handle, checkText('group.fail', 'message', message));
  }

  /**
   * Leaves the group; call it after the last collective. Waits up to 10 s for the other ranks to leave. Later calls
   * return the same promise.
   */
  close(): Promise<void> {
    this.#closing ??= this.#leave();
    return this.#closing;
  }

  async #leave(): Promise<void> {
    await native().closeGroup(this.handle);
    this.dispose();
  }

  /** Leaves the group, unless it was left or disposed of before. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.disposed) await this.close();
  }

  /** Returns a validated copy of the counts. */
  #checked(rows: number, counts: readonly number[]): number[] {
    const expected = `${this.size} counts, with ${rows} for rank ${this.rank}`;
    if (!Array.isArray(counts)) throw typeError('group.gatherRows', 'counts', expected, quoted(counts));
    const own: number[] = counts.slice(0, this.size);
    for (const count of own) integer('group.gatherRows', 'counts', count, 0, Number.MAX_SAFE_INTEGER);
    if (counts.length !== this.size || own[this.rank] !== rows)
      throw shapeError('group.gatherRows', 'counts', expected, describeList(counts));
    return own;
  }
}

/**
 * Sums a network's gradients over the ranks of a group, overlapped with the backward pass. Call `arm` before the backward
 * pass that completes the gradients, and `finish` after it.
 */
export class GradientSum extends Resource<'GradientSum'> {
  constructor(model: Trainable, group: ProcessGroup) {
    checkMethods('gradientSum', 'model', model, ['parameters']);
    instance('gradientSum', 'group', group, ProcessGroup);
    super('gradientSum', native().gradientSum(model.handle, group.handle));
  }

  /** Marks the next backward pass as the one that completes the gradients. */
  arm(): void {
    native().armGradientSum(this.handle);
  }

  /** Queues a wait until the gradients are summed over all ranks. */
  finish(): void {
    native().finishGradientSum(this.handle);
  }
}
