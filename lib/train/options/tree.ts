import { atLeast0, geometriesWith, inGroup, orNone, positive, type RunOption, shaped } from './define.ts';

const tree = inGroup('Loss');

/** The losses of a class tree. */
export const treeTerms = ['levels', 'cones', 'radius'] as const;
export type TreeTerm = (typeof treeTerms)[number];

/** The terms that a value of `tree` names. */
export function treeTermsOf(value: string | null): TreeTerm[] {
  return (value === null ? [] : value.split('+').map((name) => name.trim())) as TreeTerm[];
}

const sumOfTerms = shaped(
  (value) => {
    const given = treeTermsOf(value);
    return given.every((name) => treeTerms.includes(name)) && new Set(given).size === given.length;
  },
  `${treeTerms.join(', ')} or a sum such as ${treeTerms.join('+')}`,
);

/** Options of terms that need points at any distance from the origin of a curved space. */
const curved = { geometries: geometriesWith('curved') } as const;

/** Losses of the class tree, in addition to the loss of the classes. */
export class TreeOptions {
  /** Losses of the data set's class tree, joined by `+`; `null`: the tree is not trained. */
  readonly tree: RunOption<string | null> = tree(orNone(sumOfTerms), {
    help: "losses of the data set's class tree, in addition to that of the classes",
    default: null,
    studyColumn: true,
  });
  /** Weight of `levels`: the mean over the levels of the SupCon loss whose positives share their ancestor on the level. */
  readonly tree_levels: RunOption<number> = tree(atLeast0, {
    help: 'weight of levels, the contrastive losses of the ancestors on each level',
    default: 1,
  });
  /** The factor of the temperatures per level above the classes. */
  readonly tree_t: RunOption<number> = tree(positive, {
    help: 'factor of the temperatures per level above the classes',
    default: 2,
  });
  /** Weight of `cones`: the images of a node are in the entailment cone of their midpoint. */
  readonly tree_cones: RunOption<number> = tree(atLeast0, {
    help: 'weight of cones, which put images into the entailment cones of their ancestors',
    default: 1,
    ...curved,
  });
  /** K of the half aperture of a cone, `arcsin(K (1 - c|x|^2) / (sqrt(c) |x|))`. */
  readonly tree_k: RunOption<number> = tree(positive, {
    help: 'constant K of the cones, which are wider if it is larger',
    default: 0.1,
    ...curved,
  });
  /** Weight of `radius`: distances from the origin grow with the depth in the tree. */
  readonly tree_radius: RunOption<number> = tree(atLeast0, {
    help: 'weight of radius, which makes distances from the origin proportional to depths in the tree',
    default: 1,
    ...curved,
  });
  /** Distance of the deepest images from the origin; `null`: 2 clip_r, the largest that the head reaches. */
  readonly tree_reach: RunOption<number | null> = tree(orNone(positive), {
    help: 'distance of the deepest images from the origin; None is 2 clip_r, the largest distance',
    default: null,
    ...curved,
  });
}
