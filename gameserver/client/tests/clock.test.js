import assert from "node:assert/strict";
import { test } from "node:test";

import { Clock } from "../clock.js";

/** Updates every 50 ms that take `delay(i)` ms; returns the clock and what it showed a frame at a time. */
function play(delay, { seconds = 20, rtt = 0, pace = 1 } = {}) {
  const clock = new Clock({ tick: 1000, tickRate: 20 }, 0);
  if (rtt > 0) clock.roundTrip(rtt);
  if (pace !== 1) clock.dilated(pace * 100);
  const arrivals = [];
  let last = 0;
  for (let i = 1; i < seconds * 20 * pace; i++) {
    last = Math.max(last, (i * 50) / pace + delay(i));
    arrivals.push({ at: last, tick: 1000 + i });
  }
  const frames = [];
  for (let now = 0; now < seconds * 1000; now += 16) {
    while (arrivals.length > 0 && arrivals[0].at <= now) {
      const { at, tick } = arrivals.shift();
      clock.arrived(tick, at);
      frames.newest = tick;
    }
    clock.run(now);
    frames.push({ now, shown: clock.shown, told: clock.told, newest: frames.newest ?? 1000 });
  }
  return { clock, frames };
}

const noise = (most) => (i) => (Math.imul(i, 0x9e3779b1) >>> 16) % most;

test("what is shown has arrived", () => {
  for (const delay of [() => 0, () => 300, noise(40), noise(150)]) {
    const { frames } = play(delay);
    const settled = frames.slice(frames.length / 4);
    const starved = settled.filter(({ shown, newest }) => shown > newest).length;
    assert.ok(starved / settled.length < 0.05, `${starved} of ${settled.length} frames have no update to show`);
  }
});

test("time runs evenly and never backwards once it has settled", () => {
  const { frames } = play(noise(60));
  const settled = frames.slice(frames.length / 4);
  for (let i = 1; i < settled.length; i++) {
    const ticks = settled[i].told - settled[i - 1].told;
    assert.ok(ticks > 0.1 && ticks < 0.7, `${ticks} ticks in a frame`);
  }
});

test("a slower world is followed", () => {
  const { frames } = play(() => 20, { pace: 0.5 });
  const { told, newest } = frames.at(-1);
  assert.ok(Math.abs(told - newest) < 2, `${told} where ${newest} was told`);
});

test("inputs are decided further ahead the longer their way is, at most a second", () => {
  const ahead = (rtt) => {
    const { clock } = play(() => 0, { rtt });
    return clock.ahead - clock.told;
  };
  assert.ok(ahead(0) < 4);
  assert.ok(ahead(200) > ahead(20) + 3);
  assert.equal(ahead(5000), 20);
});

test("after a long sleep time jumps", () => {
  const clock = new Clock({ tick: 1000, tickRate: 20 }, 0);
  clock.arrived(1001, 50);
  clock.arrived(5000, 60_000);
  clock.run(60_001);
  assert.ok(Math.abs(clock.told - 5000) < 2);
});
