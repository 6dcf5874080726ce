// Where the own body goes, tick for tick: by keys, or on the way to what was clicked, and what is done
// there. Repeats what one would click again: blows while the target lives, gathering while there is more.

import { Kind, Pose } from "./protocol.js";
import { findPath } from "./path.js";
import { pose } from "./view.js";

/** How near one must be, in millimetres: a little less than the server asks for (gameserver/sim/src/systems). */
const REACH = Object.freeze({ gather: 2_600, take: 2_600, interact: 2_600, tradeAsk: 8_000, stand: 3_500, craft: 4_200 });
/** How far a bare hand strikes, and what bodies add to the range of any weapon. */
const FIST_MM = 1_500;
const BODIES_MM = 800;
/** Nearer than the range: what is shown of the target is a little old. */
const MARGIN_MM = 250;
/** A place is reached within this. */
const ARRIVED_MM = 200;
/** The way to a moving target is looked for again after so many ticks. */
const LOOK_AGAIN = 8;
/** So many ticks without coming nearer: there is no way. */
const STUCK_TICKS = 30;
const STILL = Object.freeze({ x: 0, y: 0 });
/** Outcomes after which a repeated action is tried again shortly. */
const SHORTLY = new Set(["NotNow", "Busy"]);

export class Pilot {
  #session;
  #content;
  #keys = STILL;
  #goal;
  /** Called with (outcome, goal) when a goal ends otherwise than well. */
  onFailure = () => {};

  constructor(session, content) {
    this.#session = session;
    this.#content = content;
    session.steer = (position, tick) => this.#steer(position, tick);
    session.on("welcome", () => this.stop());
  }

  /** What is being walked to or done: {type, target, place}, for the picture. */
  get goal() {
    return this.#goal;
  }

  /** Direction by keys; takes the helm from any goal. */
  keys(direction) {
    this.#keys = direction;
    if (direction.x !== 0 || direction.y !== 0) this.stop();
  }

  stop() {
    this.#goal = undefined;
  }

  walk(place) {
    this.#goal = { type: "walk", place, path: undefined, nearest: Infinity, stuck: 0 };
  }

  /**
   * Walks near an entity and does something to it, or there.
   * @param {"gather"|"attack"|"take"|"interact"|"tradeAsk"|"craft"|"stand"} type
   * @param {object} action what to do there; "stand": nothing
   */
  approach(type, target, action = { type, target }) {
    this.#goal = {
      type, target, action, reach: this.#reach(type), path: undefined, lookAgain: 0, nearest: Infinity, stuck: 0,
      next: 0, waiting: false,
    };
  }

  #reach(type) {
    if (type !== "attack") return REACH[type];
    const hand = this.#content.item(this.#session.own.equipment[0]);
    const arms = hand?.kind === "Weapon" || hand?.device === "Bolt";
    return (arms ? hand.range_mm : FIST_MM) + BODIES_MM - MARGIN_MM;
  }

  #steer(position, tick) {
    if (this.#keys.x !== 0 || this.#keys.y !== 0) return this.#keys;
    const goal = this.#goal;
    if (!goal) return STILL;
    return goal.type === "walk" ? this.#walk(goal, position) : this.#approach(goal, position, tick);
  }

  #walk(goal, position) {
    goal.path ??= findPath(this.#session.terrain.ground, position, goal.place);
    const direction = this.#follow(goal, position, ARRIVED_MM);
    if (!direction) this.stop();
    return direction ?? STILL;
  }

  #approach(goal, position, tick) {
    const entity = this.#session.view.get(goal.target);
    if (!entity || this.#isOver(goal, entity)) {
      this.stop();
      return STILL;
    }
    const place = entity.kind <= Kind.Creature
      ? this.#session.placeOf(entity)
      : this.#session.view.shown(entity, this.#session.view.tick);
    const away = Math.hypot(place.x - position.x, place.y - position.y);
    if (away <= goal.reach) {
      goal.path = undefined;
      this.#do(goal, tick);
      return STILL;
    }
    if (goal.waiting) return STILL;
    if (!goal.path || (entity.kind <= Kind.Creature && tick >= goal.lookAgain)) {
      goal.path = findPath(this.#session.terrain.ground, position, { x: Math.round(place.x), y: Math.round(place.y) });
      goal.lookAgain = tick + LOOK_AGAIN;
      if (entity.kind <= Kind.Creature) goal.nearest = Infinity;
    }
    const direction = this.#follow(goal, position, ARRIVED_MM);
    if (!direction) {
      this.onFailure("NoWay", goal);
      this.stop();
    }
    return direction ?? STILL;
  }

  #isOver(goal, entity) {
    if (goal.type === "gather") return pose(entity) === Pose.Depleted;
    if (goal.type === "attack") return pose(entity) === Pose.Dead;
    return false;
  }

  #do(goal, tick) {
    if (goal.waiting || tick < goal.next) return;
    if (goal.type === "gather" && this.#session.own.activity.kind !== 0) return;
    if (goal.type === "stand") {
      this.stop();
      return;
    }
    goal.waiting = true;
    this.#session.act(goal.action, (outcome) => {
      goal.waiting = false;
      if (this.#goal !== goal) return;
      const repeats = goal.type === "attack" || goal.type === "gather";
      if (outcome === "Ok") {
        if (!repeats) this.stop();
        // The activity shows in the update of the outcome; the blow's pause is in the content.
        goal.next = this.#session.prediction.tick + (goal.type === "attack" ? this.#pause() : 2);
      } else if (repeats && SHORTLY.has(outcome)) {
        goal.next = this.#session.prediction.tick + 3;
      } else if (outcome === "TooFar" && goal.reach > 600) {
        // What we see of it is a little old: nearer.
        goal.reach *= 0.7;
      } else {
        this.onFailure(outcome, goal);
        this.stop();
      }
    });
  }

  #pause() {
    const hand = this.#content.item(this.#session.own.equipment[0]);
    const milliseconds = hand?.cooldown_ms ?? 800;
    return Math.ceil((milliseconds * this.#session.welcome.tickRate) / 1000);
  }

  /** The direction along a goal's path; undefined at its end, or where there is no way on. */
  #follow(goal, position, arrived) {
    while (goal.path.length > 0) {
      const [next] = goal.path;
      const away = Math.hypot(next.x - position.x, next.y - position.y);
      const last = goal.path.length === 1;
      if (away > (last ? arrived : 600)) {
        if (away < goal.nearest - 20) {
          goal.nearest = away;
          goal.stuck = 0;
        } else if (++goal.stuck > STUCK_TICKS) {
          return undefined;
        }
        return this.#towards(position, next, away);
      }
      goal.path.shift();
      goal.nearest = Infinity;
      goal.stuck = 0;
    }
    return undefined;
  }

  /** Holds the direction as long as it still leads there: a Move is sent only when it changes. */
  #towards(position, next, away) {
    const [dx, dy] = [next.x - position.x, next.y - position.y];
    const now = this.#session.prediction.direction;
    const length = Math.hypot(now.x, now.y);
    if (length > 100 && away > 500) {
      const along = (now.x * dx + now.y * dy) / (length * away);
      const missesBy = away * Math.sqrt(Math.max(0, 1 - along * along));
      if (along > 0.9 && missesBy < 150) return now;
    }
    // The last step is as long as what is left.
    const stepMm = 6_000 / this.#session.welcome.tickRate;
    const size = away >= stepMm ? 127 : Math.max(8, Math.floor((127 * away) / stepMm));
    return { x: Math.trunc((dx / away) * size), y: Math.trunc((dy / away) * size) };
  }
}
