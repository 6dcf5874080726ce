import assert from "node:assert/strict";
import { test } from "node:test";

import { step } from "../movement.js";
import { Prediction } from "../prediction.js";

const SPEED = 300;
/** Water in the middle, mire around it. */
const ground = (x, y) => {
  if (x < 0 || y < 0 || x >= 100_000 || y >= 100_000) return undefined;
  const away = Math.hypot(x - 50_000, y - 50_000);
  return away < 6_000 ? "Water" : away < 12_000 ? "Slow" : "Open";
};

/** Numbers that are the same in each run. */
function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 0x1_0000_0000;
  };
}

/** The server's part: applies inputs at their tick, or at the next one if they come late. */
class Server {
  tick = 0;
  position = { x: 40_000, y: 42_000 };
  direction = { x: 0, y: 0 };
  ack = 0;
  waiting = [];

  advance() {
    this.tick += 1;
    while (this.waiting.length > 0 && this.waiting[0].at <= this.tick) {
      const input = this.waiting.shift();
      this.direction = input.direction;
      this.ack = input.seq;
    }
    this.position = step(ground, this.position, this.direction, SPEED);
  }
}

/**
 * Plays against a server over a network that takes `up()` and `down()` ticks. Returns how often the
 * prediction was corrected, and how far it was from the server's truth at the end.
 */
function play({ seed, lead, up, down, ticks = 400, Predicts = Prediction }) {
  const chance = dice(seed);
  const server = new Server();
  const prediction = new Predicts(ground, 0, server.position, SPEED);
  const [toServer, toClient] = [[], []];
  const truth = [server.position];
  let seq = 0;
  let [lastUp, lastDown] = [0, 0];
  for (let now = 1; now <= ticks; now++) {
    while (prediction.tick < now + lead) {
      // In the first tick the prediction runs ahead, over ticks that no input can reach in time.
      if (now > 1 && chance() < 0.2) {
        const direction = { x: Math.floor(chance() * 255) - 127, y: Math.floor(chance() * 255) - 127 };
        const at = prediction.tick + 1;
        seq += 1;
        prediction.input(seq, at, direction);
        lastUp = Math.max(lastUp, now + up(chance));
        toServer.push({ arrives: lastUp, input: { seq, at, direction } });
      }
      prediction.advance();
    }
    while (toServer.length > 0 && toServer[0].arrives <= now) server.waiting.push(toServer.shift().input);
    server.advance();
    truth.push(server.position);
    lastDown = Math.max(lastDown, now + down(chance));
    toClient.push({ arrives: lastDown, tick: server.tick, position: server.position, ack: server.ack });
    while (toClient.length > 0 && toClient[0].arrives <= now) {
      const { tick, position, ack } = toClient.shift();
      prediction.reconcile(tick, position, ack);
    }
  }
  // Nothing more is said; the last words arrive.
  while (server.tick < prediction.tick) {
    while (toServer.length > 0 && toServer[0].arrives <= server.tick) server.waiting.push(toServer.shift().input);
    server.advance();
    toClient.push({ tick: server.tick, position: server.position, ack: server.ack });
  }
  for (const { tick, position, ack } of toClient) prediction.reconcile(tick, position, ack);
  const off = Math.hypot(prediction.position.x - server.position.x, prediction.position.y - server.position.y);
  return { corrections: prediction.corrections, off, moved: truth.at(-1).x !== truth[0].x };
}

test("inputs that arrive in time are never corrected, whatever the delay", () => {
  for (const delay of [0, 1, 4, 10, 19]) {
    for (let seed = 0; seed < 20; seed++) {
      const result = play({ seed, lead: delay + 1, up: () => delay, down: () => delay });
      assert.equal(result.corrections, 0, `delay ${delay}, seed ${seed}`);
      assert.equal(result.off, 0);
      assert.ok(result.moved);
    }
  }
});

test("inputs that come late are corrected, and it ends where the server is", () => {
  let corrected = 0;
  for (let seed = 0; seed < 50; seed++) {
    const jitter = (chance) => Math.floor(chance() * 9);
    const result = play({ seed, lead: 3, up: jitter, down: jitter });
    corrected += result.corrections;
    assert.equal(result.off, 0, `seed ${seed}`);
  }
  assert.ok(corrected > 0, "nothing was late: the test shows nothing");
});

test("the rule finds wrong ways to predict", () => {
  const wrong = {
    "believes itself": class extends Prediction {
      reconcile() {}
    },
    "takes the server's word for now": class extends Prediction {
      reconcile(_, position, ack) {
        super.reconcile(this.tick, position, ack);
      }
    },
    "does not play inputs again": class extends Prediction {
      input(seq, at, direction) {
        super.input(seq, at + 1, direction);
      }
    },
  };
  for (const [name, Predicts] of Object.entries(wrong)) {
    let caught = false;
    for (let seed = 0; seed < 20 && !caught; seed++) {
      const even = play({ seed, lead: 5, up: () => 4, down: () => 4, Predicts });
      const uneven = play({ seed, lead: 3, up: (chance) => Math.floor(chance() * 9), down: () => 2, Predicts });
      caught = even.corrections > 0 || even.off > 0 || uneven.off > 0;
    }
    assert.ok(caught, name);
  }
});

test("a correction is smoothed, a jump is not", () => {
  const prediction = new Prediction(ground, 0, { x: 20_000, y: 20_000 }, SPEED);
  for (let i = 0; i < 5; i++) prediction.advance();
  prediction.reconcile(3, { x: 20_500, y: 20_000 }, 0);
  assert.deepEqual(prediction.position, { x: 20_500, y: 20_000 });
  assert.equal(prediction.between(5).x, 20_000);
  prediction.settle(50);
  const shown = prediction.between(5).x;
  assert.ok(shown > 20_000 && shown < 20_500);
  for (let i = 0; i < 100; i++) prediction.settle(50);
  assert.ok(Math.abs(prediction.between(5).x - 20_500) < 1);
  prediction.reconcile(4, { x: 80_000, y: 80_000 }, 0);
  assert.deepEqual(prediction.between(5), { x: 80_000, y: 80_000 });
});

test("memory does not grow", () => {
  const prediction = new Prediction(ground, 0, { x: 20_000, y: 20_000 }, SPEED);
  for (let tick = 1; tick < 5_000; tick++) {
    prediction.input(tick, tick, { x: tick % 2 ? 127 : -127, y: 0 });
    prediction.advance();
    if (tick > 10) prediction.reconcile(tick - 10, { x: 20_000 + ((tick - 10) % 2 ? SPEED : 0), y: 20_000 }, tick - 10);
  }
  assert.equal(prediction.corrections, 0);
  assert.ok(JSON.stringify(prediction.between(4_995)).length < 100);
});
