// The own body ahead of the server. Each input is stamped with the tick from which it counts, so the
// server moves the body in the same tick as we do; its word on a tick that we have shown already mends
// what we had wrong, and what came after is played again.

import { step } from "./movement.js";

/** Ticks kept behind the newest: more than the longest way of an input there and its answer back. */
const KEPT = 256;
/** A correction is smoothed away in about this time. */
const SMOOTH_MS = 120;
/** Corrections longer than this are jumps (a respawn), shown at once. */
const JUMP_MM = 4_000;
const STILL = Object.freeze({ x: 0, y: 0 });

export class Prediction {
  #ground;
  /** Positions by tick, from #first on. */
  #path;
  #first;
  /** Inputs that may still matter: {seq, at, direction}, ascending. */
  #inputs = [];
  #speed;
  #offset = { x: 0, y: 0 };
  /** How often the server's word differed. */
  corrections = 0;

  /**
   * @param {(x: number, y: number) => string | undefined} ground
   * @param {number} speed millimetres a tick
   */
  constructor(ground, tick, position, speed) {
    this.#ground = ground;
    this.#first = tick;
    this.#path = [{ ...position }];
    this.#speed = speed;
  }

  /** The newest predicted tick. */
  get tick() {
    return this.#first + this.#path.length - 1;
  }

  /** Where the body is at the newest predicted tick. */
  get position() {
    return this.#path.at(-1);
  }

  /** The input of the newest predicted tick. */
  get direction() {
    return this.#directionAt(this.tick);
  }

  /** From the next predicted tick on. */
  setSpeed(speed) {
    this.#speed = speed;
  }

  /** An input that has been sent. Counts from tick `at` on, which must not be predicted yet. */
  input(seq, at, direction) {
    this.#inputs.push({ seq, at, direction });
  }

  /** Goes on by one tick. */
  advance() {
    this.#path.push(this.#next(this.position, this.tick + 1));
    if (this.#path.length > KEPT) {
      this.#path.shift();
      this.#first += 1;
    }
  }

  #next(from, tick) {
    return step(this.#ground, from, this.#directionAt(tick), this.#speed);
  }

  #directionAt(tick) {
    let direction = STILL;
    for (const input of this.#inputs) {
      if (input.at > tick) break;
      direction = input.direction;
    }
    return direction;
  }

  /**
   * The server's word: at `tick` the body was at `position`, and inputs up to `ack` had been applied.
   */
  reconcile(tick, position, ack) {
    this.#inputsBy(tick, ack);
    if (tick > this.tick) {
      // We have fallen behind (a tab that slept): go on from here.
      this.#restart(tick, position);
      return;
    }
    if (tick < this.#first) return;
    const index = tick - this.#first;
    const guess = this.#path[index];
    if (guess.x === position.x && guess.y === position.y) {
      this.#forget(tick);
      return;
    }
    this.corrections += 1;
    const before = this.position;
    const newest = this.tick;
    this.#path = [{ ...position }];
    this.#first = tick;
    while (this.tick < newest) this.#path.push(this.#next(this.position, this.tick + 1));
    this.#smooth(before);
  }

  /** Inputs that came late counted later than we thought: at the earliest in the tick after this word. */
  #inputsBy(tick, ack) {
    for (const input of this.#inputs) {
      if (input.seq > ack && input.at <= tick) input.at = tick + 1;
    }
  }

  #restart(tick, position) {
    const before = this.position;
    this.#path = [{ ...position }];
    this.#first = tick;
    this.#forget(tick);
    this.#smooth(before);
  }

  #forget(tick) {
    const last = this.#inputs.findLastIndex((input) => input.at <= tick);
    if (last > 0) this.#inputs.splice(0, last);
    if (tick > this.#first) {
      this.#path.splice(0, tick - this.#first);
      this.#first = tick;
    }
  }

  #smooth(before) {
    const x = before.x - this.position.x;
    const y = before.y - this.position.y;
    const jump = Math.hypot(x, y) > JUMP_MM;
    this.#offset = jump ? { x: 0, y: 0 } : { x: this.#offset.x + x, y: this.#offset.y + y };
  }

  /** The session's connection is new: the server may have missed inputs, and its word is all there is. */
  reset(tick, position) {
    this.#inputs = [];
    this.#restart(tick, position);
    this.#path = [{ ...position }];
  }

  /** Once a frame. */
  settle(milliseconds) {
    const keep = Math.exp(-milliseconds / SMOOTH_MS);
    this.#offset = { x: this.#offset.x * keep, y: this.#offset.y * keep };
  }

  /** Where the body is drawn at a time between ticks. */
  between(time) {
    const index = Math.min(Math.max(time - this.#first, 0), this.#path.length - 1);
    const from = this.#path[Math.floor(index)];
    const to = this.#path[Math.min(Math.floor(index) + 1, this.#path.length - 1)];
    const part = index - Math.floor(index);
    return {
      x: from.x + (to.x - from.x) * part + this.#offset.x,
      y: from.y + (to.y - from.y) * part + this.#offset.y,
    };
  }
}
