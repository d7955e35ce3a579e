// Injects faults into a command: it must end with success or a coded error, and repeating it without the fault must leave
// the files of an undisturbed run.
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { FaultyCommand } from './commands.ts';
import type { Disturbance } from './disturbances.ts';
import { type Ending, ending, errorsOf, type Fault, operations, type Shim } from './shim.ts';

/** A prepared folder, and the files that the command leaves without faults. */
export interface Prepared {
  /** Duration of the undisturbed command in ms. */
  readonly tookMs: number;
  readonly command: FaultyCommand;
  readonly folder: string;
  readonly expected: unknown;
  /** Number of calls of each operation in the undisturbed command. */
  readonly counts: ReadonlyMap<string, number>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function prepare(shim: Shim, command: FaultyCommand): Promise<Prepared> {
  const root = await mkdtemp(join(tmpdir(), 'horoball-faults-'));
  const [folder, whole] = [join(root, 'prepared'), join(root, 'work')];
  await mkdir(folder);
  await command.prepare(folder);
  await cp(folder, whole, { recursive: true });
  const counts = new Map<string, number>();
  for (const { operation } of await shim.calls(command.args(whole), whole))
    counts.set(operation, (counts.get(operation) ?? 0) + 1);
  await rm(whole, { recursive: true });
  await cp(folder, whole, { recursive: true });
  const began = performance.now();
  const { stdout } = await ending(command.args(whole));
  const tookMs = performance.now() - began;
  const expected = await command.result(whole, stdout);
  const remove = (): Promise<void> => rm(root, { recursive: true, force: true });
  return { command, folder, expected, counts, tookMs, [Symbol.asyncDispose]: remove };
}

/**
 * Returns up to `most` faults per operation and error, at evenly spaced calls, or a single one at the middle call. The error
 * `short` also affects all later calls.
 */
export function faultsOf({ counts }: Prepared, most: number): Fault[] {
  return operations.flatMap((operation) =>
    errorsOf[operation].flatMap((error) => {
      const calls = counts.get(operation) ?? 0;
      const tried = Math.min(calls, most);
      const firsts = Array.from({ length: tried }, (_, i) =>
        tried === 1 ? 1 + (calls >> 1) : 1 + Math.round((i * (calls - 1)) / (tried - 1)),
      );
      return firsts.map((first) => ({ operation, error, first, count: error === 'short' ? calls : 1 }));
    }),
  );
}

/** Describes an unexpected ending of a program; null if it ended with success or a coded error. */
export function unexpectedEnding({ code, signal, stdout, stderr }: Ending): string | null {
  if (signal !== null || code === null) return `ended by ${signal}: ${stderr}`;
  if (code === 0) return null;
  const rows = stdout.split('\n').filter((line) => line.startsWith('{"type":"error"'));
  if (rows.length !== 1) return `${rows.length} errors with exit code ${code}: ${stderr}`;
  const { code: name, message } = JSON.parse(rows[0]!) as { code: unknown; message: string };
  const isCoded = typeof name === 'string' && /^(ERR_HOROBALL_\w+|E[A-Z]+)$/.test(name);
  return isCoded && message.length > 0 ? null : `uncoded: ${rows[0]} ${stderr}`;
}

export interface Tried {
  /** Why the outcome is wrong; null if it is right. */
  problem: string | null;
  /** Whether the fault ended the command with an error. */
  ended: boolean;
}

/** Runs the command with a failing system call, and checks the outcome. */
export async function tryFault(shim: Shim, prepared: Prepared, fault: Fault): Promise<Tried> {
  const run: Disturbance['run'] = ({ args, folder }) => shim.run(args, folder, fault);
  return await tryDisturbance(shim, prepared, { run }, () => 0);
}

export async function tryDisturbance(
  shim: Shim,
  { command, folder: original, expected, tookMs }: Prepared,
  { run, signal, succeeds, changesInput }: Disturbance,
  random: () => number,
): Promise<Tried> {
  const folder = join(original, '..', 'work');
  await rm(folder, { recursive: true, force: true });
  await cp(original, folder, { recursive: true });
  const args = command.args(folder);
  const disturbed = await run({ shim, args, folder, tookMs, random });
  const ended = disturbed.code !== 0;
  const isKilled =
    signal !== undefined && (disturbed.signal === signal || [130, 143].includes(disturbed.code ?? 0));
  const failure = isKilled ? null : unexpectedEnding(disturbed);
  if (failure !== null) return { problem: failure, ended };
  if (ended && succeeds) return { problem: `expected success: ${disturbed.stderr}`, ended };
  if (changesInput) return { problem: null, ended };
  const same = async ({ stdout }: Ending): Promise<boolean> =>
    isDeepStrictEqual(await command.result(folder, stdout), expected);
  if (!ended) {
    // The result is not compared if an image was skipped with a note, or if stdout was closed.
    const isNoted = /skipped .*\.jpg/.test(disturbed.stderr) || disturbed.stdout === '';
    const isSame = isNoted || (await same(disturbed));
    return { problem: isSame ? null : `success with another result: ${disturbed.stderr}`, ended };
  }
  const repeated = await ending(args);
  if (repeated.code !== 0)
    return { problem: `repeated: ${repeated.code} ${repeated.stderr}${repeated.stdout}`, ended };
  return { problem: (await same(repeated)) ? null : 'another result when repeated', ended };
}
