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
 * `horoball bench`: runs a benchmark and exits with its exit code. Benchmarks are separate programs with their own
 * options, because modules in lib/ may not import them.
 */
export function benchCommand(): Command {
  return new Command('bench')
    .description('benchmark horoball against other libraries on this machine')
    .argument(
      '[benchmark]',
      'core (default), train, compare A.csv B.csv, or counts (executed instructions); each has its own --help',
    )
    .argument('[options...]')
    .helpOption(false)
    .allowUnknownOption()
    .action(async (_what, _rest, _options, command: Command) => {
      const [name = 'core', ...rest] = command.args;
      const isKnown = Object.hasOwn(programs, name);
      if (!isKnown && !name.startsWith('-')) throw noProgram(name);
      process.exitCode = await run(programs[isKnown ? name : 'core']!, isKnown ? rest : command.args);
    });
}

function noProgram(name: string): Error {
  const message = `[bench] benchmark: expected one of ${Object.keys(programs).join(', ')}, got '${name}'. To select suites of core, pass --only TEXT.`;
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

async function run(program: string, args: readonly string[]): Promise<number> {
  const file = join(packageRoot, 'dist', 'bench', program);
  if (!existsSync(file)) {
    throw coded(
      'ERR_HOROBALL_BENCH',
      `[bench] benchmark: expected the file ${file}, got an installation without the benchmarks. Run them in a checkout.`,
    );
  }
  const child = spawn(process.execPath, [file, ...args], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
