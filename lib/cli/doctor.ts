import { Command } from 'commander';

import { installAdvice } from '../setup/build.ts';
import { type Diagnosis, diagnose, type Finding, healthy } from '../setup/diagnose.ts';
import { counted } from '../train/report/run/extent.ts';
import { addNotes, type Notes } from './help.ts';
import { jsonLine } from './json.ts';

const notes: Notes = {
  paragraphs: [
    "Exits with 0 if everything that training needs is present, otherwise with 1. If you do not train, only the line 'core' matters, and the line 'images' if you read image files.",
  ],
  examples: [['what is missing and how to install it', 'horoball doctor']],
};

/**
 * `horoball doctor`: shows everything that determines whether horoball works here. Exits with 1 if something that training
 * needs is missing.
 */
export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description('show what horoball found on this machine and what is missing')
    .option('--json', 'print the result as one JSON object on stdout')
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
  const { horoball, node, platform, core, libtorch, addon, cuda, images, compiler, cmake } = diagnosis;
  const looked = libtorch.ok ? [] : diagnosis.looked;
  const rows: [string, string][] = [
    ['horoball', `${horoball}, Node ${node}, ${platform}`],
    ['core', describe(core, ({ level, threads }) => `${level}, ${counted(threads, 'thread')}`)],
    ['libtorch', describe(libtorch, ({ version, origin, lib }) => `${version} (${origin}), ${lib}`)],
    ...looked.map(({ origin, reason }): [string, string] => ['', `${origin}: ${reason}`]),
    ['addon', describe(addon, addonText)],
    [
      'cuda',
      cuda.ok
        ? 'yes, with --device cuda or auto'
        : addon.ok
          ? `no, so training uses the CPU: ${cuda.reason}`
          : cuda.reason,
    ],
    ['images', imagesText(images)],
    ['compiler', compiler ?? `not found. Install it: ${installAdvice('compiler')}`],
    ['cmake', cmake ?? `not found. Install it: ${installAdvice('cmake')}`],
  ];
  return rows.map(([name, value]) => `${name.padEnd(10)}${value}`).join('\n');
}

function verdict(diagnosis: Diagnosis): string {
  const { core, addon, libtorch, images } = diagnosis;
  // The addon loads the libtorch that it was built for, even if the search does not find this libtorch.
  if (healthy(diagnosis))
    return libtorch.ok ? 'Everything works.' : 'Training works with the libtorch that setup chose earlier.';
  if (!core.ok) return 'The core does not load, and everything else needs it. Follow the advice above.';
  const [part, command] = addon.ok
    ? ['The core and the training addon work', 'npm install sharp']
    : ["The core works: import 'horoball' needs nothing else", 'npx horoball setup'];
  const decoder = addon.ok || images.ok ? '' : ' and `npm install sharp`';
  return `${part}. To train, run \`${command}\`${decoder}.`;
}

function addonText({ file, version, threads, current }: Extract<Diagnosis['addon'], { ok: true }>): string {
  const age = current ? '' : '; its sources or libtorch have changed: run `npx horoball setup`';
  return `for libtorch ${version}, ${counted(threads, 'thread')}, ${file}${age}`;
}

/** Returns the image formats that can be read; horoball itself decodes four of them. */
function imagesText(images: Diagnosis['images']): string {
  const builtIn = 'BMP, PBM, PGM and PPM';
  if (images.ok)
    return `JPEG, PNG, WebP and TIFF with sharp ${images.sharp}; ${builtIn} built in; GIF with sharp, but data sets ignore it`;
  return `only ${builtIn}. ${images.reason}`;
}

function describe<T>(finding: Finding<T>, say: (found: T & { ok: true }) => string): string {
  if (finding.ok) return say(finding);
  return finding.reason.startsWith('not ') ? finding.reason : `not usable: ${finding.reason}`;
}
