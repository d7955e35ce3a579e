#!/usr/bin/env node
import { Command, CommanderError } from 'commander';

import { printable } from '../errors.ts';
import { explanationOf } from '../io/file-errors.ts';
import { packageVersion } from '../setup/paths.ts';
import { addNotes, helpStyle, type Notes } from './help.ts';
import { abortedCode } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { outputGuard } from './streams.ts';

/**
 * The commands by group. A command's file is loaded only when it runs; `--help`, which lists the groups, loads all of
 * them.
 */
const groups: Record<string, Record<string, () => Promise<Command>>> = {
  'Get started:': {
    start: async () => (await import('./start.ts')).startCommand(),
    setup: async () => (await import('./setup.ts')).setupCommand(),
    doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  },
  'Train:': {
    train: async () => (await import('./train.ts')).trainCommand(),
    plan: async () => (await import('./plan.ts')).planCommand(),
    sweep: async () => (await import('./sweep.ts')).sweepCommand(),
    reproduce: async () => (await import('./reproduce.ts')).reproduceCommand(),
    recipes: async () => (await import('./recipes.ts')).recipesCommand(),
    data: async () => (await import('./data.ts')).dataCommand(),
    weights: async () => (await import('./weights.ts')).weightsCommand(),
  },
  'Inspect and use results:': {
    report: async () => (await import('./report.ts')).reportCommand(),
    dashboard: async () => (await import('./dashboard.ts')).dashboardCommand(),
    eval: async () => (await import('./eval.ts')).evalCommand(),
    embed: async () => (await import('./embed.ts')).embedCommand(),
    search: async () => (await import('./search.ts')).searchCommand(),
    export: async () => (await import('./export.ts')).exportCommand(),
    delta: async () => (await import('./delta.ts')).deltaCommand(),
    advise: async () => (await import('./advise.ts')).adviseCommand(),
  },
  'Other:': { bench: async () => (await import('./bench.ts')).benchCommand() },
};

const notes: Notes = {
  paragraphs: [
    'With --json, commands print one JSON object per line on stdout; messages and progress go to stderr. The exit code is 0 only on success, and 2 for usage errors.',
  ],
  examples: [
    ['setup, data, training and report in one command', 'horoball start'],
    ['every option of a command, with its unit and default', 'horoball train --help'],
  ],
};

/** Error codes of usage errors. */
const usageCodes = new Set(['ERR_HOROBALL_CONFIG', 'ERR_HOROBALL_OPTION', 'ERR_HOROBALL_DATASET']);

async function program(name: string | undefined): Promise<Command> {
  const root = new Command('horoball')
    .description('Hyperbolic metric learning: train and evaluate embeddings on the Poincaré ball.')
    .usage('<command> [options]')
    .version(packageVersion, '-V, --version')
    .addHelpCommand(
      new Command('help').argument('[command]').description('show the help of a command').helpGroup('Other:'),
    );
  addNotes(root, notes);
  for (const [heading, group] of Object.entries(groups)) {
    for (const [each, load] of Object.entries(group)) {
      if (!isCommand(name) || each === name) root.addCommand((await load()).helpGroup(heading));
    }
  }
  for (const command of [root, ...root.commands, ...root.commands.flatMap((each) => each.commands)])
    command
      .exitOverride()
      .showHelpAfterError('(see --help)')
      .configureOutput({ outputError })
      .configureHelp(helpStyle);
  return root;
}

function isCommand(name: string | undefined): boolean {
  return Object.values(groups).some((group) => Object.hasOwn(group, name ?? ''));
}

/**
 * Treats `help train` as `train --help`. Ignores --help after an unknown command, so that the command itself is
 * rejected.
 */
function normalizedArguments(given: readonly string[]): string[] {
  const args = given[0] === 'help' ? [...given.slice(1), '--help'] : [...given];
  if (isCommand(args[0]) || args[0]?.startsWith('-')) return args;
  return args.filter((each) => each !== '--help' && each !== '-h');
}

/** Writes an error of Commander with the same prefix as all other errors. */
function outputError(text: string, write: (text: string) => void): void {
  write(text.replace(/^error: /, 'horoball: '));
}

/** Returns the command that the arguments name, such as `train` or `data emoji`. */
function commandIn(root: Command, [first, second]: readonly string[]): Command | undefined {
  const outer = root.commands.find((each) => each.name() === first);
  return outer?.commands.find((each) => each.name() === second) ?? outer;
}

/** Operations whose errors several commands report. Their arguments are named like the options of these commands. */
const sharedOperations = ['train', 'data', 'makeEmoji'];

/** Marks the argument of an error as an option if the command has it: `[train] bs: ...` becomes `[train] --bs: ...`. */
function withDashes(message: string): string {
  const [, operation = '', name] = /^\[([\w ]+)\] ([\w-]+): /.exec(message) ?? [];
  const isOption = command?.options.some(({ long }) => long === `--${name}`);
  const own = operation.split(' ').at(-1) === command?.name() || sharedOperations.includes(operation);
  return isOption && own ? message.replace('] ', '] --') : message;
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const explanation = explanationOf(error);
  if (explanation === undefined) return withDashes(error.message);
  const { path = 'a file' } = error as NodeJS.ErrnoException;
  return `${path}: ${explanation.reason}. ${explanation.advice}`;
}

/** Returns the JSON object of a commander error. */
function usageRow({ code, message }: CommanderError, command: string | undefined): object {
  const ofRun = code === 'commander.unknownOption' && (command === 'train' || command === 'start');
  const said = code === 'commander.help' ? 'expected a command. --help lists them.' : message;
  return {
    type: 'error',
    code: ofRun ? 'ERR_HOROBALL_CONFIG' : 'ERR_HOROBALL_OPTION',
    message: said.replace(/^error: /, '').replaceAll('\n', ' '),
  };
}

/**
 * Reports the error that ended the program and sets the exit code. An AbortError comes from Ctrl-C or SIGTERM; see
 * `interruptible`.
 */
function fail(error: unknown, json: boolean): void {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2; // commander has printed it already
    if (json && error.exitCode !== 0) jsonLine(usageRow(error, args[0]));
    return;
  }
  if (error instanceof Error && error.name === 'AbortError') {
    process.stderr.write('horoball: stopped\n');
    if (json) jsonLine({ type: 'error', code: 'ERR_HOROBALL_CANCELLED', message: 'stopped' });
    process.exitCode = abortedCode();
    return;
  }
  const message = sentenceOf(error);
  const stack = error instanceof Error ? error.stack : undefined;
  const code = (error as { code?: unknown } | null)?.code;
  process.stderr.write(`horoball: ${printable((process.env['HOROBALL_DEBUG'] && stack) || message)}\n`);
  if (json) jsonLine({ type: 'error', code: code ?? null, message });
  process.exitCode = typeof code === 'string' && usageCodes.has(code) ? 2 : 1;
}

const guard = outputGuard();
const args = normalizedArguments(process.argv.slice(2));
let command: Command | undefined;
try {
  const root = await program(args[0]);
  command = commandIn(root, args);
  await root.parseAsync(args, { from: 'user' });
} catch (error) {
  fail(error, args.includes('--json'));
}
await guard.finish();
