import assert from "node:assert/strict";
import { test } from "node:test";

import { Session } from "../session.js";

const WELCOME = {
  type: "welcome", terrainHash: "0", tick: 1000, ack: 7, position: { x: 5_000, y: 5_000 }, tickRate: 20, entity: 9, resumed: true,
};
const UPDATE = { type: "update", ticks: 1, acked: 0, left: [], entered: [], moved: [], placed: [], changed: [], events: [] };

/** A session whose link is the test; time is in milliseconds. */
function begin() {
  const sent = [];
  const link = { send: (bytes) => sent.push([...bytes]) };
  const session = new Session(link, () => ({ ground: () => "Open" }));
  link.onMessage(WELCOME, 0);
  return { link, session, sent };
}

/** Moves that were sent: [seq, x, y]. */
const moves = (sent) => sent.filter(([type]) => type === 2).map((bytes) => [bytes[1], bytes.at(-2) << 24 >> 24, bytes.at(-1) << 24 >> 24]);

test("a direction from before this connection does not go on", () => {
  const { session, sent } = begin();
  session.run(200, 16);
  assert.deepEqual(moves(sent), [[8, 0, 0]]);
  session.run(400, 16);
  assert.equal(moves(sent).length, 1);
});

test("a Move is sent when the direction changes, above what the server has applied", () => {
  const { session, sent } = begin();
  session.steer = () => ({ x: 127, y: 0 });
  session.run(500, 16);
  assert.deepEqual(moves(sent), [[8, 127, 0]]);
  session.steer = () => ({ x: 0, y: -127 });
  session.run(600, 16);
  assert.deepEqual(moves(sent), [[8, 127, 0], [9, 0, -127]]);
});

test("outcomes go to who asked, others are told", () => {
  const { link, session } = begin();
  const heard = [];
  session.on("outcome", (outcome) => heard.push(outcome));
  session.act({ type: "respawn" });
  session.act({ type: "stop" }, (outcome) => heard.push(`own ${outcome}`));
  const done = (seq, outcome) => ({ type: "done", seq, outcome });
  link.onMessage({ ...UPDATE, events: [done(9, "Busy"), done(8, "NotDead"), done(8, "Ok")] }, 50);
  assert.deepEqual(heard, ["own Busy", "NotDead"]);
});

test("the dead do not walk", () => {
  const { link, session, sent } = begin();
  session.steer = () => ({ x: 127, y: 0 });
  session.run(200, 16);
  link.onMessage({ ...UPDATE, self: { vitals: { health: 0, maxHealth: 100, hunger: 9, thirst: 9, meter: 9 } } }, 250);
  session.run(400, 16);
  assert.deepEqual(moves(sent).at(-1).slice(1), [0, 0]);
});

test("a page that slept goes on from the server's word", () => {
  const { link, session } = begin();
  for (let i = 1; i <= 5; i++) link.onMessage(UPDATE, i * 50);
  session.run(250, 16);
  link.onMessage({ ...UPDATE, ticks: 2000, own: { dx: 9_000, dy: 0 } }, 100_250);
  session.run(100_260, 250);
  assert.ok(Math.abs(session.prediction.position.x - 14_000) < 400);
  assert.ok(session.prediction.tick >= 3005);
});
