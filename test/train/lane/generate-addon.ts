// Writes lib/train/lane/addon.ts from the signatures in train.node: `npm run ops:train`. A test checks that it is up to date.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { native } from '../../../lib/train/lane/native.ts';

/** Path of the generated file, which is in the sources and not in dist. */
export const addonFile: string = fileURLToPath(
  new URL('../../../../lib/train/lane/addon.ts', import.meta.url),
);

/** Returns a statement that imports, from `module`, those of its types that the signatures use. */
function imports(signatures: string, module: string, types: readonly string[]): string {
  const used = types.filter((type) => new RegExp(`\\b${type}\\b`).test(signatures));
  return `import type {\n${used.map((type) => `  ${type},\n`).join('')}} from './${module}.ts';\n`;
}

/** Returns the type names in the signatures, except JavaScript's own types. */
function typesIn(signatures: string): string[] {
  const plain = signatures.replace(/'\w+'/g, '');
  const names = plain.match(/\b[A-Z]\w+/g) ?? [];
  const known = /^(Float32|Float64|Int32|Uint8)Array$|^Promise$/;
  return [...new Set(names)].filter((name) => !known.test(name)).sort();
}

/** Types of types.ts; the others are in addon-types.ts. */
const published = ['LossValues', 'NativeAdamWOptions', 'Parameter', 'TorchMemory'];

/** The text of lib/train/lane/addon.ts. */
export function addonSource(): string {
  const signatures = native().signatures();
  const types = typesIn(signatures);
  const own = types.filter((type) => !published.includes(type));
  return `// Generated from the rows of native/torch (exports.h) by \`npm run ops:train\`: edit those instead.
${imports(signatures, 'addon-types', own)}${imports(signatures, 'types', published)}
/**
 * The native addon, train.node. Calls with a \`cancel\` argument are queued for the training thread. If one that returns no
 * promise fails, the next promise of the thread rejects with its error.
 */
export interface TrainAddon {
  readonly builtVersion: string;
  readonly version: string;
${signatures.trimEnd().replace(/^/gm, '  ')}
}
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(addonFile, addonSource());
