import { logitDefaults } from '../../card-names.ts';
import { type Head, heads } from '../../model/types.ts';
import { vitConfigs } from '../../model/vit.ts';
import {
  count,
  flag,
  geometriesWith,
  inGroup,
  oneOf,
  orNone,
  positive,
  type RunOption,
  text,
} from './define.ts';

const model = inGroup('Model');
const ofHead = { network: true, commands: ['embed'] } as const;
const ofBackbone = { network: true, commands: ['eval', 'embed', 'search', 'export'] } as const;

const automatic =
  'auto is the published weights of the model if they have been downloaded, otherwise random weights; None is random weights';

/** Options for the network: a backbone and a head. */
export class ModelOptions {
  /** Backbone: a name in `vitConfigs`, or a JSON file or JSON text with the arguments of a timm model. */
  readonly model: RunOption<string> = model(text(`${Object.keys(vitConfigs).join(', ')} or a JSON file`), {
    help: 'backbone, by name or as a JSON file with the arguments of a timm model',
    default: 'dino_vits16',
    datasets: { shapes: 'vit_nano' },
    published: 'option',
    ...ofBackbone,
  });
  /**
   * Initial weights: a file, the folder of a run with the same backbone, or the name of weights from
   * `horoball weights pull`; `null`: random; `auto`: the model's published weights if downloaded.
   */
  readonly weights: RunOption<string | null> = model(
    orNone(text("a file, a run folder, the name of downloaded weights or 'auto'")),
    {
      help: `initial weights; ${automatic}`,
      helpWithoutTraining: `weights of the backbone; ${automatic}`,
      default: 'auto',
      ...ofBackbone,
    },
  );
  /** Load weights even if they match only part of the backbone. */
  readonly partial: RunOption<boolean> = model(flag, {
    help: 'load weights even if they match only part of the backbone',
    default: false,
    ...ofBackbone,
  });
  /** `hypmix`: normalize, clip, expmap0. `hyp-vit`: no normalization, so the radius is free. */
  readonly head: RunOption<Head> = model(oneOf(heads), {
    help: 'head after the backbone; its output has unit norm (hypmix) or any norm (hyp-vit) before clipping',
    default: 'hypmix',
    published: 'behavior',
    ...ofHead,
  });
  /** Dimension of the embedding. */
  readonly emb: RunOption<number> = model(count(2), {
    help: 'embedding dimension',
    default: 128,
    published: 'option',
    ...ofHead,
  });
  /** Norm to which the outputs of the linear layer are clipped before expmap0; `null`: not clipped. */
  readonly clip_r: RunOption<number | null> = model(orNone(positive), {
    help: 'norm to which the outputs of the linear layer are clipped before expmap0',
    default: logitDefaults.clipR,
    published: 'option',
    geometries: geometriesWith('distance'),
    ...ofHead,
  });
  /** Number of frozen blocks, 0 or more, in addition to the patch embedding; `null`: nothing is frozen. */
  readonly freeze: RunOption<number | null> = model(orNone(count(0)), {
    help: 'number of frozen blocks; 0 freezes only the patch embedding, None freezes nothing',
    default: 0,
    datasets: { shapes: null },
    published: 'option',
  });
}
