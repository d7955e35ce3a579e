/** The npm packages of the `emoji` data set, pinned by version and integrity hash. */

/** An npm package, pinned by version and hash. */
export interface Pinned {
  name: string;
  version: string;
  /** Hash of the tarball, as in package-lock.json. */
  integrity: string;
}

/** A set of emoji drawings. */
export interface EmojiSet extends Pinned {
  /** The Iconify prefix, which is also the name of the set's image files. */
  id: string;
  /** How icons are matched with Unicode: by the set's chars.json, by name, or by the chars.json of another set. */
  codepoints: 'chars' | 'names' | { of: string };
}

/** The package with the names, groups, subgroups and code points of all emoji. */
export const unicodeData: Pinned = {
  name: 'emojibase-data',
  version: '17.0.0',
  integrity:
    'sha512-Yvgb5AWoHViHV/gq1qr5ZAarcBip+B27/ZLRsUJkbgAEaLlZ/fof9g882LTpmEpyhBNEC0m2SEmItljHsTygjA==',
};

/** The sets of the benchmark, one per organization; each provides one view of every class. */
export const benchmarkSets: readonly EmojiSet[] = [
  {
    id: 'noto',
    name: '@iconify-json/noto',
    version: '1.2.9',
    integrity:
      'sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==',
    codepoints: 'chars',
  },
  {
    id: 'twemoji',
    name: '@iconify-json/twemoji',
    version: '1.2.5',
    integrity:
      'sha512-uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==',
    codepoints: 'chars',
  },
  {
    id: 'openmoji',
    name: '@iconify-json/openmoji',
    version: '1.2.29',
    integrity:
      'sha512-vXdhkqcXVSO6suy+m9LbcUM3OdVyuNOtpV8/als/WqfkQIRxevL5Geb/g+6GH/Qwnq1OqksEmaDGTCmZ5nFKJQ==',
    codepoints: 'chars',
  },
  {
    id: 'fluent-emoji-flat',
    name: '@iconify-json/fluent-emoji-flat',
    version: '1.2.6',
    integrity:
      'sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==',
    codepoints: 'chars',
  },
];

/**
 * Sets of two more organizations, and other versions of sets in both lists. They are not in the benchmark, because they are
 * near-duplicates or incomplete.
 */
export const extraSets: readonly EmojiSet[] = [
  {
    id: 'emojione',
    name: '@iconify-json/emojione',
    version: '1.2.3',
    integrity:
      'sha512-T9+T3HIbJNLKKsmxYKlaYhvnHYkz/HNYTV7SHCXVZPfeUi4FqskY70YeN8yYAZT8cCv7w5vJxS4Q1m8zb9CMMg==',
    codepoints: 'names',
  },
  {
    id: 'fxemoji',
    name: '@iconify-json/fxemoji',
    version: '1.2.2',
    integrity:
      'sha512-UAasRaxzFUKfIGSmLwnoarsssA4LX0VLLuEmplIqM6ZNQqIQRtav8tZ4H1neTlBreXuMQyAifr5jP4kn78DpiQ==',
    codepoints: 'names',
  },
  {
    id: 'noto-v1',
    name: '@iconify-json/noto-v1',
    version: '1.2.5',
    integrity:
      'sha512-/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==',
    codepoints: { of: 'noto' },
  },
  {
    id: 'emojione-v1',
    name: '@iconify-json/emojione-v1',
    version: '1.2.3',
    integrity:
      'sha512-UjI2VQEXVtGlPBvQuxEizro7QCgBcJDOYwKUupquvvZ8UV4xOlvm45IU82JYWegiAWLerY79gFLMZ26U6Ms+ww==',
    codepoints: 'names',
  },
  {
    id: 'fluent-emoji',
    name: '@iconify-json/fluent-emoji',
    version: '1.2.7',
    integrity:
      'sha512-D8G6bKAyIsyxP1rzZtIWr/gg/fO4Rg1+DyCWlfqKK4h8W+4Em/Y0P6QYgJUQTlUcagzJvSyg+9OBv4hz4Hc/QA==',
    codepoints: { of: 'fluent-emoji-flat' },
  },
];
