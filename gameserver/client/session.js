// One stay in a world: what the server has told of it, and what the player has asked for. Knows nothing
// of the page.

import { Clock } from "./clock.js";
import { applySelf, emptyOwn } from "./own.js";
import { Pose, ProtocolError, encode } from "./protocol.js";
import { Prediction } from "./prediction.js";
import { View, pose } from "./view.js";

/** Full speed of players, millimetres a second; slower when starving. */
const SPEED_MM_S = 6_000;
const STARVING_MM_S = 5_000;
/** Ticks that are predicted one by one; further behind, the prediction starts anew. */
const MOST_CATCH_UP = 60;
/** Acts whose outcome is awaited; the oldest is given up first. */
const MOST_AWAITED = 32;

export class Session {
  #link;
  #seq = 0;
  /** The server may hold a direction from before this connection: the first one is always told. */
  #untold = true;
  #awaited = new Map();
  #listeners = new Map();
  /** Told once a Welcome has come: {welcome, content}. */
  welcome;
  view;
  clock;
  prediction;
  terrain;
  own = emptyOwn();
  players = 0;
  load = 0;
  dilation = 100;
  /** Decides the direction of each tick: (position, tick) => {x, y}. */
  steer = () => ({ x: 0, y: 0 });

  /**
   * @param {import("./net.js").Link} link
   * @param {(welcome: object) => import("./terrain.js").Terrain} terrainOf
   */
  constructor(link, terrainOf) {
    this.#link = link;
    this.terrainOf = terrainOf;
    link.onMessage = (message, now) => this.#hear(message, now);
    link.onRoundTrip = (milliseconds) => this.clock?.roundTrip(milliseconds);
  }

  /** Calls `listener` for each event of a type; of the server's events, and "own", "welcome", "pong", "notice", "outcome". */
  on(type, listener) {
    const known = this.#listeners.get(type) ?? [];
    this.#listeners.set(type, [...known, listener]);
  }

  #tell(type, detail) {
    for (const listener of this.#listeners.get(type) ?? []) listener(detail);
  }

  #hear(message, now) {
    switch (message.type) {
      case "welcome": return this.#begin(message, now);
      case "update": return this.#update(message, now);
      case "pong":
        this.players = message.players;
        this.load = message.load;
        this.dilation = message.dilation;
        this.clock?.dilated(message.dilation);
        return this.#tell("pong", message);
      case "notice": return this.#tell("notice", message);
    }
  }

  #begin(welcome, now) {
    const rtt = this.clock?.rtt ?? 0;
    if (this.welcome?.terrainHash !== welcome.terrainHash) this.terrain = this.terrainOf(welcome);
    this.welcome = welcome;
    this.view = new View(welcome);
    this.clock = new Clock(welcome, now);
    if (rtt > 0) this.clock.roundTrip(rtt);
    this.own = emptyOwn();
    this.#awaited.clear();
    this.#untold = true;
    this.#seq = welcome.ack;
    this.prediction = new Prediction(
      this.terrain.ground, welcome.tick, welcome.position, Math.trunc(SPEED_MM_S / welcome.tickRate),
    );
    this.#tell("welcome", welcome);
    this.#tell("own", this.own);
  }

  #update(update, now) {
    if (!this.view) throw new ProtocolError("an update before the welcome");
    this.view.apply(update);
    this.clock.arrived(this.view.tick, now);
    this.prediction.reconcile(this.view.tick, this.view.position, this.view.ack);
    if (update.self) {
      this.own = applySelf(this.own, update.self);
      const { hunger, thirst, maxHealth } = this.own.vitals;
      const starving = maxHealth > 0 && (hunger === 0 || thirst === 0);
      this.prediction.setSpeed(Math.trunc((starving ? STARVING_MM_S : SPEED_MM_S) / this.welcome.tickRate));
      this.#tell("own", this.own);
    }
    for (const event of update.events) {
      if (event.type === "done") this.#done(event);
      this.#tell(event.type, event);
    }
  }

  #done({ seq, outcome }) {
    const awaited = this.#awaited.get(seq);
    this.#awaited.delete(seq);
    awaited?.(outcome);
  }

  /** Time goes on; once a frame. */
  run(now, elapsed) {
    if (!this.prediction) return;
    this.clock.run(now);
    const ahead = Math.floor(this.clock.ahead);
    if (ahead - this.prediction.tick > MOST_CATCH_UP) {
      // The page slept. Nothing was walked meanwhile that the server did not know of.
      this.prediction.reset(Math.floor(this.clock.told), this.view.position);
    }
    for (let i = 0; i < MOST_CATCH_UP && this.prediction.tick < ahead; i++) {
      this.#steer();
      this.prediction.advance();
    }
    this.prediction.settle(elapsed);
  }

  #steer() {
    const tick = this.prediction.tick + 1;
    const now = this.prediction.direction;
    const wanted = this.alive ? this.steer(this.prediction.position, tick) : { x: 0, y: 0 };
    if (wanted.x === now.x && wanted.y === now.y && !this.#untold) return;
    this.#untold = false;
    this.#seq += 1;
    this.prediction.input(this.#seq, tick, wanted);
    this.#link.send(encode.move({ seq: this.#seq, at: tick, direction: wanted }));
  }

  /** Asks for an action. Its outcome, one of Outcome, goes to `then`, or is told as "outcome". */
  act(action, then = (outcome) => this.#tell("outcome", outcome)) {
    if (!this.prediction) return;
    this.#seq += 1;
    this.#awaited.set(this.#seq, then);
    if (this.#awaited.size > MOST_AWAITED) this.#awaited.delete(this.#awaited.keys().next().value);
    this.#link.send(encode.act({
      seq: this.#seq,
      // With the moves: the body is then where we show it.
      at: this.prediction.tick + 1,
      view: Math.max(0, Math.floor(this.clock.shown)),
      action,
    }));
  }

  askStatistics() {
    this.#link.send(encode.askStatistics());
  }

  get alive() {
    return this.own.vitals.maxHealth === 0 || this.own.vitals.health > 0;
  }

  /** Where the own body is drawn, in millimetres. */
  get place() {
    return this.prediction.between(this.clock.ahead - 1);
  }

  /** Where another entity is drawn. */
  placeOf(entity) {
    return this.view.between(entity, this.clock.shown);
  }

  /** The tick that is in the picture, for the time of day. */
  get tick() {
    return this.clock.shown;
  }

  /** Other players can be spoken to and traded with. */
  isPresent(entity) {
    return pose(entity) !== Pose.Dead && pose(entity) !== Pose.Absent;
  }
}
