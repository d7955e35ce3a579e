import type { OnnxSource } from './source.ts';
import { dtypes, onnxFiles, type Storage } from './storage.ts';

const storageTexts: Readonly<Record<Storage, string>> = {
  fp32: 'float32',
  fp16: 'matrices in float16, half the size',
  int8: 'matrices in 8 bits with a scale per output channel, a quarter of the size',
};

/** Words in each model card, by which the card of an earlier export is recognized. */
export const cardMark = 'exported by [horoball](https://www.npmjs.com/package/horoball)';

/**
 * Returns the README.md of an exported folder, a model card in Hugging Face's format.
 * @param folder - name of the folder, by which transformers.js finds it
 */
export function modelCard(source: OnnxSource, present: readonly Storage[], folder: string): string {
  const { name, network, serving } = source;
  const { size, resize, background, dim, c } = serving;
  const [mean, std] = [serving.mean, serving.std].map((values) => `[${values.join(', ')}]`);
  const { embedDim, depth, numHeads, patchSize } = network.model;
  const head = 'head' in network;
  const outputs = [
    `| \`image_embeds\` | N x ${dim} | unit vectors; compare them by inner product |`,
    ...(head ? [`| \`hyperbolic\` | N x ${dim} | points of the Poincaré ball of curvature -${c} |`] : []),
    `| \`pooler_output\` | N x ${embedDim} | feature of the backbone |`,
  ];
  const files = present.map(
    (storage) => `| \`${onnxFiles[storage]}\` | \`${dtypes[storage]}\` | ${storageTexts[storage]} |`,
  );
  const distance = head ? `metric: 'poincare', c: embedder.c` : `metric: 'cosine'`;
  const space = head ? 'ball' : 'unit';
  return `---
library_name: transformers.js
pipeline_tag: image-feature-extraction
tags:
- image-feature-extraction
- onnx
- horoball
---

# ${name}

An image embedding network ${cardMark}: a vision transformer (${depth} blocks,
width ${embedDim}, ${numHeads} heads, patches of ${patchSize} pixels) for images of ${size} x ${size} pixels${head ? ', with a hyperbolic head' : ''}.

| output | shape | contents |
| --- | --- | --- |
${outputs.join('\n')}

| file | \`dtype\` | storage; computation is in float32 |
| --- | --- | --- |
${files.join('\n')}

The input \`pixel_values\` is N x 3 x ${size} x ${size}: RGB from 0 to 1, minus the mean \`${mean}\`, divided by the
standard deviation \`${std}\`. Images are resized to ${resize} pixels on the shorter side (bicubic, antialiased, as PIL does) and
cropped at the center.${background === 'drop' ? '' : ` Transparent pixels are blended with ${background} first.`}

## Use with horoball

\`\`\`js
import { topK } from 'horoball';
import { loadEmbedder } from 'horoball/embed'; // npm install horoball onnxruntime-node sharp

const embedder = await loadEmbedder('.'); // the path of this folder
const points = await embedder.embed(['1.jpg', '2.jpg', '3.jpg'], { space: '${space}' });
const { indices, distances } = await topK(points, points, { k: 2, ${distance} });
await embedder.dispose();
\`\`\`

## Use with Python

\`\`\`python
import numpy as np, onnxruntime as ort
from PIL import Image

image = Image.open("1.jpg").convert("RGB")
width, height = (${resize} * side // min(image.size) for side in image.size)
left, top = round((width - ${size}) / 2), round((height - ${size}) / 2)
image = image.resize((width, height), Image.Resampling.BICUBIC).crop((left, top, left + ${size}, top + ${size}))
pixels = (np.asarray(image, np.float32) / 255 - np.float32(${mean})) / np.float32(${std})
session = ort.InferenceSession("${onnxFiles[present[0] ?? 'fp32']}", providers=["CPUExecutionProvider"])
(embeds,) = session.run(["image_embeds"], {"pixel_values": pixels.transpose(2, 0, 1)[None]})  # unit vectors
\`\`\`

## Use with transformers.js

\`\`\`js
import { env, pipeline } from '@huggingface/transformers';

env.localModelPath = '.'; // run this in the folder that contains ${folder}
const extract = await pipeline('image-feature-extraction', ${JSON.stringify(folder)}, { dtype: '${dtypes[present[0] ?? 'fp32']}', local_files_only: true });
const embeds = await extract('1.jpg'); // image_embeds; with { pool: true } pooler_output
\`\`\`

transformers.js resizes images without antialiasing and ignores transparency, so its embeddings of resized images differ from
those of horoball. They agree for images that need no resizing.
`;
}
