// node dist/test/fuzz/readers-child.js TARGET SEED SECONDS FOLDER: reads mutated files with one reader until its time is
// up, and prints a JSON line with the number of executions and the smallest input that had an unexpected outcome, if any.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { peakMegabytes } from '../peak-memory.ts';
import { byteMutations, jsonMutations, type Mutation } from './mutations.ts';
import { targets } from './targets.ts';

export interface Fuzzed {
  executions: number;
  /** Number of inputs that were read without an error. */
  read: number;
  /** Peak memory in MB. */
  memory: number;
  /** CPU time of the slowest input, in ms. */
  slowest: number;
  fault: string | null;
  /** Path of the input that caused the fault. */
  kept?: string;
}

const maxCpuMsPerInput = 1000;

const [name = '', seed = '1', seconds = '1', folder = ''] = process.argv.slice(2);
const { file, originals, read, isJson, inside = (input, change) => change(input) } = targets[name]!;
const path = join(folder, file);
await mkdir(dirname(path), { recursive: true });
const inputs = await originals(folder);
const outcome: Fuzzed = { executions: 0, read: 0, memory: 0, slowest: 0, fault: null };

/** Returns the mutated input, or null if it cannot be created because the mutation removed required parts. */
async function inputOf(original: Buffer, mutation: Mutation, isInside: boolean): Promise<Buffer | null> {
  if (!isInside) return mutation(original);
  try {
    return await inside(original, mutation);
  } catch {
    return null;
  }
}

/** Describes an unexpected outcome of an input; null if it was read, or rejected with a code, in time. */
async function faultOf(input: Buffer): Promise<string | null> {
  await writeFile(path, input);
  const before = process.cpuUsage();
  const error = await read(path).then(
    () => null,
    (reason: Error & { code?: string }) => reason,
  );
  const { user, system } = process.cpuUsage(before);
  outcome.executions++;
  outcome.slowest = Math.max(outcome.slowest, (user + system) / 1000);
  if (error === null) outcome.read++;
  else if (!error.code?.startsWith('ERR_HOROBALL_')) return error.stack ?? String(error);
  return user + system > 1000 * maxCpuMsPerInput ? `it took ${(user + system) / 1000} ms` : null;
}

const mutations = isJson ? fc.oneof(jsonMutations, jsonMutations, byteMutations) : byteMutations;
const property = fc.asyncProperty(
  fc.nat(inputs.length - 1),
  mutations,
  fc.boolean(),
  async (which, mutation, isInside) => {
    const input = await inputOf(inputs[which]!, mutation, isInside || isJson === true);
    if (input === null) return;
    const fault = await faultOf(input);
    if (fault === null) return;
    outcome.fault = fault;
    outcome.kept = join(folder, `fault.${name}`);
    await writeFile(outcome.kept, input);
    throw new Error(fault);
  },
);
for (const input of inputs) {
  const whole = await inputOf(input, (bytes) => bytes, true);
  const fault = await faultOf(whole ?? input);
  if (fault !== null || outcome.read === 0) throw new Error(`the original input cannot be read: ${fault}`);
}
await fc.check(property, {
  seed: Number(seed),
  numRuns: Number.MAX_SAFE_INTEGER,
  interruptAfterTimeLimit: 1000 * Number(seconds),
});
outcome.memory = peakMegabytes();
process.stdout.write(`${JSON.stringify(outcome)}\n`);
