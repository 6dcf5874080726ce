// How long to wait before the next attempt to connect.

const FIRST_MS = 500;
const MOST_MS = 20_000;
/** Connected for so long, an attempt has succeeded and the next break starts anew. */
export const STABLE_MS = 5_000;

/**
 * Exponential with full jitter above a floor: when a server comes back, its thousand players do not
 * all come at once.
 * @param {number} attempt failures in a row before this one, from 0
 * @param {number} chance 0 to 1
 * @returns {number} milliseconds, at least a quarter of the ceiling and at most the ceiling
 */
export function delay(attempt, chance) {
  const ceiling = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.round(ceiling * (0.25 + 0.75 * chance));
}
