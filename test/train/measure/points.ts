/** Unit vectors in the plane, by angle in degrees. */
export function circle(angles: readonly number[]): Float32Array {
  const radians = angles.map((angle) => (angle * Math.PI) / 180);
  return Float32Array.from(radians.flatMap((angle) => [Math.cos(angle), Math.sin(angle)]));
}
