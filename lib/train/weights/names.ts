import { coded } from '../../errors.ts';
import { PickleDict, PickleOpaque, type PickleValue } from '../../io/pickle-values.ts';
import { PthTensor } from '../../io/pth.ts';
import { imageTower, timmNames } from './formats.ts';

/**
 * Keys under which training scripts store weights in a checkpoint, in order of preference: averaged weights (DINO's
 * teacher, timm's EMA) before plain ones.
 */
const wrappers = (
  'teacher state_dict_ema model_ema ema_state_dict state_dict model_state_dict model net weights module ' +
  'student'
).split(' ');
/** Prefixes that data parallelism, compilation and wrapper modules add to every name. */
const prefixes = [
  'teacher.backbone.',
  'module.',
  '_orig_mod.',
  'backbone.',
  'model.',
  'body.',
  'encoder.',
  'base_encoder.',
  'visual.',
  'trunk.',
  'vision_model.',
  'vision_encoder.',
  'image_encoder.',
  'vit.',
  'deit.',
  'dinov2.',
  'dinov2_with_registers.',
  'dinov3_vit.',
  '0.',
];
/** Matches parts of a classifier or projection head, which are useless for another task. */
const headParts = /^(head|head_dist|pre_logits)\./;
/** Matches parts of a vision transformer that affect its features; others, such as decoders, are not needed. */
const backboneParts =
  /^(blocks|patch_embed|norm|norm_pre|fc_norm|attn_pool|rope|rel_pos_bias)\.|^(cls|dist|reg)_token$|^pos_embed/;
/** Matches `blocks.0.` in `blocks.0.5.` (block 5, in chunk 0), as DINOv2 names its blocks. */
const chunkedBlock = /^blocks\.\d+\.(?=\d+\.)/;
const maxWrappers = 4;
/** Maximum length of a name, because dozens of patterns are matched against each; real names are far shorter. */
const maxName = 1000;
/** Maximum total length of all names: forty thousand names of 100 characters. Real files have hundreds of names. */
const maxNames = 2 ** 22;

/** The weights of a checkpoint, and the keys of the wrappers around them. */
export interface StateDict {
  /** Tensors by name. An opaque value (not a tensor) is an error only if its name is needed. */
  tensors: Map<string, PthTensor | PickleOpaque>;
  wrappers: string[];
}

/**
 * Finds the weights in the root of a PyTorch file.
 *
 * @throws ERR_HOROBALL_WEIGHTS if the file does not contain weights
 */
export function findStateDict(root: PickleValue): StateDict {
  const found = unwrapped(root, [], new Set());
  if (found !== undefined) return found;
  const got = root instanceof PickleDict ? `the entries ${listed([...root.keys()])}` : 'another value';
  throw coded(
    'ERR_HOROBALL_WEIGHTS',
    `[loadWeights] path: expected a dictionary of weights, got ${got}. Save the state_dict of the model.`,
  );
}

/**
 * Returns the weights in a dictionary: searches its wrappers, then the dictionary itself. `seen` contains the dictionaries
 * searched so far, because entries may share one.
 */
function unwrapped(value: PickleValue, opened: string[], seen: Set<PickleValue>): StateDict | undefined {
  if (!(value instanceof PickleDict) || opened.length > maxWrappers || seen.has(value)) return undefined;
  seen.add(value);
  for (const name of wrappers) {
    const found = unwrapped(value.get(name) ?? null, [...opened, name], seen);
    if (found !== undefined) return found;
  }
  const tensors = new Map<string, PthTensor | PickleOpaque>();
  let some = false;
  for (const [name, entry] of value) {
    if (typeof name !== 'string' || !(entry instanceof PthTensor || entry instanceof PickleOpaque)) continue;
    tensors.set(name, entry);
    some ||= entry instanceof PthTensor;
  }
  return some ? { tensors, wrappers: opened } : undefined;
}

/** Whether the features of a network depend on this parameter. */
export function isBackbonePart(plainName: string): boolean {
  return backboneParts.test(plainName);
}

/** Whether a parameter belongs to the embedding head of an `Embedder`. */
export function isHeadPart(name: string): boolean {
  return name.startsWith('head.');
}

/** The result of {@link plainNames}. */
export interface PlainNames {
  /** The name in the file, for each of timm's names. */
  names: Map<string, string>;
  /** Prefixes that were stripped. */
  stripped: string[];
  /** Names of the dropped parts of a head, in timm's form. */
  dropped: string[];
}

/**
 * Converts parameter names to timm's form: strips prefixes, joins chunks of blocks, translates the names of other projects,
 * and drops text towers, head parameters and unused parameters.
 *
 * @param keepHead - whether the head is an embedding head, which is kept
 * @throws ERR_HOROBALL_WEIGHTS if two names become equal, or names are far longer than real ones
 */
export function plainNames(stored: Iterable<string>, keepHead: boolean): PlainNames {
  const result: PlainNames = { names: new Map(), stripped: [], dropped: [] };
  const all = [...stored];
  const long = all.find((name) => name.length > maxName);
  if (long !== undefined)
    throw coded(
      'ERR_HOROBALL_WEIGHTS',
      `[loadWeights] path: expected names of at most ${maxName} characters, got one of ${long.length} characters (${listed([long])}...)`,
    );
  if (all.reduce((total, name) => total + name.length, 0) > maxNames)
    throw coded(
      'ERR_HOROBALL_WEIGHTS',
      `[loadWeights] path: expected names of at most ${maxNames} characters in total, got more`,
    );
  const tower = imageTower(all);
  const plain = timmNames(tower.map((name) => strip(name, result.stripped)));
  tower.forEach((name, i) => {
    const timm = plain[i]!;
    if (timm === null) return;
    const other = result.names.get(timm);
    if (other !== undefined)
      throw coded(
        'ERR_HOROBALL_WEIGHTS',
        `[loadWeights] path: expected names that stay distinct without their prefixes, got '${other}' and '${name}', which are both '${timm}'. Remove one of them.`,
      );
    if (!keepHead && headParts.test(timm)) result.dropped.push(timm);
    else result.names.set(timm, name);
  });
  return result;
}

/** Strips prefixes in any order and number, because wrappers can be nested. */
function strip(name: string, stripped: string[]): string {
  let at = 0;
  for (;;) {
    const prefix = prefixes.find((candidate) => name.startsWith(candidate, at));
    if (prefix === undefined) return name.slice(at).replace(chunkedBlock, 'blocks.');
    if (!stripped.includes(prefix)) stripped.push(prefix);
    at += prefix.length;
  }
}

/** Lists up to eight names, and the number of the others. */
export function listed(names: readonly unknown[]): string {
  const shown = names
    .slice(0, 8)
    .map((name) =>
      typeof name === 'object' && name !== null ? '(a key that is not text)' : String(name).slice(0, 60),
    );
  return names.length > shown.length
    ? `${shown.join(', ')} and ${names.length - shown.length} more`
    : shown.join(', ');
}
