// npm run lint:prose: checks the terminology of all prose with textlint's terminology rule and terms.json:
// the text of Markdown files, and in TypeScript and C++ the comments and the string literals that contain a
// sentence.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { TextlintKernel } from '@textlint/kernel';
import markdown from '@textlint/textlint-plugin-markdown';
import plain from '@textlint/textlint-plugin-text';
import terminology from 'textlint-rule-terminology';
import { proseOf } from './prose-of.ts';

const { folders, terms } = JSON.parse(readFileSync('lib/tasks/terms.json', 'utf8')) as {
  folders: string[];
  terms: [string, string][];
};

/** Test data and generated files. */
const exempt = /^(test\/fixtures|bench\/rows|docs)\//;
const named = process.argv.slice(2);
const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { encoding: 'utf8' }).split(
  '\n',
);
const files = (named.length > 0 ? named : tracked).filter(
  (file) =>
    /\.(md|ts|mjs|cc|h|cu)$/.test(file) &&
    !exempt.test(file) &&
    existsSync(file) && // git still lists a deleted file
    (!file.includes('/') || folders.includes(file.split('/')[0]!)),
);

const kernel = new TextlintKernel();
let found = 0;
for (const file of files) {
  const source = readFileSync(file, 'utf8');
  const isMarkdown = extname(file) === '.md';
  const { messages } = await kernel.lintText(isMarkdown ? source : proseOf(source), {
    ext: isMarkdown ? '.md' : '.txt',
    filePath: file,
    plugins: [
      { pluginId: 'markdown', plugin: markdown.default },
      { pluginId: 'text', plugin: plain.default },
    ],
    rules: [{ ruleId: 'terminology', rule: terminology, options: { defaultTerms: false, terms } }],
  });
  for (const { line, column, message } of messages)
    process.stdout.write(`${file}:${line}:${column} ${message}\n`);
  found += messages.length;
}
if (found > 0) {
  process.stdout.write(`${found} terms to replace; lib/tasks/terms.json lists them.\n`);
  process.exitCode = 1;
}
