import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';

import { coded } from '../errors.ts';
import { packageRoot } from '../setup/paths.ts';

/** What can be measured, and the program that does it. */
const programs: Readonly<Record<string, string>> = {
  core: 'run.js',
  train: 'train.js',
  compare: 'compare.js',
  counts: 'counts.js',
};

/**
 * `horoball bench`: the benchmarks, which are programs of their own (the library knows nothing of them) with options of
 * their own. Their exit code is the command's.
 */
export function benchCommand(): Command {
  return new Command('bench')
    .description('measure horoball against its peers on this machine')
    .argument(
      '[what]',
      'core (default), train, compare A.csv B.csv, or counts; --help tells the options of each',
    )
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
  const message = `[bench] what: expected one of ${Object.keys(programs).join(', ')}, got '${what}' (--only TEXT chooses suites of the core)`;
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

async function run(program: string, args: readonly string[]): Promise<number> {
  const file = join(packageRoot, 'dist', 'bench', program);
  if (!existsSync(file)) {
    throw coded('ERR_HOROBALL_BENCH', `the benchmarks are not in this installation: ${file} is missing`);
  }
  const child = spawn(process.execPath, [file, ...args], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
