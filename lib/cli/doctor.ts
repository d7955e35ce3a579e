import { Command } from 'commander';

import { type Diagnosis, diagnose, type Finding, healthy } from '../setup/diagnose.ts';
import { addNotes, type Notes } from './help.ts';
import { jsonLine } from './json.ts';

const notes: Notes = {
  paragraphs: ['The exit code is 0 where all that training needs is there, else 1.'],
  examples: [['what is missing, and how to get it', 'horoball doctor']],
};

/** `horoball doctor`: shows all that decides whether horoball works here. Exit code 1 when something is missing. */
export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description('show what horoball finds on this machine and what is missing')
    .option('--json', 'print it as a line of JSON on stdout')
    .action(async (options: { json?: boolean }) => {
      const diagnosis = await diagnose();
      if (options.json) jsonLine(diagnosis);
      else process.stdout.write(`${text(diagnosis)}\n\n${verdict(diagnosis)}\n`);
      if (!healthy(diagnosis)) process.exitCode = 1;
    });
  addNotes(command, notes);
  return command;
}

function text(diagnosis: Diagnosis): string {
  const { horoball, node, platform, core, libtorch, addon, cuda, pictures, compiler, cmake } = diagnosis;
  const looked = libtorch.ok ? [] : diagnosis.looked;
  const rows: [string, string][] = [
    ['horoball', `${horoball}, Node ${node}, ${platform}`],
    ['core', told(core, ({ level, threads }) => `${level}, ${threads} threads`)],
    ['libtorch', told(libtorch, ({ version, origin, lib }) => `${version} (${origin}), ${lib}`)],
    ...looked.map(({ origin, reason }): [string, string] => ['', `${origin}: ${reason}`]),
    ['addon', told(addon, addonText)],
    ['cuda', told(cuda, () => 'yes')],
    ['pictures', told(pictures, () => 'yes')],
    ['compiler', compiler ?? 'none: apt-get install g++'],
    ['cmake', cmake ?? 'none: apt-get install cmake'],
  ];
  return rows.map(([name, value]) => `${name.padEnd(10)}${value}`).join('\n');
}

function verdict(diagnosis: Diagnosis): string {
  const { core, addon, libtorch } = diagnosis;
  // Only what LIBTORCH_USE_PYTORCH=1 asks for is looked at by setup alone.
  if (healthy(diagnosis))
    return libtorch.ok ? 'All is well.' : 'Training works, with the libtorch that setup chose before.';
  if (!core.ok) return 'Nothing works before the core does.';
  return `The core works; training needs ${addon.ok ? 'the packages that read pictures' : 'the addon'}.`;
}

function addonText({ file, version, threads, current }: Extract<Diagnosis['addon'], { ok: true }>): string {
  const age = current ? '' : '; its sources have changed: run `npx horoball setup`';
  return `for libtorch ${version}, ${threads} threads, ${file}${age}`;
}

function told<T>(finding: Finding<T>, say: (found: T & { ok: true }) => string): string {
  return finding.ok ? say(finding) : `not usable: ${finding.reason}`;
}
