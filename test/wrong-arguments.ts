// Every function, constructor, method and getter that the package exports, found at run time. An export without valid
// arguments in wrong-arguments-examples.ts or wrong-arguments-arrays.ts is an error, so that a new one cannot be left out.
import { readFile } from 'node:fs/promises';
import { EventWriter } from '../lib/io/index.ts';
import { type Make, points } from './wrong-arguments-arrays.ts';
import { makeExamples } from './wrong-arguments-examples.ts';

export interface Callable {
  name: string;
  /** Makes valid arguments. */
  args(): Promise<unknown[]>;
  call(args: unknown[]): unknown;
}

type Call = (...args: unknown[]) => unknown;

/** Exports under a second name. */
const aliases: Readonly<Record<string, string>> = { LearntScalars: 'LearnableScalars' };
/** Not called: protected and internal members, and those that dispose of objects that the examples share. */
const skipped = new Set([
  'constructor',
  'dispose',
  'close',
  'handle',
  'direction',
  'load',
  'reads',
  'checkTrained',
]);

/** The properties of an object and its prototypes, up to Object. */
function members(of: object): Map<string, PropertyDescriptor> {
  const found = new Map<string, PropertyDescriptor>();
  for (let at = of; at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at) as object)
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(at)))
      if (!found.has(name)) found.set(name, descriptor);
  return found;
}

/** Classes with a private or internal constructor, which a static method or a function calls. */
const isBuilt = new Set([
  'Batch',
  'Checkpoint',
  'Embedder',
  'EventWriter',
  'ImageEmbedder',
  'Learner',
  'ProcessGroup',
  'ViT',
]);

const isClass = (value: unknown): value is new (...args: unknown[]) => object =>
  typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));

/** Returns every callable of every subpath in package.json, and two objects per class, one without private fields. */
export async function callables(): Promise<{ found: Callable[]; objects: [name: string, object: object][] }> {
  const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    exports: Record<string, string | { import: { default: string } }>;
  };
  const modules = await Promise.all(
    Object.values(manifest.exports)
      .filter((target) => typeof target === 'object')
      .map(
        ({ import: { default: file } }) =>
          import(new URL(`../../${file}`, import.meta.url).href) as Promise<object>,
      ),
  );
  const examples = await makeExamples();
  const found = new Map<string, Callable>();
  const add = (name: string, call: Callable['call'], usual?: Make): void => {
    const example = examples[name] ?? usual;
    if (example === undefined) throw new Error(`test/wrong-arguments-examples.ts has no example for ${name}`);
    found.set(name, { name, args: async () => (await example()) as unknown[], call });
  };
  for (const [name, value] of modules.flatMap((module) => Object.entries(module) as [string, unknown][])) {
    if (isClass(value) && aliases[name] === undefined) {
      if (!isBuilt.has(name)) add(name, (args) => new value(...args));
      for (const [key, { value: call }] of Object.entries(Object.getOwnPropertyDescriptors(value)))
        if (typeof call === 'function')
          add(`${name}.${key}`, async (args) => closed(await (call as Call).apply(value, args)));
      for (const [key, { get, value: call }] of members(value.prototype as object)) {
        if (skipped.has(key)) continue;
        const on = async () => (await examples[`${name}#`]!()) as Record<string, Call>;
        const isCalled = examples[`${name}#${key}`] !== undefined;
        if (get !== undefined && isCalled) {
          add(`${name}#${key}`, async (args) => (await on())[key]!(...args));
          if ('sync' in (await on())[key]!)
            add(`${name}#${key}.sync`, async (args) =>
              ((await on())[key] as unknown as { sync: Call }).sync(...args),
            );
        } else if (get !== undefined)
          add(
            `${name}#${key}`,
            async () => (await on())[key],
            () => [],
          );
        else if (typeof call === 'function')
          add(`${name}#${key}`, async (args) => consumed((await on())[key]!.apply(await on(), args)));
      }
    } else if (typeof value === 'function' && !isClass(value)) {
      const call = value as Call & { sync?: Call; vjp?: Call & { sync?: Call } };
      const isOperation = call.sync !== undefined;
      const usual = isOperation ? () => [points(), points(), { c: 1 }] : undefined;
      add(name, async (args) => closed(await call(...args)), usual);
      for (const [key, variant] of [
        ['sync', call.sync],
        ['vjp', call.vjp],
        ['vjp.sync', call.vjp?.sync],
      ] as const)
        if (variant !== undefined) add(`${name}.${key}`, (args) => variant(...args), usual);
    }
  }
  const objects: [string, object][] = [];
  for (const [name, make] of Object.entries(examples).filter(([name]) => name.endsWith('#'))) {
    const whole = (await make()) as object;
    objects.push([`an object ${name}`, whole]);
    objects.push([
      `${name} without private fields`,
      Object.create(Object.getPrototypeOf(whole) as object) as object,
    ]);
  }
  return { found: [...found.values()], objects };
}

/** Reads an asynchronous generator to its end, because it does nothing until it is read. */
async function consumed(result: unknown): Promise<unknown> {
  const generator = result as AsyncGenerator | null | undefined;
  if (typeof generator?.[Symbol.asyncIterator] === 'function' && typeof generator.next === 'function')
    for await (const _ of generator);
  return result;
}

/** Closes what a function or a static method opened; hundreds of open groups, for example, would slow each other down. */
async function closed(result: unknown): Promise<unknown> {
  const opened = result as Partial<AsyncDisposable & Disposable> | null | undefined;
  if (result instanceof EventWriter) await result.close();
  else if (typeof opened?.[Symbol.asyncDispose] === 'function') await opened[Symbol.asyncDispose]!();
  else if (typeof opened?.[Symbol.dispose] === 'function') opened[Symbol.dispose]!();
  return result;
}
