import assert from "node:assert/strict";
import { test } from "node:test";

import { wrap } from "../render/labels.js";
import { chatText, playerName } from "../texts.js";

test("names and words come out as the server takes them", () => {
  for (const [typed, sent] of [
    ["Ada", "Ada"], ["  Ada Lovelace ", "Ada Lovelace"], ["花子", "花子"], ["", ""], ["\u200b\u202e", ""],
    ["a\u0000b\u001bc", "abc"], ["a\tb", "a b"], ["\u00a0Ada\u3000", "Ada"], ["x".repeat(50), "x".repeat(32)],
    ["é".repeat(40), "é".repeat(32)], ["🜁".repeat(40), "🜁".repeat(16)], ["A\ud800B", "AB"],
  ]) {
    assert.equal(playerName(typed), sent, JSON.stringify(typed));
  }
  assert.equal(chatText("<b>hi</b>"), "<b>hi</b>");
  assert.equal([...chatText("y".repeat(500))].length, 200);
  assert.ok(new TextEncoder().encode(chatText("🜁".repeat(300))).length <= 400);
});

test("bubbles are bounded", () => {
  assert.deepEqual(wrap("hello there"), ["hello there"]);
  for (const text of ["w".repeat(200), "a b ".repeat(50), "日本".repeat(100)]) {
    const lines = wrap(text);
    assert.ok(lines.length <= 4);
    assert.ok(lines.every((line) => line.length <= 34), lines.join("|"));
  }
});
