import { type OptionName, optionNames, optionOf } from './options.ts';

/** Advice on options of timm's train.py that have another name here, or no counterpart. */
export interface TimmOption {
  /** Names without leading dashes, with `_` for `-`. */
  readonly names: readonly string[];
  /** The counterpart; absent if horoball has no such option. */
  readonly option?: OptionName;
  /** An example value of the counterpart. */
  readonly value?: string;
  /** With a counterpart, a phrase on how it differs; without one, sentences on what to do. */
  readonly note?: string;
}

/** Advice for the command line. Notes have options such as `--lr`; {@link adviceOn} removes the dashes for the library. */
export const timmOptions: readonly TimmOption[] = [
  { names: ['amp', 'amp_dtype'], option: 'precision', value: 'bfloat16' },
  { names: ['aa', 'auto_augment'], option: 'rand_augment', value: '2,9', note: 'operations and magnitude' },
  { names: ['reprob'], option: 'random_erasing', note: 'the probability' },
  { names: ['scale'], option: 'crop_scale', note: 'only the minimum area' },
  { names: ['sched'], option: 'schedule', note: 'constant or cosine' },
  { names: ['warmup_epochs'], option: 'warmup', note: 'in steps' },
  { names: ['model_ema', 'model_ema_decay'], option: 'ema', value: '0.999', note: 'the decay per step' },
  { names: ['img_size', 'input_size'], option: 'crop', note: 'one side, in pixels' },
  { names: ['data_dir'], option: 'path', note: 'with --ds folder for one subfolder per class' },
  { names: ['dataset'], option: 'ds' },
  {
    names: ['pretrained', 'initial_checkpoint', 'pretrained_path'],
    option: 'weights',
    note: 'a file, or a name that `npx horoball weights pull` has downloaded',
  },
  { names: ['b'], option: 'bs' },
  { names: ['j'], option: 'workers' },
  {
    names: ['grad_accum_steps', 'grad_checkpointing'],
    option: 'chunk',
    note: 'gradient caching, whose gradient is that of the full batch',
  },
  { names: ['output'], option: 'runs' },
  { names: ['experiment'], option: 'name' },
  {
    names: ['opt'],
    note: 'The optimizer is AdamW. Its options are --lr, --weight_decay, --layer_decay and --clip_grad.',
  },
  { names: ['drop', 'drop_path'], note: 'Dropout and stochastic depth are not offered.' },
  {
    names: ['hflip', 'vflip'],
    note: 'Training always flips images horizontally with probability 0.5, and never vertically.',
  },
  {
    names: ['mixup', 'cutmix', 'smoothing'],
    note: 'Mixed images and label smoothing are not offered. Use --rand_augment 2,9 or --random_erasing 0.25 for more augmentation.',
  },
  {
    names: ['log_wandb'],
    note: 'Weights & Biases is not built in. Log from `onStep` of `train()`, or use the TensorBoard event files of the run.',
  },
];

/**
 * Returns advice on an option of timm's train.py, in one or two sentences; null without advice.
 *
 * @param given - the name, with or without dashes
 * @param accepts - whether the command has an option. Advice requires the counterpart or, if none exists, `bs`, which all
 *   training commands have.
 */
export function timmAdvice(given: string, accepts: (name: OptionName) => boolean): string | null {
  const name = plainName(given);
  const found = timmOptions.find(({ names }) => names.includes(name));
  if (found === undefined || !accepts(found.option ?? 'bs')) return null;
  const { option, value, note } = found;
  if (option === undefined) return note!;
  return `Use --${option}${value === undefined ? '' : ` ${value}`}${note === undefined ? '' : ` (${note})`}.`;
}

/** Returns the name of `--amp-dtype=float16` or `-j8`: `amp_dtype` or `j`. */
function plainName(given: string): string {
  const short = /^-([a-zA-Z])/.exec(given)?.[1];
  return short ?? given.replace(/^--/, '').replace(/=.*$/s, '').replaceAll('-', '_');
}

/** Returns what to do about an unknown option of a configuration. */
export function adviceOn(name: string): string {
  const plain = plainName(name.replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
  const known = optionNames.find((each) => each === plain || optionOf(each).aliases?.includes(plain));
  if (known !== undefined) return `Use ${known}.`;
  return timmAdvice(plain, () => true)?.replaceAll('--', '') ?? 'See npx horoball train --help.';
}
