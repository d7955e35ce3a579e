#!/usr/bin/env node
import { Command, CommanderError } from 'commander';

import { troubleOf } from '../io/trouble.ts';
import { packageVersion } from '../setup/paths.ts';
import { jsonLine } from './json.ts';

/** Each command's file is loaded only when it is called, or all of them for `--help`. */
const commands: Record<string, () => Promise<Command>> = {
  setup: async () => (await import('./setup.ts')).setupCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  start: async () => (await import('./start.ts')).startCommand(),
  train: async () => (await import('./train.ts')).trainCommand(),
  eval: async () => (await import('./eval.ts')).evalCommand(),
  embed: async () => (await import('./embed.ts')).embedCommand(),
  delta: async () => (await import('./delta.ts')).deltaCommand(),
  sweep: async () => (await import('./sweep.ts')).sweepCommand(),
  report: async () => (await import('./report.ts')).reportCommand(),
  recipes: async () => (await import('./recipes.ts')).recipesCommand(),
  export: async () => (await import('./export.ts')).exportCommand(),
  data: async () => (await import('./data.ts')).dataCommand(),
  bench: async () => (await import('./bench.ts')).benchCommand(),
  weights: async () => (await import('./weights.ts')).weightsCommand(),
};

/** Codes of errors that say how a command was called wrongly. */
const usageCodes = new Set(['ERR_HOROBALL_CONFIG', 'ERR_HOROBALL_OPTION', 'ERR_HOROBALL_DATASET']);

async function program(name: string | undefined): Promise<Command> {
  const root = new Command('horoball')
    .description('Hyperbolic metric learning: train and evaluate embeddings on the Poincaré ball.')
    .version(packageVersion, '-V, --version');
  const wanted = name !== undefined && Object.hasOwn(commands, name) ? [name] : Object.keys(commands);
  for (const each of wanted) root.addCommand(await commands[each]!());
  for (const command of [root, ...root.commands, ...root.commands.flatMap((each) => each.commands)])
    command.exitOverride().showHelpAfterError('(--help tells more)').configureOutput({ outputError });
  return root;
}

/** Commander's own errors begin as all others do. */
function outputError(text: string, write: (text: string) => void): void {
  write(text.replace(/^error: /, 'horoball: '));
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const trouble = troubleOf(error);
  if (trouble === undefined) return error.message;
  const { path = 'a file' } = error as NodeJS.ErrnoException;
  return `${path}: ${trouble.reason}; ${trouble.advice}`;
}

/** An error of commander's, for programs. */
function usageRow({ code, message }: CommanderError, command: string | undefined): object {
  const ofRun = code === 'commander.unknownOption' && (command === 'train' || command === 'start');
  const said = code === 'commander.help' ? 'expected a command; --help lists them' : message;
  return {
    type: 'error',
    code: ofRun ? 'ERR_HOROBALL_CONFIG' : 'ERR_HOROBALL_OPTION',
    message: said.replace(/^error: /, '').replaceAll('\n', ' '),
  };
}

function fail(error: unknown, json: boolean): void {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2; // commander has said it already
    if (json && error.exitCode !== 0) jsonLine(usageRow(error, args[0]));
    return;
  }
  const message = sentenceOf(error);
  const stack = error instanceof Error ? error.stack : undefined;
  const code = (error as { code?: unknown } | null)?.code;
  process.stderr.write(`horoball: ${(process.env['HOROBALL_DEBUG'] && stack) || message}\n`);
  if (json) jsonLine({ type: 'error', code: code ?? null, message });
  process.exitCode = typeof code === 'string' && usageCodes.has(code) ? 2 : 1;
}

/** Whoever reads has enough, as `| head` does: nothing is left to say. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
}

process.stdout.on('error', endQuietly);
process.stderr.on('error', endQuietly);
const args = process.argv.slice(2);
try {
  await (await program(args[0])).parseAsync(args, { from: 'user' });
} catch (error) {
  fail(error, args.includes('--json'));
}
