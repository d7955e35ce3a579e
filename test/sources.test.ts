// Checks that the sources state tolerances once, that copies of defaults, limits and layouts equal the originals, and that
// messages print commands with npx.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { lossParameters } from '../lib/batch-loss.ts';
import { pairwise } from '../lib/call/binding-calls.ts';
import { logitDefaults } from '../lib/card-names.ts';
import { mostThreads } from '../lib/check.ts';
import { indexLayout, mostLists } from '../lib/gallery/lists.ts';
import { mostListed } from '../lib/gallery/probe.ts';
import { matrix, pairwiseDistance } from '../lib/index.ts';
import { core } from '../lib/native.ts';
import { describedCalls } from './generate-ops.ts';
import { close, eachClose } from './support.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8');

async function tests(): Promise<string[]> {
  const all = await readdir(join(root, 'test'), { recursive: true });
  return all
    .map((name) => `test/${name.replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.test.ts') && path !== 'test/sources.test.ts');
}

/** The arguments of the call whose opening parenthesis is before `start`. */
function argumentsAt(text: string, start: number): string[] {
  const found = [''];
  let depth = 0;
  for (let at = start; at < text.length; ++at) {
    const sign = text[at]!;
    if (depth === 0 && sign === ')') break;
    if ('([{'.includes(sign)) ++depth;
    if (')]}'.includes(sign)) --depth;
    if (depth === 0 && sign === ',') found.push('');
    else found[found.length - 1] += sign;
  }
  return found.map((argument) => argument.trim());
}

/**
 * Tolerances with literal numbers: those that a test passes to `close` and `eachClose`, directly or through a constant of
 * the file, and those with which it compares an error.
 */
function literalTolerances(path: string, source: string): string[] {
  const text = source.replace(/\/\/.*|'[^'\n]*'/g, '').replace(/`[^`]*`/g, '``');
  /** The initializer of the last constant with this name that is declared before an offset. */
  const initializer = (name: string, before: number): string => {
    const one = `const (?:${name}|\\{[^}=]*\\b${name}\\b[^}=]*\\}) = ([^;]*);`;
    const each = `const \\[[^\\]=]*\\b${name}\\b[^\\]=]*\\] of ([^;{]*)\\) `;
    const declared = new RegExp(`\\b(?:${one}|${each})`, 'g');
    const all = Array.from(text.matchAll(declared)).filter(({ index }) => index < before);
    const [, assigned, list = ''] = all.at(-1) ?? [];
    const value = assigned ?? (list.match(/\d[\d.]*e-\d+/g) ?? []).join(' '); // of a list, only numbers like 1e-6 count
    return value.includes('=>') ? '' : value;
  };
  const hasNumber = (expression: string, before: number, seen: readonly string[] = []): boolean => {
    const values = expression
      .replace(/[^,;(?]* \? /g, '') // of a conditional expression, only the two results count
      .replace(/\b(?:limitsOf|limitsIn|accuracyOf|geometryCard|metricCard)\([^()]*\)/g, '');
    const numbers = Array.from(values.matchAll(/(?<![\w.$])\d[\w.]*(?:(?<=e)-\d+)?/g), ([number]) =>
      Number(number),
    );
    if (numbers.some((number) => number !== 0)) return true;
    const names = Array.from(values.matchAll(/(?<![\w.$])[a-z]\w*/g), ([name]) => name);
    return names.some(
      (name) => !seen.includes(name) && hasNumber(initializer(name, before), before, [...seen, name]),
    );
  };
  const compared = Array.from(
    text.matchAll(
      /(?:(?:relativeError|difference|Math\.abs)\([^;]*?\)|[eE]rror) <=? \(?(\d\S*e-\d+|[^;]*\? \d\S*e-\d+|[a-z]\w*\b(?![.(]))/g,
    ),
  ).flatMap(({ 1: bound = '', index }) =>
    /^[a-z]/.test(bound) && !hasNumber(bound, index) ? [] : [`${path}: < ${bound}`],
  );
  const passed = Array.from(text.matchAll(/\b(?:close|eachClose|near)\((?=\s*[\w(])/g)).flatMap(
    ({ 0: call, index }) => {
      const given = argumentsAt(text, index + call.length);
      const tolerance = given[given[0] === 't' ? 3 : 2];
      return tolerance !== undefined && hasNumber(tolerance, index) ? [`${path}: ${tolerance}`] : [];
    },
  );
  return [...compared, ...passed];
}

test('tests read every tolerance from a card or from tolerances.ts', async (t) => {
  const found: string[] = [];
  for (const path of await tests()) {
    const text = await read(path);
    found.push(...literalTolerances(path, text));
  }
  t.deepEqual(found, []);
});

/** Limits that are written as literals: for peers, in calls of `within`, and in comparisons. */
const literalLimits = (path: string, text: string): string[] =>
  Array.from(
    text.matchAll(/\bwithin: [\d.]\S*|\bwithin\([^;]*\b\d\S*e-\d+[^;]*|[<>]=? [\d.]+e-\d+/g),
    ([limit]) => `${path}: ${limit}`,
  );

test('benchmarks read every limit of an error from a card or from tolerances.ts', async (t) => {
  const files = (await readdir(join(root, 'bench/suites'))).filter((name) => name.endsWith('.ts'));
  t.true(files.length > 0);
  const texts = await Promise.all(files.map((name) => read(`bench/suites/${name}`)));
  t.deepEqual(
    files.flatMap((name, i) => literalLimits(name, texts[i]!)),
    [],
  );
  for (const limit of ['within: 1e-5', "within('x', error, 1e-5)", '<= 1e-12', '> 2e-3'])
    t.deepEqual(
      literalLimits('x.ts', `check ${limit} ;`).map((found) => found.trim()),
      [`x.ts: ${limit}`],
    );
});

test('finds a tolerance in a constant, a conditional, a product or a comparison', (t) => {
  const text = `
    const limit = type === Float64Array ? own : 1e-5;
    close(t, a, b, limit, 'x');
    eachClose(t, a, b, 5 * stated, 'x');
    close(t, a, b, allowed(type, card.tolerance.value), 'x');
    close(t, a, [2], stated, 'x');
    t.true(relativeError(a, b) < 1e-6);
    t.true(relativeError(a, b) < (type === Float64Array ? 1e-7 : 1));
    t.true(error < 1e-8);
    const near = (a, b, most) => Math.abs(a - b) < most;
    t.true(near(a, b, 1e-9));
    for (const [left, bound] of [[1, 1e-5]] as const) t.true(Math.abs(a) < bound);
    for (const [left, stated] of cards.limits) t.true(Math.abs(a) < stated);`;
  t.deepEqual(literalTolerances('x.ts', text), [
    'x.ts: < 1e-6',
    'x.ts: < type === Float64Array ? 1e-7',
    'x.ts: < 1e-8',
    'x.ts: < bound',
    'x.ts: limit',
    'x.ts: 5 * stated',
    'x.ts: 1e-9',
  ]);
});

test('the documented defaults of the loss equal those of the cards', async (t) => {
  const text = await read('lib/loss-types.ts');
  const options = text.match(/interface LogitOptions.*?^\}/ms)![0];
  const documented = Array.from(
    options.matchAll(/default ([\d.]+)[^*]*\*\/\s+(\w+)\?/g),
    ([, value, name]) => [name, Number(value)],
  );
  const { c: _, ...optional } = logitDefaults;
  t.deepEqual(Object.fromEntries(documented), optional);
  const parameters = text.match(/interface LossParameters.*?^\}/ms)![0];
  const [first, second] = [lossParameters['multi-similarity'], lossParameters['proxy-anchor']];
  const shared = parameters.matchAll(/default ([\d.]+), and ([\d.]+) for `proxy-anchor`.*?(\w+)\?:/gs);
  const all = Array.from(shared, ([, one, other, name]) => [name, Number(one), Number(other)]);
  const names = ['alpha', 'beta', 'base'] as const;
  t.deepEqual(
    all,
    names.map((name) => [name, first[name], second[name]]),
  );
  t.is(Number(/default ([\d.]+)\. \*\/\s+margin\?/.exec(parameters)?.[1]), second.margin);
});

test('the ABI number is the hash of the file that declares the function tables', async (t) => {
  const { abi } = core();
  if (abi === null) return t.pass('WebAssembly has no other addon');
  const text = (await read('native/core.h')).replaceAll('\r\n', '\n');
  t.is(abi.toString(16).padStart(8, '0'), createHash('sha256').update(text).digest('hex').slice(0, 8));
});

test('limits and layouts that TypeScript repeats equal those of the core', async (t) => {
  const files = ['bind/launch.h', 'bind/calls.h', 'core.h'];
  const text = (await Promise.all(files.map((name) => read(`native/${name}`)))).join('\n');
  const constant = (name: string): number => {
    const [, first, shift] = new RegExp(`\\b${name} = (\\d+)(?: << (\\d+))?[;,]`).exec(text)!;
    return Number(first) * 2 ** Number(shift ?? 0);
  };
  t.is(mostThreads, constant('kMaxThreads'));
  t.is(mostLists, constant('kMaxLists'));
  t.deepEqual(indexLayout, {
    blockSlots: constant('kSlots'),
    slotFacts: constant('kSlotFacts'),
    listFacts: constant('kListFacts'),
  });
  // An index is used for at most `mostListed` neighbors, fewer than the core accepts, because it saves no time beyond that.
  t.true(mostListed <= constant('kMaxListedNeighbors'));
});

test('the core refuses the first value above each limit', async (t) => {
  const x = matrix(new Float64Array(4), 2, 2);
  t.notThrows(() => pairwiseDistance.sync(x, { metric: 'euclidean', threads: mostThreads }));
  t.throws(() => pairwiseDistance.sync(x, { metric: 'euclidean', threads: mostThreads + 1 }), {
    code: 'ERR_HOROBALL_RANGE',
  });
  const out = { data: new Float64Array(4), rows: 2, cols: 2 };
  const call = { metric: 2, guards: 0, c: 1, x, y: x, out, device: -1, job: 0 };
  t.notThrows(() => pairwise(core(), { ...call, threads: mostThreads }));
  t.throws(() => pairwise(core(), { ...call, threads: mostThreads + 1 }), { message: /number of threads/ });
});

test('every call has a field for each member of its argument struct', async (t) => {
  const text = (
    await Promise.all(
      ['core.h', 'image/decode_jpeg.h', 'image/resample.h', 'image/augment.h'].map((name) =>
        read(`native/${name}`),
      ),
    )
  )
    .join('\n')
    .replace(/\/\/.*/g, '');
  for (const [name, fields] of Object.entries(describedCalls())) {
    const struct = `${name[0]!.toUpperCase()}${name.slice(1)}Args`;
    const body = new RegExp(`^struct ${struct} \\{\\n(.*?)^\\};`, 'ms').exec(text)![1]!;
    // Not arguments: `type`, which the matrices have, and `part`, which only the training layer sets. device, threads
    // and job say how the call runs.
    const members = membersOf(body).filter((member) => member !== 'type' && member !== 'part');
    const named = fields.map(([field]) => field).filter((field) => !/^(device|threads|job)$/.test(field));
    const camel = (member: string) => member.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    t.deepEqual(named.toSorted(), members.map(camel).toSorted(), name);
  }
});

/** The members that the body of a plain struct declares. */
function membersOf(body: string): string[] {
  const statements = body.replace(/\{[^}]*\}/g, '').split(';');
  return statements.flatMap((statement) => {
    const declared = statement.trim();
    if (declared === '') return [];
    return declared.split(',').map((part) => /(\w+)\s*(?:=.*)?$/s.exec(part.trim())![1]!);
  });
}

test('an error above the tolerance fails the comparison', (t) => {
  const d = pairwiseDistance.sync(matrix(Float64Array.of(0, 0.5), 2, 1), undefined, { c: 1 }).data;
  const wrong = d.map((value) => value * (1 + 1e-6));
  const failed: boolean[] = [];
  const fake = { true: (ok: boolean) => failed.push(!ok), is: () => true };
  close(fake as never, wrong, d, 1e-7, 'whole');
  eachClose(fake as never, wrong, d, 1e-7, 'each');
  t.deepEqual(failed, [true, true]);
});

test('messages print commands with npx, because the package is rarely installed globally', async (t) => {
  const files = (await readdir(join(root, 'lib'), { recursive: true }))
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.ts') && !/^(tasks|guide|examples)\//.test(name));
  const lines = async (name: string): Promise<string[]> =>
    (await read(`lib/${name}`)).split('\n').filter((line) => !/^\s*(\/\*\*|\*|\/\/)/.test(line));
  // Does not match help texts: their examples follow a `$`, and their options and lists put commands in quotation marks.
  const printed = /(: |Run |Use )horoball [a-z]+ |(Run |run |with )\\?`horoball [a-z]/;
  t.regex('Resume with: horoball train --resume', printed);
  t.notRegex('Resume with: npx horoball train --resume', printed);
  const found = await Promise.all(
    files.map(async (name) =>
      (await lines(name)).filter((line) => printed.test(line)).map((line) => `${name}: ${line.trim()}`),
    ),
  );
  t.deepEqual(found.flat(), []);
});
