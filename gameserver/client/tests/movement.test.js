// The movement kernel against vectors that the simulation has written.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { step, velocity } from "../movement.js";

const vectors = JSON.parse(readFileSync(new URL("../vectors/movement.json", import.meta.url)));
const GROUNDS = { ".": "Open", "~": "Slow", w: "Water", "#": "Rock" };

/** The map's rows begin in the south. */
const ground = (x, y) => GROUNDS[vectors.map[Math.floor(y / vectors.tile)]?.[Math.floor(x / vectors.tile)]];

/** All of the vectors against a kernel. */
function check(kernel) {
  for (const [x, y, speed, dx, dy] of vectors.velocities) {
    assert.deepEqual(kernel.velocity({ x, y }, speed), [dx, dy], `${x} ${y} ${speed}`);
  }
  for (const [x, y, dx, dy, speed, toX, toY] of vectors.steps) {
    assert.deepEqual(kernel.step(ground, { x, y }, { x: dx, y: dy }, speed), { x: toX, y: toY }, `${x} ${y} ${dx} ${dy}`);
  }
  for (const { from, speed, turns, to } of vectors.walks) {
    let place = { x: from[0], y: from[1] };
    for (const [x, y, ticks] of turns) {
      for (let i = 0; i < ticks; i++) place = kernel.step(ground, place, { x, y }, speed);
    }
    assert.deepEqual([place.x, place.y], to);
  }
}

test("bodies move as in the simulation", () => check({ velocity, step }));

test("the vectors find wrong kernels", () => {
  const wrong = {
    "rounds down": { velocity: ({ x, y }, speed) => {
      const length = Math.max(127, Math.ceil(Math.hypot(x, y)));
      return [Math.floor((x * speed) / length), Math.floor((y * speed) / length)];
    }, step },
    "rounds the length down": { velocity: ({ x, y }, speed) => {
      const length = Math.max(127, Math.floor(Math.hypot(x, y)));
      return [Math.trunc((x * speed) / length) + 0, Math.trunc((y * speed) / length) + 0];
    }, step },
    "does not slide": { velocity, step: (over, from, direction, speed) => {
      const slow = over(from.x, from.y) === "Slow";
      const [x, y] = velocity(direction, slow ? Math.trunc(speed / 2) : speed);
      const open = ["Open", "Slow"].includes(over(from.x + x, from.y + y));
      return open ? { x: from.x + x, y: from.y + y } : from;
    } },
    "is never slow": { velocity, step: (over, from, direction, speed) =>
      step((x, y) => (over(x, y) === "Slow" ? "Open" : over(x, y)), from, direction, speed) },
    "walks on water": { velocity, step: (over, from, direction, speed) =>
      step((x, y) => (over(x, y) === "Water" ? "Open" : over(x, y)), from, direction, speed) },
  };
  for (const [name, kernel] of Object.entries(wrong)) {
    assert.throws(() => check(kernel), assert.AssertionError, name);
  }
});
