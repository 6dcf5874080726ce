// Keys and clicks on the world, as what the player wants.

import { BELT } from "./panels/inventory.js";
import { Kind, Pose } from "./protocol.js";
import { pose } from "./view.js";

const FULL = 127;
const WAYS = {
  KeyW: [0, 1], ArrowUp: [0, 1], KeyS: [0, -1], ArrowDown: [0, -1],
  KeyA: [-1, 0], ArrowLeft: [-1, 0], KeyD: [1, 0], ArrowRight: [1, 0],
};
/** What the E key reaches for. */
const NEAR_MM = 12_000;
const DRAG_MS = 120;

/** What a click on an entity means. */
export function intentOf(entity) {
  switch (entity.kind) {
    case Kind.Player: return "menu";
    case Kind.Creature: return pose(entity) === Pose.Dead ? undefined : "attack";
    case Kind.Resource: return "gather";
    case Kind.Station: return "interact";
    default: return "take";
  }
}

/** Direction of the keys that are down. */
export function directionOf(held) {
  let [x, y] = [0, 0];
  for (const code of held) {
    const [dx, dy] = WAYS[code] ?? [0, 0];
    x += dx;
    y += dy;
  }
  [x, y] = [Math.sign(x), Math.sign(y)];
  const length = x !== 0 && y !== 0 ? 90 : FULL;
  return { x: x * length, y: y * length };
}

export class Input {
  #held = new Set();
  #canvas;
  #do;
  #draggedAt = 0;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {object} actions what to do; see main.js
   */
  constructor(canvas, actions) {
    this.#canvas = canvas;
    this.#do = actions;
    window.addEventListener("keydown", (event) => this.#down(event));
    window.addEventListener("keyup", (event) => this.#up(event));
    window.addEventListener("blur", () => this.#release());
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerleave", () => actions.hover(undefined));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      actions.zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1);
    }, { passive: false });
  }

  #down(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) return;
    const focusOnPage = event.target !== document.body && event.target !== this.#canvas;
    if (WAYS[event.code]) {
      this.#held.add(event.code);
      this.#do.walkKeys(directionOf(this.#held));
      event.preventDefault();
      return;
    }
    // Enter and space press the button that has the focus.
    if (focusOnPage && (event.key === "Enter" || event.key === " ")) return;
    if (event.repeat) return;
    const belt = /^Digit([1-8])$/.exec(event.code);
    if (belt && Number(belt[1]) <= BELT) this.#do.belt(Number(belt[1]) - 1);
    else if (this.#do.keys[event.key.toLowerCase()]) this.#do.keys[event.key.toLowerCase()]();
    else return;
    event.preventDefault();
  }

  #up(event) {
    if (!this.#held.delete(event.code)) return;
    this.#do.walkKeys(directionOf(this.#held));
  }

  #release() {
    if (this.#held.size === 0) return;
    this.#held.clear();
    this.#do.walkKeys({ x: 0, y: 0 });
  }

  #press(event) {
    this.#canvas.focus();
    const [x, y] = [event.offsetX, event.offsetY];
    const entity = this.#do.pick(x, y);
    if (entity) this.#do.click(entity, x, y, event.button);
    else if (event.button === 0) this.#do.walkTo(x, y);
  }

  #move(event) {
    const [x, y] = [event.offsetX, event.offsetY];
    const entity = this.#do.pick(x, y);
    this.#do.hover(entity?.id);
    this.#canvas.classList.toggle("pointing", entity !== undefined);
    const now = performance.now();
    if (event.buttons === 1 && !entity && now - this.#draggedAt > DRAG_MS) {
      this.#draggedAt = now;
      this.#do.walkTo(x, y);
    }
  }
}

function isTyping(target) {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}

/** The nearest entity that `wanted` accepts, around a place. */
export function nearest(session, wanted, most = NEAR_MM) {
  const me = session.prediction.position;
  let best;
  let least = most;
  for (const entity of session.view.entities()) {
    if (!wanted(entity)) continue;
    const place = session.placeOf(entity);
    const away = Math.hypot(place.x - me.x, place.y - me.y);
    if (away < least) {
      least = away;
      best = entity;
    }
  }
  return best;
}
