import { Command } from 'commander';
import { type Advice, adviceOn, type FeatureShape, shapeOf, trial } from '../advise.ts';
import { geometryTerms } from '../card-names.ts';
import { defaultTensorText, integerOption, optionOf, readFeatures } from './delta.ts';
import { addNotes, type Notes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { Meter } from './meter.ts';

const { trees, right, saidHyperbolic, rightThen, alwaysEuclidean } = trial;

const trust = `In a trial on ${trees} synthetic data sets, whose classes form trees of depth 1 to 4, training with both geometries showed that the suggested one was better for ${right} of them. Hyperbolic was suggested for ${saidHyperbolic} and was better for ${rightThen} of these; always suggesting euclidean would have been right for ${alwaysEuclidean}. Train with both before you decide.`;

const notes: Notes = {
  paragraphs: [
    'Expects unnormalized features. Measures the Gromov delta relative to the diameter (20 random subsets of up to 200 rows, with a 95% interval), the distortion of a tree fitted to the distances, and the relative standard deviation of the distances. Suggests hyperbolic if the upper end of the interval is below 0.3 and the standard deviation of the distances is more than 0.2 times their mean, otherwise euclidean. These thresholds were fixed before the trial described below.',
    trust,
  ],
  examples: [
    ['features from a file', 'horoball advise features.npy'],
    ['one tensor of a file', 'horoball advise features.safetensors --tensor body'],
  ],
};

interface Options {
  tensor?: string;
  seed?: string;
  json?: boolean;
}

/** `horoball advise`: suggests a geometry from features alone. */
export function adviseCommand(): Command {
  const command = new Command('advise')
    .description('suggest a geometry, c, temperatures and a head from features')
    .argument('<source>', 'a .npy or .safetensors file of features')
    .addOption(optionOf('--tensor <name>', 'tensor to read from a .safetensors file', defaultTensorText))
    .addOption(optionOf('--seed <n>', 'seed of the random subsets', '0'))
    .option('--json', 'print the result as one JSON object on stdout');
  addNotes(command, notes);
  command.action(async (source: string, { tensor, seed, json }: Options) => {
    using meter = new Meter();
    using interrupt = interruptible((text) => meter.say(text));
    const start = integerOption('seed', seed, 0, 'advise') ?? 0;
    const features = await readFeatures(source, tensor, 'advise');
    const shape = await shapeOf(features, { seed: start, signal: interrupt.signal });
    const advice = adviceOn(shape);
    if (json) jsonLine({ type: 'advice', rows: features.rows, ...shape, ...advice, trial });
    for (const line of lines(shape, advice)) meter.say(line);
  });
  return command;
}

function lines(shape: FeatureShape, { geometry, c, tauE, tauH, head }: Advice): string[] {
  const { delta, interval, distortion, spread, radiusSpread } = shape;
  const [low, high] = interval.map((end) => end.toPrecision(3));
  const percent = (value: number): string => `${(100 * value).toFixed(0)}%`;
  const start = geometryTerms[geometry].distance
    ? `--hyp_c ${c.toPrecision(3)} --t_h ${tauH}`
    : `--t_e ${tauE}`;
  return [
    `Relative delta ${delta.toPrecision(3)} (95% interval ${low} to ${high}), tree distortion ${percent(distortion)}.`,
    `Relative standard deviation: ${percent(spread)} for pairwise distances, ${percent(radiusSpread)} for distances from the center.`,
    `Start with --geometry ${geometry} --head ${head} ${start}.`,
    trust,
  ];
}
