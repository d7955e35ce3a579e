import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { coreInfo } from '../lib/index.ts';
import { isCheckout, machine, root } from './machine.ts';
import { multiplyAddPeak } from './multiply-add.ts';
import { page } from './page.ts';
import type { FastestPeers } from './peers/fastest.ts';
import { peakKey, type Results, toCsv } from './results.ts';
import { simd128Peak } from './simd128.ts';
import { table } from './table.ts';

/** Options for where results are written. */
export const outputOptions = {
  json: { type: 'boolean', default: false },
  out: { type: 'string', default: (isCheckout ? join(root, 'bench', 'rows') : 'horoball-bench') as string },
} as const;

/**
 * Returns the versions and settings on which the results of a run depend. `peers` are the Python processes, or the reason
 * why they are unavailable.
 */
export async function origin(threads: number, peers: FastestPeers | string): Promise<Record<string, string>> {
  const { name, commit, date, node } = machine();
  const versions = typeof peers === 'string' ? peers : Object.entries(peers.versions).flat().join(' ');
  const { level } = coreInfo();
  const peak = level === 'simd128' ? Math.round(simd128Peak()) : await multiplyAddPeak(threads);
  return {
    machine: name,
    commit,
    date,
    node,
    threads: String(threads),
    level,
    ...(!Number.isNaN(peak) && { [peakKey]: `${peak} GFLOP/s` }),
    peers: versions,
    ...(typeof peers !== 'string' && { kernels: peers.kernels }),
  };
}

/** The result files of a run. If a run measures only part of the suites, the file name says so. */
export class Output {
  readonly #folder: string;
  readonly #kind: readonly string[];
  readonly #json: boolean;

  /** @param kind - words for the file name; empty ones are skipped */
  constructor({ out, json }: { out: string; json: boolean }, kind: readonly string[]) {
    this.#folder = out;
    this.#kind = kind.map((word) => word.replace(/[^a-z0-9]+/gi, '-')).filter(Boolean);
    this.#json = json;
  }

  /** Writes the rows and their page. */
  async save(results: Results): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await writeFile(this.#file(results, 'csv'), toCsv(results));
    await writeFile(this.#file(results, 'html'), page(results));
  }

  /** Prints the table and the file names; with `--json`, one line per row on stdout and the table on stderr. */
  print(results: Results): void {
    const people = this.#json ? process.stderr : process.stdout;
    people.write(`${table(results)}\n${this.#file(results, 'csv')}\n${this.#file(results, 'html')}\n`);
    if (!this.#json) return;
    for (const row of results.rows) process.stdout.write(`${JSON.stringify({ ...results.about, ...row })}\n`);
  }

  #file({ about }: Results, ending: string): string {
    return join(this.#folder, `${[about['machine'], about['commit'], ...this.#kind].join('-')}.${ending}`);
  }
}
