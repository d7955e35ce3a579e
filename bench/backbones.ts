// Compares features and gradients of backbones with those of timm's models, with weights from two kinds of files.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Comparison, compareBackbone } from './backbone-comparison.ts';

const help = `Usage: node dist/bench/backbones.js [options] [SPEC...]

Compares features and gradients with those of timm, with all parameters randomized and the weights read from a .safetensors
and a .pth file. A SPEC is a name in timm, optionally with changed arguments: vit_small_patch16_224:depth=2,img_size=[64,96].
Without one, compares a list that covers every feature at least twice. Makes bench/peers/.venv if it does not exist.

  --tolerance <number>   largest relative error that passes (default 1e-4)
  --huggingface          compare features with classes of Hugging Face instead (pip install transformers)
  --help
`;

const peers = fileURLToPath(new URL('../../bench/peers/', import.meta.url));

/** The timm models to compare. Few blocks and patches keep the run short; every component of the full models is present. */
const all = `
vit_tiny_patch16_224:depth=3,img_size=64
vit_small_patch8_224:depth=2,img_size=48
vit_small_patch32_224:depth=2,img_size=128
vit_tiny_patch16_224:depth=2,img_size=[64,96],global_pool=
vit_tiny_patch16_224:depth=2,img_size=[96,64],file_size=48
deit_tiny_distilled_patch16_224:depth=2,img_size=64
deit_small_distilled_patch16_224:depth=2,img_size=64,file_size=[80,80]
deit3_small_patch16_224:depth=2,img_size=64
deit3_medium_patch16_224:depth=2,img_size=[48,64],file_size=96
flexivit_small:depth=2,img_size=64
vit_small_patch14_dinov2:depth=2,img_size=70,file_size=98
vit_small_patch14_reg4_dinov2:depth=2,img_size=56
vit_base_patch14_reg4_dinov2:depth=2,img_size=[56,70]
vit_giant_patch14_dinov2:depth=1,img_size=42
vit_giant_patch14_reg4_dinov2:depth=1,img_size=42
vit_small_patch16_dinov3:depth=2,img_size=64
vit_small_patch16_dinov3_qkvb:depth=2,img_size=[64,96]
vit_small_plus_patch16_dinov3:depth=2,img_size=64,global_pool=token
vit_small_plus_patch16_dinov3_qkvb:depth=2,img_size=80
vit_base_patch16_dinov3:depth=2,img_size=[80,48],global_pool=token
eva02_tiny_patch14_224:depth=2,img_size=56
eva02_small_patch14_336:depth=2,img_size=[56,84]
eva02_base_patch14_224:depth=2,img_size=56
eva02_base_patch16_clip_224:depth=2,img_size=64
eva_large_patch14_196:depth=1,img_size=56
vit_xsmall_patch16_clip_224:depth=2,img_size=64
vit_medium_patch32_clip_224:depth=2,img_size=128,file_size=96
vit_base_patch16_clip_quickgelu_224:depth=2,img_size=64
vit_base_patch32_clip_quickgelu_224:depth=2,img_size=96
vit_base_patch16_siglip_224:depth=2,img_size=64
vit_base_patch32_siglip_256:depth=2,img_size=96,file_size=128
vit_base_patch16_siglip_gap_224:depth=1,img_size=[48,64]
vit_so150m_patch16_reg4_map_256:depth=1,img_size=64
vit_so400m_patch16_siglip_256:depth=1,img_size=48
vit_wee_patch16_reg1_gap_256:depth=2,img_size=64
vit_little_patch16_reg4_gap_256:depth=2,img_size=64
vit_medium_patch16_gap_240:depth=2,img_size=64
vit_medium_patch16_rope_reg1_gap_256:depth=2,img_size=64
vit_betwixt_patch16_rope_reg4_gap_256:depth=1,img_size=[64,96]
vit_small_patch16_rope_224:depth=2,img_size=[64,96]
vit_small_patch16_rope_ape_224:depth=2,img_size=64
vit_small_patch16_rope_mixed_224:depth=2,img_size=[64,96]
vit_small_patch16_rope_mixed_ape_224:depth=2,img_size=64
vit_pe_core_tiny_patch16_384:depth=2,img_size=64
vit_pe_core_small_patch16_384:depth=2,img_size=[64,96]
vit_pe_spatial_tiny_patch16_512:depth=2,img_size=64
vit_intern300m_patch14_448:depth=1,img_size=56
beit3_base_patch16_224:depth=1,img_size=64
test_vit2:depth=3,img_size=64
test_vit3:depth=3,img_size=64
test_vit4:depth=3,img_size=64
vit_tiny_patch16_224:depth=2,img_size=64,qk_norm=true
vit_small_patch16_224:depth=2,img_size=64,qk_norm=true,global_pool=avg
`;

/** Model classes of Hugging Face; bench/peers/backbones.py defines their networks. */
const classes = `
ViTModel
Dinov2Model
Dinov2Model:swiglu
Dinov2WithRegistersModel
DINOv3ViTModel
DINOv3ViTModel:gated
CLIPVisionModel
SiglipVisionModel
`;

/** Variants of the architecture; each must occur in at least two models of the list `all`. */
const features: Readonly<Record<string, (model: Comparison['model']) => boolean>> = {
  'register tokens': ({ regTokens }) => regTokens > 0,
  'no class token': ({ classToken }) => !classToken,
  'distillation token': ({ distilled }) => distilled,
  no_embed_class: ({ noEmbedClass, posEmbed }) => noEmbedClass && posEmbed,
  'pool token': ({ globalPool }) => globalPool === 'token',
  'pool avg': ({ globalPool }) => globalPool === 'avg',
  'pool map': ({ globalPool }) => globalPool === 'map',
  fc_norm: ({ fcNorm }) => fcNorm,
  'no final norm': ({ finalNorm, fcNorm }) => !finalNorm && !fcNorm,
  'layer scale': ({ initValues }) => initValues !== null,
  'SwiGLU packed': ({ mlpLayer }) => mlpLayer === 'swiglu_packed',
  SwiGLU: ({ mlpLayer }) => mlpLayer === 'swiglu',
  'rotary, axial': ({ ropeType }) => ropeType === 'cat',
  'rotary, mixed': ({ ropeType }) => ropeType === 'mixed',
  'rotary, DINOv3': ({ ropeType }) => ropeType === 'dinov3',
  pre_norm: ({ preNorm }) => preNorm,
  qk_norm: ({ qkNorm }) => qkNorm,
  'norms inside': ({ scaleAttnNorm, scaleMlpNorm }) => scaleAttnNorm || scaleMlpNorm,
  'separate q, k, v': ({ qkvFused }) => !qkvFused,
  'quick GELU': ({ actLayer }) => actLayer === 'quick_gelu',
  'patch 8': ({ patchSize }) => patchSize === 8,
  'patch 14': ({ patchSize }) => patchSize === 14,
  'patch 32': ({ patchSize }) => patchSize === 32,
  'not square': ({ imgSize }) => typeof imgSize !== 'number' && imgSize[0] !== imgSize[1],
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tolerance: { type: 'string', default: '1e-4' },
    huggingface: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}

const peer = values.huggingface ? 'huggingface' : 'timm';
const python = join(peers, '.venv', 'bin', 'python');
if (!existsSync(python)) spawnSync(join(peers, 'setup.sh'), { stdio: 'inherit' });
const listed = values.huggingface ? classes : all;
const specs = positionals.length > 0 ? positionals : listed.trim().split('\n');
const folder = await mkdtemp(join(tmpdir(), 'horoball-backbones-'));
const counts = new Map(Object.keys(features).map((name) => [name, 0]));
let failures = 0;
try {
  process.stdout.write(
    '| Model | Parameters | Feature error | Gradient error | Worst parameter |\n| --- | --: | --: | --: | --- |\n',
  );
  for (const spec of specs) await compare(spec);
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.stdout.write(`\n${[...counts].map(([name, count]) => `${name}: ${count}`).join(', ')}\n`);
const few =
  positionals.length > 0 || values.huggingface
    ? []
    : [...counts].filter(([, count]) => count < 2).map(([name]) => name);
if (few.length > 0) process.stdout.write(`Covered less than twice: ${few.join(', ')}\n`);
process.stdout.write(
  `${specs.length - failures} of ${specs.length} agree with ${peer} to ${values.tolerance}\n`,
);
process.exitCode = failures + few.length > 0 ? 1 : 0;

async function compare(spec: string): Promise<void> {
  const made = spawnSync(python, [join(peers, 'backbones.py'), peer, folder, spec], { encoding: 'utf8' });
  try {
    if (made.status !== 0) throw new Error(made.stderr.trim().split('\n').at(-1));
    const comparison = await compareBackbone(join(folder, '0'), ['safetensors', 'pth']);
    const { feature, gradient, worst, parameters, model } = comparison;
    const passes = feature <= Number(values.tolerance) && gradient <= Number(values.tolerance);
    if (!passes) failures += 1;
    for (const [name, has] of Object.entries(features))
      if (has(model)) counts.set(name, counts.get(name)! + 1);
    const cells = [spec, parameters, feature.toExponential(1), gradient.toExponential(1), worst];
    process.stdout.write(`| ${cells.join(' | ')} |${passes ? '' : ' FAILED'}\n`);
  } catch (error) {
    failures += 1;
    process.stdout.write(`| ${spec} | | | | ${(error as Error).message} | FAILED\n`);
  }
}
