import { atLeast0, geometriesWith, inGroup, orNone, positive, type RunOption, shaped } from './define.ts';

const tree = inGroup('Loss');

/** The losses on a class tree. */
export const treeTerms = ['levels', 'cones', 'radius'] as const;
export type TreeTerm = (typeof treeTerms)[number];

/** Returns the terms that a value of `tree` names. */
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

/** Restricts the options of the terms `cones` and `radius` to curved geometries. */
const curved = { geometries: geometriesWith('curved') } as const;

/** Options for losses on the class tree, which are added to the loss of the option `loss`. */
export class TreeOptions {
  /** Losses on the data set's class tree, joined by `+`; `null`: no tree losses. */
  readonly tree: RunOption<string | null> = tree(orNone(sumOfTerms), {
    help: "losses on the data set's class tree, in addition to the loss on the classes",
    default: null,
    studyColumn: true,
  });
  /**
   * Weight of `levels`: a supervised contrastive loss (SupCon) whose positives share an ancestor on a level, averaged over the
   * levels.
   */
  readonly tree_levels: RunOption<number> = tree(atLeast0, {
    help: "weight of the tree loss 'levels', a contrastive loss on the ancestors at each level, averaged over the levels",
    default: 1,
  });
  /** Factor by which temperatures grow per level above the classes. */
  readonly tree_t: RunOption<number> = tree(positive, {
    help: 'factor by which temperatures grow per level above the classes',
    default: 2,
  });
  /** Weight of `cones`, which pulls the images of a node into the entailment cone of their midpoint. */
  readonly tree_cones: RunOption<number> = tree(atLeast0, {
    help: "weight of the tree loss 'cones', which pulls images into the entailment cones of their ancestors",
    default: 1,
    ...curved,
  });
  /** Constant K of the half-aperture of a cone, `arcsin(K (1 - c|x|^2) / (sqrt(c) |x|))`. */
  readonly tree_k: RunOption<number> = tree(positive, {
    help: 'constant K of the cones; a larger K makes them wider',
    default: 0.1,
    ...curved,
  });
  /** Weight of `radius`, which makes distances from the origin proportional to depths in the tree. */
  readonly tree_radius: RunOption<number> = tree(atLeast0, {
    help: "weight of the tree loss 'radius', which makes distances from the origin proportional to depths in the tree",
    default: 1,
    ...curved,
  });
  /** Distance of the deepest images from the origin; `null`: 2 clip_r, the largest distance that the head reaches. */
  readonly tree_reach: RunOption<number | null> = tree(orNone(positive), {
    help: 'distance of the deepest images from the origin; None is 2 x clip_r, the largest distance that the head reaches',
    default: null,
    ...curved,
  });
}
