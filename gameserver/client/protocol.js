// Messages of the player protocol, version 2, in its binary format: PROTOCOL.md. Both directions are
// held to vectors/protocol.json. A message is decoded whole or refused; nothing here keeps state.

import { ProtocolError, Reader, Writer, plus } from "./bytes.js";
import { isAcceptable } from "./texts.js";

export { ProtocolError };

export const VERSION = 2;
/** Bounds of what a server may send; more is a fault, found before anything is made that large. */
export const MOST_ENTITIES = 512;
const MOST_EVENTS = 64;
const MOST_SLOTS = 24;
const MOST_OFFERS = 8;
const MOST_TEXT = 400;
/** A token is 1 to 512 bytes. */
const MOST_TOKEN = 512;

export const Genre = Object.freeze(["", "Fantasy", "SciFi", "Horror", "Cyberpunk", "PostApoc"]);
export const Kind = Object.freeze({ Player: 1, Creature: 2, Resource: 3, Station: 4, Loot: 5 });
export const Pose = Object.freeze({
  None: 0, Gathering: 1, Crafting: 2, Fighting: 3, Trading: 4, Dead: 5, Absent: 6, Depleted: 7,
});
export const Place = Object.freeze(["Hand", "Head", "Body", "Trinket"]);
export const Skill = Object.freeze([
  "Gathering", "Crafting", "Fighting", "Trading", "Surviving", "Lore",
]);
/** Outcomes of an Act, by number. */
export const Outcome = Object.freeze([
  "Ok", "NoSuchTarget", "TooFar", "NotNow", "Dead", "Busy", "NoRoom", "MissingItems", "WrongTool",
  "NeedsStation", "SkillTooLow", "Depleted", "EmptySlot", "NotUsable", "NotAllowed", "TradeChanged",
  "NoTrade", "BadText", "Exhausted", "NotDead",
]);
export const Gain = Object.freeze(["", "Gather", "Craft", "Loot", "Trade", "Take"]);
export const DeathCause = Object.freeze(["", "Creature", "Player", "Hunger", "Thirst", "Mechanic"]);
export const Statistic = Object.freeze([
  "kills", "deaths", "gathered", "crafted", "trades", "distanceMetres", "struck", "ticksPlayed",
]);
export const TradeState = Object.freeze({ None: 0, Asked: 1, AskedByThem: 2, Open: 3 });
export const Notice = Object.freeze(["", "JoinsStopped", "JoinsOpen", "Closing"]);
const Refusal = Object.freeze([
  "", "VersionUnsupported", "WrongWorld", "WrongEpoch", "WorldFull", "JoinsStopped", "Closing",
  "ResumeInvalid", "Malformed", "MessageTooLarge", "HelloTimeout", "FormatUnavailable", "Overloaded",
]);
const Kick = Object.freeze([
  "", "Closing", "Malformed", "MessageTooLarge", "TooManyMessages", "TooSlow", "Silent", "Superseded",
]);

/** Numbers of actions in an Act, and how their fields are written. */
const ACTIONS = Object.freeze({
  gather: [1, (w, a) => w.varint(a.target)],
  attack: [2, (w, a) => w.varint(a.target)],
  craft: [3, (w, a) => w.varint(a.recipe)],
  use: [4, (w, a) => w.u8(a.slot)],
  equip: [5, (w, a) => w.u8(a.slot)],
  unequip: [6, (w, a) => w.u8(a.place)],
  drop: [7, (w, a) => w.u8(a.slot).varint(a.count)],
  take: [8, (w, a) => w.varint(a.target)],
  interact: [9, (w, a) => w.varint(a.target)],
  say: [10, (w, a) => w.text(a.text)],
  tradeAsk: [11, (w, a) => w.varint(a.target)],
  tradeOffer: [12, (w, a) => {
    w.varint(a.offer.length);
    for (const { slot, count } of a.offer) w.u8(slot).varint(count);
  }],
  tradeAccept: [13, (w, a) => w.varint(a.revision)],
  tradeCancel: [14, () => {}],
  respawn: [15, () => {}],
  stop: [16, () => {}],
});

/** Messages from client to server, as bytes. */
export const encode = Object.freeze({
  hello({ world = "", epoch = 0, name, token = "" }) {
    return new Writer().u8(1).varint(VERSION).text(world).varint(epoch).text(name).text(token).finish();
  },
  /** @param {{seq: number, at: number, direction: {x: number, y: number}}} input */
  move({ seq, at, direction }) {
    return new Writer().u8(2).varint(seq).varint(at).i8(direction.x).i8(direction.y).finish();
  },
  ping(nonce) {
    return new Writer().u8(3).varint(nonce).finish();
  },
  leave() {
    return Uint8Array.of(4);
  },
  /** @param {{seq: number, at: number, view: number, action: {type: string}}} act */
  act({ seq, at, view, action }) {
    const [number, fields] = ACTIONS[action.type];
    const writer = new Writer().u8(5).varint(seq).varint(at).varint(view).u8(number);
    fields(writer, action);
    return writer.finish();
  },
  askStatistics() {
    return Uint8Array.of(6, 1);
  },
});

/**
 * One message of the server.
 * @param {ArrayBuffer} buffer
 * @throws {ProtocolError}
 */
export function decode(buffer) {
  const reader = new Reader(buffer);
  const type = reader.u8();
  const message = type >= 0x80 ? update(reader, type & 0x7f) : other(reader, type);
  reader.end();
  return message;
}

function other(reader, type) {
  switch (type) {
    case 0x41: return welcome(reader);
    case 0x42: return ending(reader, "refused", Refusal);
    case 0x43: return {
      type: "notice", kind: named(Notice, reader.u8(), "notice"), seconds: reader.varint(),
    };
    case 0x44: return {
      type: "pong", nonce: reader.varint(), players: reader.varint(), load: reader.u8(), dilation: reader.u8(),
    };
    case 0x45: return ending(reader, "kicked", Kick);
    default: throw new ProtocolError(`no message of type ${type}`);
  }
}

function ending(reader, type, reasons) {
  return { type, reason: named(reasons, reader.u8(), "reason"), message: reader.text(256) };
}

function welcome(reader) {
  const version = reader.varint();
  if (version !== VERSION) throw new ProtocolError(`version ${version} is not spoken here`);
  return {
    type: "welcome",
    version,
    world: reader.text(317),
    epoch: reader.varint(),
    seed: reader.varint(),
    genre: named(Genre, reader.u8(), "genre"),
    terrainHash: hex(reader.u64()),
    contentHash: hex(reader.u64()),
    size: reader.varint(),
    tickRate: reader.u8(),
    tick: reader.varint(),
    entity: reader.varint(),
    position: { x: reader.zigzag(), y: reader.zigzag() },
    resumed: reader.bool(),
    ack: reader.varint(),
    token: reader.text(MOST_TOKEN),
    resumeSeconds: reader.varint(),
  };
}

function hex(value) {
  return value.toString(16).padStart(16, "0");
}

function named(names, number, what) {
  const name = names[number];
  if (!name) throw new ProtocolError(`no ${what} ${number}`);
  return name;
}

/** What one Update holds; absent parts are undefined or empty. Ranks are resolved by the View. */
function update(reader, flags) {
  const more = flags & 0x40 ? reader.u8() : 0;
  if (flags & 0x40 && (more === 0 || more > 0x0f)) throw new ProtocolError("flags");
  const message = { type: "update" };
  // What a part's absence says, the part does not say.
  message.ticks = flags & 0x01 ? otherThan(1, reader.varint(), "ticks") : 1;
  message.acked = flags & 0x02 ? otherThan(0, reader.varint(), "ack") : 0;
  message.own = flags & 0x04 ? { dx: reader.zigzag(), dy: reader.zigzag() } : undefined;
  if (message.own?.dx === 0 && message.own.dy === 0) throw new ProtocolError("own position unchanged");
  message.left = flags & 0x08 ? ranked(reader, () => ({})) : [];
  message.entered = flags & 0x10 ? entered(reader) : [];
  message.moved = flags & 0x20
    ? ranked(reader, () => ({ dx: reader.zigzag(), dy: reader.zigzag(), vx: reader.i8(), vy: reader.i8() }))
    : [];
  message.placed = more & 0x01
    ? ranked(reader, () => ({
      x: reader.zigzag(), y: reader.zigzag(), age: reader.varint(), vx: reader.i8(), vy: reader.i8(),
    }))
    : [];
  message.changed = more & 0x02 ? ranked(reader, () => ({ look: reader.u8() })) : [];
  message.self = more & 0x04 ? self(reader) : undefined;
  message.events = more & 0x08 ? list(reader, MOST_EVENTS, "events", event) : [];
  return message;
}

function otherThan(absent, value, what) {
  if (value === absent) throw new ProtocolError(`${what} out of range`);
  return value;
}

function list(reader, most, what, item, least = 1) {
  const count = reader.bounded(most, what);
  if (count < least) throw new ProtocolError(`${what} out of range`);
  const items = [];
  for (let i = 0; i < count; i++) items.push(item(reader));
  return items;
}

/** A list whose entries begin with a rank, written as the gap to the one before. */
function ranked(reader, fields) {
  let last = -1;
  return list(reader, MOST_ENTITIES, "ranks", () => {
    const rank = last + 1 + reader.bounded(MOST_ENTITIES, "rank");
    last = rank;
    return { rank, ...fields() };
  });
}

function entered(reader) {
  let last = -1;
  return list(reader, MOST_ENTITIES, "entered", () => {
    const id = plus(plus(last, 1), reader.varint());
    last = id;
    const kind = reader.u8();
    if (kind < Kind.Player || kind > Kind.Loot) throw new ProtocolError(`no kind ${kind}`);
    const entity = { id, kind, name: "", subtype: 0 };
    if (kind === Kind.Player) entity.name = playerName(reader);
    if (kind >= Kind.Creature && kind <= Kind.Station) entity.subtype = reader.u8();
    entity.look = reader.u8();
    entity.x = reader.zigzag();
    entity.y = reader.zigzag();
    const moves = kind <= Kind.Creature;
    entity.age = moves ? reader.varint() : 0;
    entity.vx = moves ? reader.i8() : 0;
    entity.vy = moves ? reader.i8() : 0;
    return entity;
  });
}

/** Names and what is said are shown beside each other: none may rewrite the line that shows it. */
function playerName(reader) {
  const name = reader.text(64);
  if (!isAcceptable(name)) throw new ProtocolError("not a name");
  return name;
}

function self(reader) {
  const flags = reader.u8();
  if (flags === 0 || flags > 0x3f) throw new ProtocolError("flags of self");
  const part = {};
  if (flags & 0x01) {
    part.vitals = {
      health: reader.varint(), maxHealth: reader.varint(),
      hunger: meter(reader), thirst: meter(reader), meter: meter(reader),
    };
  }
  if (flags & 0x02) {
    part.slots = list(reader, MOST_SLOTS, "slots", () => {
      const slot = reader.u8();
      if (slot >= MOST_SLOTS) throw new ProtocolError(`no slot ${slot}`);
      const item = reader.varint();
      return { slot, item, count: reader.varint() };
    });
  }
  if (flags & 0x04) part.equipment = Place.map(() => reader.varint());
  if (flags & 0x08) {
    part.progress = {
      level: reader.u8(), experience: reader.varint(),
      skills: Skill.map(() => ({ level: reader.u8(), experience: reader.varint() })),
    };
  }
  if (flags & 0x10) {
    const kind = reader.u8();
    if (kind > 2) throw new ProtocolError(`no activity ${kind}`);
    part.activity = kind === 0
      ? { kind, left: 0, total: 0 }
      : { kind, left: reader.varint(), total: reader.varint() };
  }
  if (flags & 0x20) part.trade = trade(reader);
  return part;
}

function meter(reader) {
  const value = reader.u8();
  if (value > 100) throw new ProtocolError("meter out of range");
  return value;
}

function trade(reader) {
  const state = reader.u8();
  if (state > TradeState.Open) throw new ProtocolError(`no trade state ${state}`);
  if (state === TradeState.None) {
    return { state, partner: 0, revision: 0, mine: [], theirs: [], iAccepted: false, theyAccepted: false };
  }
  const partner = reader.varint();
  const revision = reader.varint();
  const side = () => list(reader, MOST_OFFERS, "offers", () => ({
    item: reader.varint(), count: reader.varint(),
  }), 0);
  const mine = side();
  const theirs = side();
  const flags = reader.u8();
  return {
    state, partner, revision, mine, theirs,
    iAccepted: (flags & 1) !== 0, theyAccepted: (flags & 2) !== 0,
  };
}

function said(reader) {
  const text = reader.text(MOST_TEXT);
  if (!isAcceptable(text)) throw new ProtocolError("not a text");
  return text;
}

function event(reader) {
  const type = reader.u8();
  switch (type) {
    case 1: return { type: "done", seq: reader.varint(), outcome: named(Outcome, reader.u8(), "outcome") };
    case 2: return {
      type: "said", speaker: reader.varint(), name: playerName(reader), text: said(reader),
    };
    case 3: return {
      type: "struck", attacker: reader.varint(), target: reader.varint(),
      damage: reader.varint(), killed: reader.bool(),
    };
    case 4: return {
      type: "gained", item: reader.varint(), count: reader.varint(), how: named(Gain, reader.u8(), "gain"),
    };
    case 5: {
      const skill = reader.u8();
      return { type: "levelled", skill: skill === 0 ? undefined : named(Skill, skill - 1, "skill"), level: reader.u8() };
    }
    case 6: return { type: "died", cause: named(DeathCause, reader.u8(), "cause"), by: reader.varint() };
    case 7: return { type: "traded", with: reader.varint() };
    case 8: return {
      type: "statistics",
      statistics: Object.fromEntries(Statistic.map((name) => [name, reader.varint()])),
    };
    default: throw new ProtocolError(`no event of type ${type}`);
  }
}
