import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';

import { coded } from '../errors.ts';
import { packageRoot } from '../setup/paths.ts';

/** The benchmarks and the programs that run them. */
const programs: Readonly<Record<string, string>> = {
  core: 'run.js',
  train: 'train.js',
  compare: 'compare.js',
  counts: 'counts.js',
};

/**
 * `horoball bench`: the benchmarks, which are separate programs with their own options (the library does not know them).
 * The command exits with their exit code.
 */
export function benchCommand(): Command {
  return new Command('bench')
    .description('benchmark horoball against its peers on this machine')
    .argument('[what]', 'core (default), train, compare A.csv B.csv, or counts; each has its own --help')
    .argument('[options...]')
    .helpOption(false)
    .allowUnknownOption()
    .action(async (_what, _rest, _options, command: Command) => {
      const [what = 'core', ...rest] = command.args;
      const named = Object.hasOwn(programs, what);
      if (!named && !what.startsWith('-')) throw noProgram(what);
      process.exitCode = await run(programs[named ? what : 'core']!, named ? rest : command.args);
    });
}

function noProgram(what: string): Error {
  const message = `[bench] what: expected one of ${Object.keys(programs).join(', ')}, got '${what}' (--only TEXT selects suites of the core)`;
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

async function run(program: string, args: readonly string[]): Promise<number> {
  const file = join(packageRoot, 'dist', 'bench', program);
  if (!existsSync(file)) {
    throw coded('ERR_HOROBALL_BENCH', `the benchmarks are not part of this installation: ${file} is missing`);
  }
  const child = spawn(process.execPath, [file, ...args], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
