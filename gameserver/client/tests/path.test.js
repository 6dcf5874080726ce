import assert from "node:assert/strict";
import { test } from "node:test";

import { isPassable } from "../movement.js";
import { findPath, isClear } from "../path.js";

/** A map of tiles of 4 m, north up: `#` rock, `.` open, `~` slow. */
function land(...rows) {
  return (x, y) => {
    const [column, row] = [Math.floor(x / 4000), rows.length - 1 - Math.floor(y / 4000)];
    return { "#": "Rock", ".": "Open", "~": "Slow" }[rows[row]?.[column]];
  };
}

const at = (x, y) => ({ x: x * 4000 + 2000, y: y * 4000 + 2000 });

test("goes around what is in the way", () => {
  const ground = land(".....", ".###.", ".....");
  const path = findPath(ground, at(2, 0), at(2, 2));
  assert.deepEqual(path.at(-1), at(2, 2));
  let from = at(2, 0);
  for (const to of path) {
    assert.ok(isClear(ground, from, to), JSON.stringify([from, to]));
    from = to;
  }
});

test("goes straight where it can", () => {
  const ground = land(".....", ".....");
  assert.deepEqual(findPath(ground, at(0, 0), at(4, 1)), [at(4, 1)]);
});

test("goes as near as it gets to what cannot be reached", () => {
  const ground = land("....#.", "....#.", "....#.");
  const path = findPath(ground, at(0, 1), at(5, 1));
  assert.deepEqual(path.at(-1), at(3, 1));
});

test("looks at no more than so much, however far it is", () => {
  let looks = 0;
  const ground = (x, y) => {
    looks += 1;
    return Math.floor(x / 4000) % 2 && y > 3e6 ? "Rock" : "Open";
  };
  const path = findPath(ground, { x: 0, y: 3_100_000 }, { x: 90_000_000, y: 3_100_000 });
  assert.ok(looks < 400_000, `${looks} looks`);
  assert.ok(path.slice(0, -1).every(({ x, y }) => isPassable(ground(x, y))));
});
