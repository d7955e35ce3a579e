// Generated from native/bind/row_call.h by `npm run ops`: edit that file instead.

/** The indices of a row-wise call's numeric arguments in the array that passes them. */
export const rowCall = {
  op: 0,
  guards: 1,
  c: 2,
  parameter: 3,
  rows: 4,
  xRows: 5,
  xCols: 6,
  yRows: 7,
  yCols: 8,
  uRows: 9,
  uCols: 10,
  resultRows: 11,
  resultCols: 12,
  device: 13,
  threads: 14,
  job: 15,
  elementBytes: 16,
  gradC: 17,
  gradParameter: 18,
} as const;

/** The length of the array of numeric arguments in calls that pass matrices as arguments. */
export const rowNumbers: number = rowCall.job + 1;

/** The index of a short call's first element in the core's call buffer. */
export const shortData = 20;
