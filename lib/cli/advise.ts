import { Command } from 'commander';
import { type Advice, adviceOn, type FeatureShape, shapeOf, trial } from '../advise.ts';
import { geometryTerms } from '../card-names.ts';
import { optionOf, readFeatures, wholeOf } from './delta.ts';
import { addNotes, type Notes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { Meter } from './meter.ts';

const { trees, right, saidHyperbolic, rightThen, alwaysEuclidean } = trial;

/** How far the advice can be trusted. */
const trust = `On ${trees} generated trees of depth 1 to 4, whose better geometry was measured by training, the rule was right for ${right}; of the ${saidHyperbolic} trees for which it said hyperbolic, for ${rightThen}. Saying euclidean every time would have been right for ${alwaysEuclidean}. Train both before you decide.`;

const notes: Notes = {
  paragraphs: [
    'Measures unnormalized features: the Gromov delta relative to the diameter in 20 random subsets of up to 200 rows, with its 95% interval; the distortion of the distances by the tree that Gromov products give; and how much distances vary. The rule says hyperbolic if the interval is below 0.3 and the standard deviation of the distances is above 0.2 of their mean. It was fixed before it was tried.',
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

/** `horoball advise`: a geometry to start with, from features alone. */
export function adviseCommand(): Command {
  const command = new Command('advise')
    .description('suggest a geometry, c, temperatures and a head from features')
    .argument('<source>', 'a .npy or .safetensors file of features')
    .addOption(optionOf('--tensor <name>', 'tensor to read from a .safetensors file', 'body'))
    .addOption(optionOf('--seed <n>', 'seed of the subsets', '0'))
    .option('--json', 'print the result as one JSON object on stdout');
  addNotes(command, notes);
  command.action(async (source: string, { tensor, seed, json }: Options) => {
    using meter = new Meter();
    using interrupt = interruptible((text) => meter.say(text));
    const start = wholeOf('seed', seed, 0, 'advise') ?? 0;
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
    `Distances vary by ${percent(spread)} of their mean, distances from the center by ${percent(radiusSpread)}.`,
    `Start with --geometry ${geometry} --head ${head} ${start}.`,
    trust,
  ];
}
