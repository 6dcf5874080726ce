// What the player sees: the entities in sight, kept by applying updates in order.
//
// An entity's motion is a record {tick, position, velocity}: where it was at a tick and how it goes on.
// Its shown position is computed for any tick from it. A few records are kept, because the picture is
// drawn a little in the past (see clock.js), where a newer record does not yet hold.

import { Kind, MOST_ENTITIES, ProtocolError } from "./protocol.js";

/** Records kept for an entity. Enough for the longest delay of the picture. */
const KEPT = 6;

/** Largest age of a record, and largest coordinate: PROTOCOL.md, motion records. */
const MOST_AGE = 2 ** 31 - 1;
const MOST_COORDINATE = 2 ** 30 - 1;

/** Position by one record at a whole tick; the same floors and bounds as the server's. */
export function along(record, tick, tickRate) {
  const ticks = Math.min(Math.max(0, tick - record.tick), MOST_AGE);
  const part = (from, velocity) => {
    const at = from + Math.floor((velocity * 125 * ticks) / (2 * tickRate));
    return Math.min(Math.max(at, -MOST_COORDINATE), MOST_COORDINATE);
  };
  return { x: part(record.x, record.vx), y: part(record.y, record.vy) };
}

export class View {
  #byId = new Map();
  /** Sorted by id: the rank is the place. */
  #sorted = [];
  #tickRate;

  /** @param {{tick: number, ack: number, position: {x: number, y: number}, tickRate: number}} welcome */
  constructor(welcome) {
    this.tick = welcome.tick;
    this.ack = welcome.ack;
    this.position = { ...welcome.position };
    this.#tickRate = welcome.tickRate;
  }

  get size() {
    return this.#sorted.length;
  }

  /** Entities by ascending id. Not to be kept over an update. */
  entities() {
    return this.#sorted;
  }

  get(id) {
    return this.#byId.get(id);
  }

  /** Position at a whole tick, by the records known now. */
  shown(entity, tick) {
    const { records } = entity;
    let index = records.length - 1;
    while (index > 0 && records[index].tick > tick) index--;
    return along(records[index], tick, this.#tickRate);
  }

  /** Position at any time between ticks: the straight way between the shown positions of both. */
  between(entity, time) {
    if (entity.records.length === 1 && entity.records[0].vx === 0 && entity.records[0].vy === 0) {
      return entity.records[0];
    }
    const tick = Math.floor(time);
    const from = this.shown(entity, tick);
    const to = this.shown(entity, tick + 1);
    const part = time - tick;
    return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
  }

  /**
   * Applies the next update.
   * @throws {ProtocolError} if it does not fit; the view is then of no use any more
   */
  apply(update) {
    this.tick += update.ticks;
    this.ack += update.acked;
    if (update.own) {
      this.position = { x: this.position.x + update.own.dx, y: this.position.y + update.own.dy };
    }
    this.#remove(update.left);
    this.#add(update.entered);
    for (const { rank, dx, dy, vx, vy } of update.moved) {
      const entity = this.#ranked(rank);
      const { x, y } = along(entity.records.at(-1), this.tick, this.#tickRate);
      this.#record(entity, { tick: this.tick, x: x + dx, y: y + dy, vx, vy });
    }
    for (const { rank, x, y, age, vx, vy } of update.placed) {
      this.#record(this.#ranked(rank), { tick: this.tick - age, x, y, vx, vy });
    }
    for (const { rank, look } of update.changed) this.#ranked(rank).look = look;
  }

  #ranked(rank) {
    const entity = this.#sorted[rank];
    if (!entity) throw new ProtocolError(`no entity of rank ${rank}`);
    return entity;
  }

  #record(entity, record) {
    const { records } = entity;
    // What a record says of times before it is worth nothing, so a later one replaces it from its tick on.
    while (records.length > 1 && records.at(-1).tick >= record.tick) records.pop();
    records.push(record);
    if (records.length > KEPT) records.shift();
  }

  #remove(left) {
    if (left.length === 0) return;
    for (const { rank } of left) {
      this.#byId.delete(this.#ranked(rank).id);
    }
    this.#sorted = this.#sorted.filter((entity) => this.#byId.has(entity.id));
  }

  #add(entered) {
    if (entered.length === 0) return;
    for (const { id, kind, name, subtype, look, x, y, age, vx, vy } of entered) {
      if (this.#byId.has(id)) throw new ProtocolError(`entity ${id} is in sight already`);
      const records = [{ tick: this.tick - age, x, y, vx, vy }];
      const entity = { id, kind, name, subtype, look, records };
      this.#byId.set(id, entity);
      this.#sorted.push(entity);
    }
    if (this.#sorted.length > MOST_ENTITIES) throw new ProtocolError("too many entities");
    this.#sorted.sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

/** Health of a body or charges of a resource, 0 to 1. */
export function health(entity) {
  return (entity.look & 0x0f) / 15;
}

/** What an entity is doing; one of Pose. */
export function pose(entity) {
  return entity.look >> 4;
}

/** Players and creatures go about; everything else stands still. */
export function moves(entity) {
  return entity.kind === Kind.Player || entity.kind === Kind.Creature;
}
