import { alternate, figure, standard } from '../measure.ts';
import { type PeerInput, type PeerOptions, PeerWorker, type PreparedPeer } from './client.ts';

/**
 * Values of OMP_WAIT_POLICY, undefined for the default: threads that wait for work spin, which is faster on a quiet machine,
 * or sleep, which is faster if other processes need the CPUs.
 */
export const waitPolicies: readonly WaitPolicy[] = [undefined, 'passive'];

type WaitPolicy = PeerOptions['waitPolicy'];

/** Rounds per policy, in alternation, from whose median the faster policy is chosen. */
const trials = 5;
const trialMs = 20;

/** Python processes, one per wait policy of OpenMP's threads. A peer runs in the one where it is fastest. */
export class FastestPeers {
  readonly #workers: readonly PeerWorker[];
  readonly #policies: readonly WaitPolicy[];

  private constructor(workers: readonly PeerWorker[], policies: readonly WaitPolicy[]) {
    this.#workers = workers;
    this.#policies = policies;
  }

  static async start(
    options: PeerOptions,
    policies: readonly WaitPolicy[] = waitPolicies,
  ): Promise<FastestPeers> {
    const workers: PeerWorker[] = [];
    const peers = new FastestPeers(workers, policies);
    try {
      for (const waitPolicy of policies) workers.push(await PeerWorker.start({ ...options, waitPolicy }));
    } catch (error) {
      await peers.stop();
      throw error;
    }
    return peers;
  }

  get versions(): Record<string, string> {
    return this.#workers[0]!.versions;
  }

  get kernels(): string {
    return this.#workers[0]!.kernels;
  }

  /** Sends an array, which peers then refer to by name in their inputs. */
  async load(name: string, input: PeerInput): Promise<void> {
    for (const worker of this.#workers) await worker.load(name, input);
  }

  /** Makes a peer in every process, compares its times, and keeps the fastest. */
  async prepare(peer: string, inputs: Record<string, string>, params: object): Promise<PreparedPeer> {
    const made: PreparedPeer[] = [];
    for (const worker of this.#workers) made.push(await worker.prepare(peer, inputs, params));
    if (made.length === 1) return made[0]!;
    const rounds = await alternate(made, { ...standard, rounds: trials, slowRounds: 2, turnMs: trialMs });
    const medians = rounds.map((times) => figure(times).median);
    const fastest = medians.indexOf(Math.min(...medians));
    for (const [i, each] of made.entries()) if (i !== fastest) await each.release();
    const policy = this.#policies[fastest];
    const chosen = made[fastest]!;
    if (policy === undefined) return chosen;
    return { ...chosen, note: [chosen.note, `OMP_WAIT_POLICY=${policy}`].filter(Boolean).join(', ') };
  }

  /** Forgets all inputs and peers. */
  async drop(): Promise<void> {
    for (const worker of this.#workers) await worker.drop();
  }

  async stop(): Promise<void> {
    for (const worker of this.#workers) await worker.stop();
  }
}
