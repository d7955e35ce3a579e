import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { TimedSide } from '../measure.ts';
import { honestMalloc } from '../memory.ts';

const folder = fileURLToPath(new URL('../../../bench/peers/', import.meta.url));

/**
 * Makes glibc reuse freed memory instead of returning it to the system, and ask for huge pages. Otherwise every call of a peer
 * with large temporary tensors takes new pages, which the system must clear: the published loss took 2.1 s instead of 0.27 s,
 * and 0.59 s instead of 0.44 s without huge pages.
 */
const keepingMalloc = {
  MALLOC_MMAP_MAX_: '0',
  MALLOC_TRIM_THRESHOLD_: String(2 ** 40),
  GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
};

/** The environment without variables that some machines set for an old OpenBLAS; they would slow numpy down. */
export function peerEnvironment(): NodeJS.ProcessEnv {
  const { OPENBLAS_CORETYPE: _, OPENBLAS_L2_SIZE: __, ...free } = process.env;
  return free;
}

/**
 * Compiles a library with which MKL, the BLAS of torch, uses its kernels for Intel's processors on every processor. On a Zen 5,
 * torch's float32 product then runs at 530 instead of 240 GFLOP/s. Returns the environment that preloads the library; an empty
 * one without a C compiler or on systems other than Linux.
 */
function fastMkl(folder: string): NodeJS.ProcessEnv {
  const path = join(folder, 'mkl.so');
  const source = 'int mkl_serv_intel_cpu_true(void) { return 1; }';
  const built = spawnSync('cc', ['-shared', '-fPIC', '-x', 'c', '-', '-o', path], { input: source });
  return built.status === 0 && process.platform === 'linux' ? { LD_PRELOAD: path } : {};
}

/** A typed array and its shape, as passed to a peer. */
export interface PeerInput {
  readonly data: Float32Array | Float64Array | Int32Array;
  readonly shape: readonly number[];
}

/** Options for starting the Python process. */
export interface PeerOptions {
  readonly threads: number;
  /** A checkout of HypMix or hyp_metric. */
  readonly hypmix?: string | undefined;
  /** A checkout of geoopt. */
  readonly geoopt?: string | undefined;
  /** Interpreter that has the packages; default bench/peers/.venv, made by `npm run bench:peers`. */
  readonly python?: string | undefined;
  /** The clock: `wall` (default) or `cpu`. */
  readonly clock?: string | undefined;
  /** Makes torch's matrix products fast on processors of every vendor, see `fastMkl`. */
  readonly fastMkl?: boolean | undefined;
  /** OMP_WAIT_POLICY of the threads of torch and faiss; default: as in this process. */
  readonly waitPolicy?: 'passive' | undefined;
  /** Returns freed memory to the system immediately, so that peaks are accurate; makes calls slower. */
  readonly trim?: boolean | undefined;
}

interface Answer {
  readonly id: number;
  readonly error?: string;
  readonly versions?: Record<string, string>;
  readonly missing?: Record<string, string>;
  readonly kernels?: string;
  readonly probe?: number[];
  readonly note?: string;
  readonly times?: number[];
  readonly bytes?: number;
}

/** A peer that answered once and can be timed. */
export interface PreparedPeer extends TimedSide {
  readonly probe: readonly number[];
  readonly note: string;
  /** Returns the peak memory during one call minus the memory before it, in bytes. */
  peak(): Promise<number>;
  /** Frees its memory; nothing else may be called afterwards. */
  release(): Promise<void>;
}

/** The long-lived Python process. If something cannot be measured, methods throw an Error that gives the reason. */
export class PeerWorker {
  readonly #child: ChildProcess;
  readonly #files: string;
  readonly #waiting = new Map<number, { resolve: (a: Answer) => void; reject: (e: Error) => void }>();
  #last = 0;
  #gone: string | undefined;
  versions: Record<string, string> = {};
  missing: Record<string, string> = {};
  /** The instruction sets that OpenBLAS, torch and MKL use. */
  kernels = '';

  private constructor(child: ChildProcess, files: string) {
    this.#child = child;
    this.#files = files;
    createInterface({ input: child.stdout! }).on('line', (line) => this.#receive(line));
    child.stdin!.on('error', () => {}); // a dead process is reported by its exit
    child.on('error', (error) => this.#end(error.message));
    child.on('exit', (code, signal) => this.#end(`the Python process ended (${signal ?? code})`));
  }

  static async start(options: PeerOptions): Promise<PeerWorker> {
    const python = options.python ?? join(folder, '.venv', 'bin', 'python');
    if (!existsSync(python)) throw new Error('no bench/peers/.venv: run `npm run bench:peers`');
    const args = [join(folder, 'worker.py'), '--threads', String(options.threads)];
    for (const name of ['hypmix', 'geoopt', 'clock'] as const) {
      const given = options[name];
      if (given !== undefined) args.push(`--${name}`, given);
    }
    const files = await mkdtemp(join(tmpdir(), 'horoball-bench-'));
    const env = {
      ...peerEnvironment(),
      ...(options.trim ? honestMalloc : keepingMalloc),
      ...(options.fastMkl ? fastMkl(files) : {}),
      ...(options.waitPolicy === undefined ? {} : { OMP_WAIT_POLICY: options.waitPolicy }),
    };
    const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'ignore'], env });
    const worker = new PeerWorker(child, files);
    const hello = await worker.#ask('hello', {});
    worker.versions = hello.versions ?? {};
    worker.missing = hello.missing ?? {};
    worker.kernels = hello.kernels ?? '';
    return worker;
  }

  /** Sends an array, which peers then refer to by name in their inputs. */
  async load(name: string, { data, shape }: PeerInput): Promise<void> {
    const path = join(this.#files, `${name}.bin`);
    await writeFile(path, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    const dtype = data.constructor.name.replace('Array', '').toLowerCase();
    await this.#ask('load', { name, path, dtype, shape });
  }

  /** Makes a peer and calls it once. */
  async prepare(peer: string, inputs: Record<string, string>, params: object): Promise<PreparedPeer> {
    const handle = `${peer} ${++this.#last}`;
    const { probe = [], note = '' } = await this.#ask('prepare', { peer, handle, inputs, params });
    return {
      probe,
      note,
      sample: async (budget, least = 1) => (await this.#ask('sample', { handle, budget, least })).times ?? [],
      peak: async () => (await this.#ask('peak', { handle })).bytes ?? Number.NaN,
      release: async () => void (await this.#ask('release', { handle })),
    };
  }

  /** Forgets all inputs and peers. */
  async drop(): Promise<void> {
    await this.#ask('drop', {});
  }

  async stop(): Promise<void> {
    this.#child.stdin?.end();
    this.#child.kill();
    await rm(this.#files, { recursive: true, force: true });
  }

  #ask(command: string, request: object): Promise<Answer> {
    if (this.#gone !== undefined) return Promise.reject(new Error(this.#gone));
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin!.write(`${JSON.stringify({ id, command, ...request })}\n`);
    });
  }

  #receive(line: string): void {
    const answer = JSON.parse(line) as Answer;
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(answer.error));
  }

  #end(reason: string): void {
    this.#gone = reason;
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
  }
}
