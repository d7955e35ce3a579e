/** Attribution and licenses of the drawings. */
import path from 'node:path';
import { z } from 'zod';
import { damaged, parsedJson } from '../../../io/json.ts';
import { readText } from '../../../io/text.ts';
import { locatePackage } from './npm.ts';
import { type Pinned, unicodeData } from './packages.ts';

/** Maximum size of a license or info.json. */
const maxBytes = 1 << 20;
const line = z.string().transform((text) => text.replace(/\s+/g, ' ').slice(0, 300));
const infoSchema = z.looseObject({
  name: line,
  author: z.looseObject({ name: line, url: line.optional() }),
  license: z.looseObject({ title: line, spdx: line.optional(), url: line.optional() }),
});

/** Returns the text of LICENSES.md: the attribution of each set, as its package states it, and the license of the names. */
export async function licenses(from: string, sets: readonly (Pinned & { id: string })[]): Promise<string> {
  const parts = [
    '# Licenses of the emoji data set',
    'The images were rendered from the SVG files of the sets below, without any change except their size and a white\nbackground. Images of a set are under the license of that set; include this file when you redistribute them.',
  ];
  for (const set of sets) parts.push(await attribution(from, set));
  const { folder, version } = await locatePackage(from, unicodeData);
  const text = await readText(path.join(folder, 'LICENSE'), maxBytes).catch(() => 'MIT License');
  parts.push(
    `## Names, groups and subgroups\n\nFrom the npm package ${unicodeData.name} ${version}, which takes them from Unicode's data files\n(license: https://www.unicode.org/license.txt). License of the package:\n\n${text.trim().replace(/^/gm, '    ').trimEnd()}`,
  );
  return `${parts.join('\n\n')}\n`;
}

async function attribution(from: string, set: Pinned & { id: string }): Promise<string> {
  const { folder, version } = await locatePackage(from, set);
  const file = path.join(folder, 'info.json');
  const result = infoSchema.safeParse(parsedJson(await readText(file, maxBytes), file));
  if (!result.success) throw damaged(file, 'it names no author or license');
  const { name, author, license } = result.data;
  return [
    `## ${name} (\`${set.id}.png\`)`,
    '',
    `- Author: ${[author.name, author.url].filter(Boolean).join(', ')}`,
    `- License: ${license.title}${license.spdx === undefined ? '' : ` (${license.spdx})`}${license.url === undefined ? '' : `, ${license.url}`}`,
    `- Package: ${set.name} ${version}`,
  ].join('\n');
}
