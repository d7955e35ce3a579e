import { atLeast0, fileName, flag, inGroup, orNone, type RunOption, shaped, text } from './define.ts';
import { evenEpochs, lastEpoch, parseEpochs } from './epochs.ts';

const output = inGroup('Evaluation and output');
/** Maximum length of a file name on common file systems. */
const maxName = 255;
/** Maximum length of `emb_name`: leaves space for the suffixes of the files and of temporary files. */
const maxEmbName = 190;
const outputOnly = { resume: 'free', affectsResult: false } as const;

/** Options for evaluation and output. */
export class OutputOptions {
  /**
   * Epochs after which to evaluate on the test classes, such as `[50]`, `[]` or `r(10,70,20)+[200]`; 0 is before training.
   * Default: 0 and about ten evenly spaced epochs, or `r(0,181,36)` for data set `shapes` if `ep` is not given either; with
   * `compat` hypmix, only the last one.
   */
  readonly eval_ep: RunOption<string> = output(
    shaped((value) => parseEpochs(value) !== null, "a list like '[50]', '[]' or 'r(10,70,20)+[200]'"),
    {
      help: "epochs after which to evaluate on the test classes; 0 is before training; r(a,b,c) is Python's range(a,b,c)",
      default: evenEpochs(100),
      datasets: { shapes: 'r(0,181,36)' },
      compat: { hypmix: lastEpoch(100) },
      defaultText: () =>
        '0 and about ten evenly spaced epochs; r(0,181,36) with --ds shapes if --ep is not given; the last epoch with --compat hypmix, as in the published code',
      published: 'option',
      resume: 'extend',
      affectsResult: false,
    },
  );
  /** Also evaluate untrained baselines for the report: raw pixels, and histograms of colors and image gradients. */
  readonly baselines: RunOption<boolean> = output(flag, {
    help: 'also evaluate untrained baselines (raw pixels; color and image-gradient histograms)',
    default: false,
    resume: 'extend',
    affectsResult: false,
  });
  /** Train on shuffled labels, as a control. */
  readonly shuffle_labels: RunOption<boolean> = output(flag, {
    help: 'train on shuffled labels, as a control',
    default: false,
  });
  /** Write the embeddings of the test images (of the gallery, if there is one) and of the training images at the end. */
  readonly save_emb: RunOption<boolean> = output(flag, {
    help: 'write the embeddings of the test images (of the gallery, if there is one) and of the training images into the run folder at the end',
    default: false,
    published: 'option',
    commands: ['eval'],
    ...outputOnly,
  });
  /** Base name of the files that `save_emb` writes: `<name>_eval.safetensors` and `<name>_train.safetensors`. */
  readonly emb_name: RunOption<string> = output(fileName(maxEmbName), {
    help: 'base name of the files that save_emb writes, <name>_eval.safetensors (test images or gallery) and <name>_train.safetensors',
    default: 'emb',
    published: 'option',
    commands: ['eval'],
    ...outputOnly,
  });
  /**
   * Seconds between checkpoints, which are also written after evaluations and at the end; 0: every step; `null`: no
   * checkpoints, so the run cannot be resumed.
   */
  readonly save_every: RunOption<number | null> = output(orNone(atLeast0), {
    help: 'time between checkpoints, which are also written after evaluations and at the end; 0 writes one after every step, None writes none',
    unit: 'seconds',
    default: 60,
    ...outputOnly,
  });
  /** Folder in which run folders are created; `null`: nothing is written. */
  readonly runs: RunOption<string | null> = output(orNone(text('a path')), {
    help: 'folder in which run folders are created; None writes nothing',
    default: 'runs',
    sweepable: false,
    ...outputOnly,
  });
  /** Name of the run folder; `null`: data set, geometry and a number. */
  readonly name: RunOption<string | null> = output(orNone(fileName(maxName)), {
    help: 'name of the run folder; None generates a name from the data set, the geometry and a number, such as shapes-hybrid-1',
    default: null,
    sweepable: false,
    ...outputOnly,
  });
}
