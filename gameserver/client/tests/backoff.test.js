import assert from "node:assert/strict";
import { test } from "node:test";

import { delay } from "../backoff.js";

const CHANCES = [0, 0.25, 0.5, 0.75, 0.999999];

/** What every rule for waiting must keep; `rule` is the delay under test. */
function check(rule) {
  for (let attempt = 0; attempt < 60; attempt++) {
    for (const chance of CHANCES) {
      const wait = rule(attempt, chance);
      assert.ok(Number.isInteger(wait), `${wait} is not whole`);
      assert.ok(wait >= 100, `attempt ${attempt} hammers the server: ${wait} ms`);
      assert.ok(wait <= 20_000, `attempt ${attempt} waits too long: ${wait} ms`);
    }
    const spread = rule(attempt, 0.999999) - rule(attempt, 0);
    assert.ok(spread >= rule(attempt, 0.5) / 2, `attempt ${attempt}: all clients come at once`);
  }
  assert.ok(rule(5, 0.5) > 4 * rule(0, 0.5), "it does not back off");
}

test("waits grow, are spread, and have an end", () => check(delay));

test("the rule finds wrong ways to wait", () => {
  const wrong = {
    constant: (_, chance) => Math.round(1000 * (0.25 + 0.75 * chance)),
    "no jitter": (attempt) => Math.min(20_000, 500 * 2 ** attempt),
    "no end": (attempt, chance) => Math.round(500 * 2 ** attempt * (0.25 + 0.75 * chance)),
    "from zero": (attempt, chance) => Math.round(Math.min(20_000, 500 * 2 ** attempt) * chance),
  };
  for (const [name, rule] of Object.entries(wrong)) {
    assert.throws(() => check(rule), assert.AssertionError, name);
  }
});
