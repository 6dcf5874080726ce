// How bodies move: the server's kernel (gameserver/sim/src/movement.rs) in the same integers, so that
// the own body can be shown where the server will put it. Both are held to vectors/movement.json.

/** Grounds of biomes; what the kernel asks of a place. */
export const Ground = Object.freeze({ Open: "Open", Slow: "Slow", Water: "Water", Rock: "Rock" });

/** A Direction of this length means full speed. */
const FULL_SPEED = 127;

/** A body can stand on it. Outside the world (undefined) none can. */
export function isPassable(ground) {
  return ground === Ground.Open || ground === Ground.Slow;
}

/**
 * The way of one tick along `direction`, in millimetres, never longer than `speed`.
 * @returns {[number, number]}
 */
export function velocity(direction, speed) {
  const { x, y } = direction;
  const squared = x * x + y * y;
  let length = FULL_SPEED;
  if (squared > FULL_SPEED * FULL_SPEED) {
    // Rounded up, so that the way is rounded down. Exact: squared is at most 2 * 128 * 128.
    length = Math.ceil(Math.sqrt(squared));
  }
  // Towards zero, and no negative zero.
  return [Math.trunc((x * speed) / length) + 0, Math.trunc((y * speed) / length) + 0];
}

/**
 * Where a body is one tick later. `speed` is the longest way of a tick on open ground. A body that is
 * stopped by the ground or by the world's edge slides along it.
 * @param {(x: number, y: number) => string | undefined} ground
 */
export function step(ground, from, direction, speed) {
  if (direction.x === 0 && direction.y === 0) return from;
  const slow = ground(from.x, from.y) === Ground.Slow;
  const [x, y] = velocity(direction, slow ? Math.trunc(speed / 2) : speed);
  for (const [dx, dy] of [[x, y], [x, 0], [0, y]]) {
    if (dx === 0 && dy === 0) continue;
    if (isPassable(ground(from.x + dx, from.y + dy))) return { x: from.x + dx, y: from.y + dy };
  }
  return from;
}
