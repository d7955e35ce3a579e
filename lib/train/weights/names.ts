import { coded } from '../../errors.ts';
import { PickleDict, type PickleKey, type PickleValue } from '../../io/pickle.ts';
import { PthTensor } from '../../io/pth.ts';

/**
 * Where training scripts keep the weights inside a checkpoint, the one to prefer first: averaged weights (DINO's
 * teacher, timm's EMA) before plain ones.
 */
const wrappers = ['teacher', 'state_dict_ema', 'model_ema', 'state_dict', 'model', 'student'];
/** What parallel training, compilation and wrapping modules put in front of every name. */
const prefixes = ['module.', '_orig_mod.', 'backbone.', 'model.'];
/** Parts of a classifier or projection head, which say nothing to another task. */
const headParts = /^(head|head_dist|fc_norm|pre_logits)\./;
const maxWrappers = 4;

/** The weights of a checkpoint, and the wrappers that were opened to reach them. */
export interface StateDict {
  tensors: Map<string, PthTensor>;
  wrappers: string[];
}

/**
 * Finds the weights in what a PyTorch file holds.
 *
 * @throws ERR_HOROBALL_WEIGHTS where there are none, listing what there is
 */
export function findStateDict(root: PickleValue): StateDict {
  const opened: string[] = [];
  let dict = root;
  while (dict instanceof PickleDict && opened.length <= maxWrappers) {
    const wrapper: string | undefined = wrapperOf(dict);
    if (wrapper === undefined) return { tensors: tensorsOf(dict), wrappers: opened };
    opened.push(wrapper);
    dict = dict.get(wrapper) ?? null;
  }
  throw coded('ERR_HOROBALL_WEIGHTS', 'the file holds no dictionary of weights');
}

function wrapperOf(dict: PickleDict): string | undefined {
  return wrappers.find((name) => dict.get(name) instanceof PickleDict);
}

function tensorsOf(dict: PickleDict): Map<string, PthTensor> {
  const tensors = new Map<string, PthTensor>();
  for (const [name, value] of dict)
    if (typeof name === 'string' && value instanceof PthTensor) tensors.set(name, value);
  if (tensors.size > 0) return tensors;
  throw coded(
    'ERR_HOROBALL_WEIGHTS',
    `no weights among the entries of the file: ${listed([...dict.keys()])}`,
  );
}

/** What {@link plainNames} made of a file's names. */
export interface PlainNames {
  /** By timm's name, the name in the file. */
  names: Map<string, string>;
  /** Prefixes that were stripped. */
  stripped: string[];
  /** Names of head parts, as timm has them, that were dropped. */
  dropped: string[];
}

/**
 * Brings parameter names into timm's form: prefixes stripped, parts of a head dropped.
 *
 * @param keepHead - for weights that were saved with our own head
 * @throws ERR_HOROBALL_WEIGHTS where two names become one
 */
export function plainNames(stored: Iterable<string>, keepHead: boolean): PlainNames {
  const result: PlainNames = { names: new Map(), stripped: [], dropped: [] };
  for (const name of stored) {
    const plain = strip(name, result.stripped);
    const twin = result.names.get(plain);
    if (twin !== undefined)
      throw coded(
        'ERR_HOROBALL_WEIGHTS',
        `'${twin}' and '${name}' are both '${plain}' without their prefixes`,
      );
    if (!keepHead && headParts.test(plain)) result.dropped.push(plain);
    else result.names.set(plain, name);
  }
  return result;
}

function strip(name: string, stripped: string[]): string {
  const prefix = prefixes.find((candidate) => name.startsWith(candidate));
  if (prefix === undefined) return name;
  if (!stripped.includes(prefix)) stripped.push(prefix);
  return strip(name.slice(prefix.length), stripped);
}

/** Names in a row, at most eight of them. */
export function listed(names: readonly PickleKey[]): string {
  const shown = names.slice(0, 8).map((name) => String(name).slice(0, 60));
  return names.length > shown.length
    ? `${shown.join(', ')} and ${names.length - shown.length} more`
    : shown.join(', ');
}
