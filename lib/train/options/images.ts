import { defaultMaxPixels } from '../../image/fault.ts';
import { type Background, backgrounds } from '../../image/resample.ts';
import { datasetNames, datasets } from '../data/registry.ts';
import {
  alternatives,
  count,
  flag,
  from0to1,
  inGroup,
  numberList,
  oneOf,
  orNone,
  type RunOption,
  text,
  upTo1,
} from './define.ts';

const image = inGroup('Images');
/** Help for the data sets whose path is not a folder. */
const otherPaths = datasets.flatMap(({ name, path }) =>
  path === undefined ? [] : [`; for ${name}, ${path}`],
);
/** Commands that read images but do not train. Those in `ofDatasets` read a data set. */
const commands = ['eval', 'embed', 'search'] as const;
const ofDatasets = ['eval', 'embed'] as const;

/** Options for the data set, augmentation and image loading. */
export class ImageOptions {
  /** Name of the data set, as in `openDataset`. */
  readonly ds: RunOption<string> = image(text(alternatives(datasetNames)), {
    help: 'data set',
    default: 'SOP',
    datasets: { shapes: 'shapes' },
    defaultText: () => 'shapes; the published default is SOP',
    published: 'option',
    commands: ofDatasets,
  });
  /** Folder of the data set; for `csv`, the file. */
  readonly path: RunOption<string> = image(text('a path'), {
    help: `folder of the data set${otherPaths.join('')}`,
    default: 'data',
    datasets: { shapes: 'data/shapes' },
    resume: 'free',
    commands: ofDatasets,
  });
  /** Images (views) per class in a batch. */
  readonly num_samples: RunOption<number> = image(count(2), {
    help: 'images per class in a batch',
    default: 2,
    datasets: { shapes: 4 },
    published: 'option',
  });
  /** Batch size in images, a multiple of `num_samples`. */
  readonly bs: RunOption<number> = image(count(4), {
    help: 'batch size in images, a multiple of num_samples',
    aliases: ['batch_size'],
    default: 900,
    datasets: { shapes: 128 },
    published: 'option',
  });
  /** Minimum area of a random training crop, as a fraction of the image. */
  readonly crop_scale: RunOption<number> = image(upTo1, {
    help: 'minimum area of a random training crop, as a fraction of the image',
    default: 0.2,
    datasets: { shapes: 0.4 },
    published: 'behavior',
  });
  /**
   * RandAugment of training images, as in torchvision's `RandAugment(num_ops, magnitude)`: both numbers, separated by a
   * comma; `null`: off.
   */
  readonly rand_augment: RunOption<string | null> = image(orNone(numberList([1, 100], [0, 30])), {
    help: 'number and magnitude of RandAugment operations, as in torchvision, such as 2,9',
    default: null,
  });
  /**
   * Color jitter of training images, as in torchvision's `ColorJitter(brightness, contrast, saturation, hue)`; `null`: off.
   */
  readonly color_jitter: RunOption<string | null> = image(
    orNone(numberList([0, 100, 'real'], [0, 100, 'real'], [0, 100, 'real'], [0, 0.5, 'real'])),
    {
      help: 'brightness, contrast, saturation and hue of ColorJitter, as in torchvision, such as 0.4,0.4,0.4,0.1',
      default: null,
    },
  );
  /** Probability that a random rectangle of a training image is erased, as in torchvision's `RandomErasing(p)`. */
  readonly random_erasing: RunOption<number> = image(from0to1, {
    help: "probability of replacing a random rectangle of a training image with the mean color, as torchvision's RandomErasing does",
    default: 0,
  });
  /** Length in pixels to which evaluation resizes the shorter side of an image before the center crop. */
  readonly resize: RunOption<number> = image(count(8), {
    help: 'length to which evaluation resizes the shorter side of an image before the center crop',
    unit: 'pixels',
    default: 224,
    datasets: { shapes: 55 },
    published: 'option',
    commands: [...commands, 'export'],
  });
  /** Side length in pixels of the square crop that is the backbone's input. */
  readonly crop: RunOption<number> = image(count(8), {
    help: "side length of the square crop that is the backbone's input",
    unit: 'pixels',
    default: 224,
    datasets: { shapes: 48 },
    published: 'option',
    commands: [...commands, 'export'],
  });
  /** Number of images decoded in parallel. */
  readonly workers: RunOption<number> = image(count(1), {
    help: 'number of images decoded in parallel',
    default: 4,
    resume: 'free',
    affectsResult: false,
    commands,
  });
  /** Cache of decoded images: `memory` or a folder; `null`: no cache. */
  readonly cache: RunOption<string | null> = image(orNone(text("'memory' or a folder")), {
    help: 'cache of decoded images',
    default: null,
    resume: 'free',
    affectsResult: false,
    commands,
  });
  /** Background color that transparent pixels are blended with; `drop` ignores alpha, as the published code does. */
  readonly background: RunOption<Background> = image(oneOf(backgrounds), {
    help: "background color that transparent pixels are blended with; 'drop' ignores alpha",
    default: 'white',
    compat: { hypmix: 'drop' },
    earlier: 'drop',
    commands: [...commands, 'export'],
  });
  /** Maximum number of pixels in an image; larger images count as unreadable. */
  readonly max_pixels: RunOption<number> = image(count(1), {
    help: 'maximum number of pixels in an image; larger images count as unreadable',
    default: defaultMaxPixels,
    defaultText: (usual) => `${usual}, the size above which Pillow rejects images`,
    commands,
  });
  /** Stop at the first unreadable image, instead of reporting and skipping it. */
  readonly strict: RunOption<boolean> = image(flag, {
    help: 'stop at the first unreadable image, instead of skipping it',
    default: false,
    resume: 'free',
    affectsResult: false,
    commands: ofDatasets,
  });
}
