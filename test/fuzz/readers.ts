import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fuzzed } from './readers-child.ts';

const child = fileURLToPath(new URL('readers-child.js', import.meta.url));
/** Bound on the memory for a small hostile file, as in SECURITY.md. */
const mostMegabytes = 300;

/** Fuzzes one reader in a separate process with limited memory. */
export async function fuzzReader(name: string, seed: number, seconds: number): Promise<Fuzzed> {
  const folder = await mkdtemp(join(tmpdir(), `horoball-fuzz-${name}-`));
  const args = [`--max-old-space-size=${mostMegabytes}`, child, name, String(seed), String(seconds), folder];
  const program = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  program.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  program.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  const code = await new Promise((resolve) => program.on('close', resolve));
  if (code !== 0) throw new Error(`fuzzing ${name} ended with ${code}: ${stderr}`);
  const outcome = JSON.parse(stdout) as Fuzzed;
  if (outcome.fault === null) await rm(folder, { recursive: true, force: true });
  const isLarge = outcome.fault === null && outcome.memory > mostMegabytes;
  return isLarge ? { ...outcome, fault: `it took ${outcome.memory} MB` } : outcome;
}
