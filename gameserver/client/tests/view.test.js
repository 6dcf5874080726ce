import assert from "node:assert/strict";
import { test } from "node:test";

import { ProtocolError } from "../protocol.js";
import { View, health, pose } from "../view.js";

const WELCOME = { tick: 100, ack: 0, position: { x: 0, y: 0 }, tickRate: 20 };
const NOTHING = { type: "update", ticks: 1, acked: 0, left: [], entered: [], moved: [], placed: [], changed: [], events: [] };
const creature = (id, more = {}) => ({ id, kind: 2, name: "", subtype: 0, look: 15, x: 0, y: 0, age: 0, vx: 0, vy: 0, ...more });

test("ranks are places in the view, sorted by id", () => {
  const view = new View(WELCOME);
  view.apply({ ...NOTHING, entered: [creature(5), creature(9), creature(2 ** 60 > 0 ? 2n ** 60n : 0)] });
  view.apply({ ...NOTHING, entered: [creature(7)], left: [{ rank: 1 }], changed: [{ rank: 1, look: 0x35 }] });
  assert.deepEqual(view.entities().map(({ id }) => String(id)), ["5", "7", String(2n ** 60n)]);
  assert.equal(pose(view.get(7)), 3);
  assert.equal(health(view.get(7)), 5 / 15);
});

test("shown positions follow the record that held at the tick", () => {
  const view = new View(WELCOME);
  // 16 * 62.5 mm/s is a metre a second: 50 mm a tick.
  view.apply({ ...NOTHING, entered: [creature(5, { x: 1000, vx: 16, vy: -16, age: 1 })] });
  const entity = view.get(5);
  assert.deepEqual(view.shown(entity, 101), { x: 1050, y: -50 });
  view.apply({ ...NOTHING, ticks: 4, moved: [{ rank: 0, dx: 10, dy: 20, vx: 0, vy: 0 }] });
  assert.deepEqual(view.shown(entity, 105), { x: 1260, y: -230 });
  assert.deepEqual(view.shown(entity, 200), { x: 1260, y: -230 });
  // The past is as it was seen then.
  assert.deepEqual(view.shown(entity, 102), { x: 1100, y: -100 });
  assert.deepEqual(view.between(entity, 102.5), { x: 1125, y: -125 });
});

test("odd velocities are rounded towards minus infinity, as the server does", () => {
  const view = new View(WELCOME);
  view.apply({ ...NOTHING, entered: [creature(5, { vx: 1, vy: -1 })] });
  assert.deepEqual(view.shown(view.get(5), 102), { x: 3, y: -4 });
});

test("a placed record replaces later ones", () => {
  const view = new View(WELCOME);
  view.apply({ ...NOTHING, entered: [creature(5)] });
  view.apply({ ...NOTHING, moved: [{ rank: 0, dx: 500, dy: 0, vx: 16, vy: 0 }] });
  view.apply({ ...NOTHING, placed: [{ rank: 0, x: 9000, y: 0, age: 2, vx: 16, vy: 0 }] });
  assert.equal(view.shown(view.get(5), 103).x, 9100);
});

test("updates that do not fit are refused", () => {
  for (const wrong of [
    { moved: [{ rank: 0, dx: 1, dy: 0, vx: 0, vy: 0 }] }, { left: [{ rank: 3 }] }, { changed: [{ rank: 1, look: 0 }] },
    { entered: [creature(1), creature(1)] }, { entered: Array.from({ length: 513 }, (_, i) => creature(i)) },
  ]) {
    const view = new View(WELCOME);
    assert.throws(() => view.apply({ ...NOTHING, ...wrong }), ProtocolError, JSON.stringify(wrong).slice(0, 80));
  }
});
