// The codec against vectors that the server's own codec has written.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Reader, Writer } from "../bytes.js";
import { applySelf, emptyOwn } from "../own.js";
import { Place, ProtocolError, decode, encode } from "../protocol.js";
import { View, along } from "../view.js";

const vectors = JSON.parse(readFileSync(new URL("../vectors/protocol.json", import.meta.url)));
const KINDS = ["", "Player", "Creature", "Resource", "Station", "Loot"];
const TRADES = ["", "asked", "askedByPartner", "open"];

const hex = (bytes) => Buffer.from(bytes).toString("hex").replace(/..(?=.)/g, "$& ");
const bytes = (text) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex")).buffer;
/** 64-bit ids are texts in JSON. */
const number = (text) => (BigInt(text) <= Number.MAX_SAFE_INTEGER ? Number(text) : BigInt(text));

function encodeJson(json) {
  switch (json.type) {
    case "hello": return encode.hello({ ...json, token: json.resume });
    case "move": return encode.move({ at: 0, ...json });
    case "ping": return encode.ping(json.nonce);
    case "leave": return encode.leave();
    case "ask": return encode.askStatistics();
    case "act": {
      const action = { ...json.action };
      if (action.target) action.target = number(action.target);
      if (action.place) action.place = Place.indexOf(action.place);
      return encode.act({ at: 0, view: 0, ...json, action });
    }
    default: throw new Error(`no ${json.type}`);
  }
}

test("what this client sends is what the server reads", () => {
  assert.ok(vectors.client.length > 20);
  for (const { name, hex: expected, json } of vectors.client) {
    assert.equal(hex(encodeJson(json)), expected, name);
  }
});

test("what the server sends is what this client reads", () => {
  for (const { name, hex: sent, json } of vectors.server) {
    const message = decode(bytes(sent));
    for (const [key, value] of Object.entries(json)) {
      const own = { sizeMetres: "size", tickRateHz: "tickRate", resumeToken: "token" }[key] ?? key;
      const expected = key === "entity" ? number(value) : value;
      assert.deepEqual(message[own], expected, `${name}: ${key}`);
    }
  }
});

/** The view as the vectors have it. */
function describe(view, own) {
  return {
    tick: view.tick,
    ack: view.ack,
    position: view.position,
    entities: view.entities().map((entity) => ({
      id: String(entity.id), kind: KINDS[entity.kind], look: entity.look,
      ...(entity.kind === 1 ? { name: entity.name } : {}),
      ...(entity.kind >= 2 && entity.kind <= 4 ? { type: entity.subtype } : {}),
      shown: view.shown(entity, view.tick), shownIn10: view.shown(entity, view.tick + 10),
    })),
    own,
  };
}

function expectedOwn(self) {
  const own = emptyOwn();
  if (self.vitals) own.vitals = self.vitals;
  for (const { slot, item, count } of self.slots ?? []) own.slots[slot] = { item, count };
  if (self.equipment) own.equipment = self.equipment.map((item) => item ?? 0);
  if (self.progress) {
    own.progress = { ...self.progress.character, skills: self.progress.skills };
  }
  return own;
}

test("a session's updates lead to the same view", () => {
  const { json } = vectors.server[0];
  const view = new View({ tick: json.tick, ack: json.ack, position: json.position, tickRate: json.tickRateHz });
  let own = emptyOwn();
  const events = [];
  for (const { name, hex: sent, json: update, view: expected } of vectors.session) {
    const message = decode(bytes(sent));
    assert.equal(message.type, "update");
    view.apply(message);
    if (message.self) own = applySelf(own, message.self);
    assert.equal(view.tick, update.tick, name);
    const seen = describe(view, own);
    assert.deepEqual(seen.position, expected.position, name);
    assert.equal(seen.ack, expected.ack, name);
    const wanted = expected.entities.map(({ id, kind, look, name: called, type, shown, shownIn10 }) => ({
      id, kind, look, ...(kind === "Player" ? { name: called } : {}), ...(type === undefined ? {} : { type }), shown, shownIn10,
    }));
    assert.deepEqual(seen.entities, wanted, name);
    const told = expectedOwn(expected.self);
    for (const part of ["vitals", "slots", "equipment", "progress"]) assert.deepEqual(own[part], told[part], `${name}: ${part}`);
    const { activity, trade } = expected.self;
    assert.equal(own.activity.kind, activity ? { Gather: 1, Craft: 2 }[activity.kind] : 0, `${name}: activity`);
    if (activity) assert.equal(own.activity.total, activity.total ?? activity.ticksTotal, `${name}: activity`);
    assert.equal(own.trade.state === 0, !trade, `${name}: trade`);
    if (trade) {
      assert.equal(String(own.trade.partner), trade.partner, `${name}: trade`);
      assert.deepEqual(own.trade.mine, trade.mine ?? [], `${name}: trade`);
      assert.deepEqual(own.trade.theirs, trade.theirs ?? [], `${name}: trade`);
      assert.deepEqual([own.trade.iAccepted, own.trade.theyAccepted], [trade.iAccepted, trade.theyAccepted]);
      assert.equal(TRADES[own.trade.state].toLowerCase(), trade.stage.toLowerCase(), `${name}: trade`);
    }
    assert.equal(message.events.length, (update.events ?? []).length, `${name}: events`);
    message.events.forEach((event, i) => checkEvent(event, update.events[i], name));
    events.push(...message.events.map(({ type }) => type));
  }
  assert.deepEqual([...new Set(events)].sort(),
    ["died", "done", "gained", "levelled", "said", "statistics", "struck", "traded"]);
});

function checkEvent(event, json, name) {
  const flat = event.type === "statistics" ? { type: event.type, ...event.statistics } : event;
  for (const [key, value] of Object.entries(json)) {
    const id = ["speaker", "attacker", "target", "by", "with"].includes(key);
    assert.deepEqual(flat[key], id ? number(value) : value, `${name}: ${json.type}.${key}`);
  }
}

test("what is not a message is refused", () => {
  assert.ok(vectors.refused.length > 10);
  for (const { name, hex: sent } of vectors.refused) {
    const view = new View({ tick: 1000, ack: 0, position: { x: 0, y: 0 }, tickRate: 20 });
    assert.throws(() => view.apply(decode(bytes(sent))), ProtocolError, name);
  }
});

test("motion records are shown where the server shows them", () => {
  for (const { position, velocity, since, tick, tickRateHz, shown } of vectors.motion) {
    const record = { tick: since, x: position.x, y: position.y, vx: velocity.x, vy: velocity.y };
    assert.deepEqual(along(record, tick, tickRateHz), shown);
  }
});

test("no bytes make the decoder do anything but decode or refuse", () => {
  const sound = [...vectors.server, ...vectors.session].map(({ hex: sent }) => new Uint8Array(bytes(sent)));
  let state = 7;
  const dice = (most) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % most;
  };
  let decoded = 0;
  for (let i = 0; i < 20_000; i++) {
    const message = sound[dice(sound.length)].slice();
    for (let change = dice(4); change >= 0; change--) message[dice(message.length)] = dice(256);
    const cut = message.slice(0, dice(8) === 0 ? dice(message.length + 1) : message.length);
    try {
      decode(cut.buffer);
      decoded += 1;
    } catch (error) {
      assert.ok(error instanceof ProtocolError, error.stack);
    }
  }
  assert.ok(decoded > 100);
});

test("numbers come back as they went", () => {
  for (const value of [0, 1, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 49, 2 ** 53 - 1, 2n ** 53n, 2n ** 64n - 1n]) {
    const written = new Writer().varint(value).finish();
    assert.equal(new Reader(written.buffer).varint(), value, String(value));
  }
  for (const wrong of ["80 00", "ff ff ff ff ff ff ff ff ff 02", "ff ff ff ff ff ff ff ff ff ff 01", "80 80 80 80 80 80 80 80 00"]) {
    assert.throws(() => new Reader(bytes(wrong)).varint(), ProtocolError, wrong);
  }
});
