// Chance that is the same each time: the picture of a place does not depend on when it is drawn.

/** 32 bits from three numbers. */
export function hash(a, b, c = 0) {
  let h = Math.imul(a | 0, 0x9e3779b1) ^ Math.imul(b | 0, 0x85ebca77) ^ Math.imul(c | 0, 0xc2b2ae3d);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) >>> 0;
}

/** 0 to 1. */
export function chance(a, b, c = 0) {
  return hash(a, b, c) / 0x1_0000_0000;
}

const SIDE = 256;
const table = new Float32Array(SIDE * SIDE);
for (let i = 0; i < table.length; i++) table[i] = chance(i, 77);

/** Rough noise: the table's value at whole numbers. */
export function rough(x, y) {
  return table[((y & 255) << 8) | (x & 255)];
}

/** Smooth noise, 0 to 1, with a cell's side of 1. */
export function smooth(x, y) {
  const [ix, iy] = [Math.floor(x), Math.floor(y)];
  let [fx, fy] = [x - ix, y - iy];
  fx = fx * fx * (3 - 2 * fx);
  fy = fy * fy * (3 - 2 * fy);
  const low = rough(ix, iy) + (rough(ix + 1, iy) - rough(ix, iy)) * fx;
  const high = rough(ix, iy + 1) + (rough(ix + 1, iy + 1) - rough(ix, iy + 1)) * fx;
  return low + (high - low) * fy;
}
