// A way around what cannot be walked: A* over the tiles that are known, then straightened.

import { isPassable } from "./movement.js";
import { TILE_MM } from "./terrain.js";

/** Tiles looked at before the straight way is taken instead. */
const MOST_TILES = 2_500;
const SAMPLE_MM = 400;
/** Longer straight ways are not looked at: nobody sees so far. */
const FARTHEST_MM = 100_000;

/** A body can walk straight from one place to the other, and it is not too far to say. */
export function isClear(ground, from, to) {
  const way = Math.hypot(to.x - from.x, to.y - from.y);
  if (way > FARTHEST_MM) return false;
  const samples = Math.ceil(way / SAMPLE_MM);
  for (let i = 1; i <= samples; i++) {
    const part = i / samples;
    const x = Math.round(from.x + (to.x - from.x) * part);
    const y = Math.round(from.y + (to.y - from.y) * part);
    if (!isPassable(ground(x, y))) return false;
  }
  return true;
}

const centre = (tile) => ({ x: tile.x * TILE_MM + TILE_MM / 2, y: tile.y * TILE_MM + TILE_MM / 2 });
const tileOf = (place) => ({ x: Math.floor(place.x / TILE_MM), y: Math.floor(place.y / TILE_MM) });
const key = (x, y) => x * 65_536 + y;

/**
 * Places to walk to one after the other, ending at `to` or as near to it as one gets.
 * @returns {{x: number, y: number}[]} never empty
 */
export function findPath(ground, from, to) {
  if (isClear(ground, from, to)) return [to];
  const tiles = search(ground, tileOf(from), tileOf(to));
  const reaches = isPassable(ground(to.x, to.y));
  const places = tiles.map(centre);
  if (reaches && places.length > 0 && sameTile(places.at(-1), to)) places[places.length - 1] = to;
  if (places.length === 0) return [to];
  return straighten(ground, from, places);
}

function sameTile(a, b) {
  const [s, t] = [tileOf(a), tileOf(b)];
  return s.x === t.x && s.y === t.y;
}

function straighten(ground, from, places) {
  const path = [];
  let at = from;
  let index = 0;
  while (index < places.length) {
    let far = index;
    while (far + 1 < places.length && isClear(ground, at, places[far + 1])) far += 1;
    path.push(places[far]);
    at = places[far];
    index = far + 1;
  }
  return path;
}

/** Tiles from the one after `from` to the goal, or to the nearest to it that was found. */
function search(ground, from, goal) {
  const cost = (x, y) => {
    const kind = ground(x * TILE_MM + TILE_MM / 2, y * TILE_MM + TILE_MM / 2);
    if (!isPassable(kind)) return Infinity;
    return kind === "Slow" ? 2 : 1;
  };
  const guess = (x, y) => {
    const [dx, dy] = [Math.abs(x - goal.x), Math.abs(y - goal.y)];
    return Math.max(dx, dy) + 0.41 * Math.min(dx, dy);
  };
  const open = new Heap();
  const best = new Map([[key(from.x, from.y), { ...from, cost: 0, before: undefined }]]);
  open.push(guess(from.x, from.y), best.get(key(from.x, from.y)));
  let nearest = best.get(key(from.x, from.y));
  for (let looked = 0; looked < MOST_TILES && open.size > 0; looked++) {
    const node = open.pop();
    if (node.done) continue;
    node.done = true;
    if (guess(node.x, node.y) < guess(nearest.x, nearest.y)) nearest = node;
    if (node.x === goal.x && node.y === goal.y) break;
    for (const [dx, dy] of AROUND) {
      const [x, y] = [node.x + dx, node.y + dy];
      const price = cost(x, y);
      if (price === Infinity) continue;
      // No cutting of corners.
      if (dx !== 0 && dy !== 0 && (cost(node.x + dx, node.y) === Infinity || cost(node.x, node.y + dy) === Infinity)) {
        continue;
      }
      const total = node.cost + price * (dx !== 0 && dy !== 0 ? 1.41 : 1);
      const known = best.get(key(x, y));
      if (known && known.cost <= total) continue;
      const next = { x, y, cost: total, before: node };
      best.set(key(x, y), next);
      open.push(total + guess(x, y), next);
    }
  }
  const tiles = [];
  for (let node = nearest; node.before; node = node.before) tiles.push({ x: node.x, y: node.y });
  return tiles.reverse();
}

const AROUND = [[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [1, -1], [-1, 1], [-1, -1]];

/** A binary heap, least first. */
class Heap {
  #items = [];

  get size() {
    return this.#items.length;
  }

  push(weight, value) {
    const items = this.#items;
    items.push({ weight, value });
    let at = items.length - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (items[up].weight <= items[at].weight) break;
      [items[up], items[at]] = [items[at], items[up]];
      at = up;
    }
  }

  pop() {
    const items = this.#items;
    const top = items[0].value;
    const last = items.pop();
    if (items.length > 0) {
      items[0] = last;
      let at = 0;
      for (;;) {
        let least = at;
        for (const child of [2 * at + 1, 2 * at + 2]) {
          if (child < items.length && items[child].weight < items[least].weight) least = child;
        }
        if (least === at) break;
        [items[least], items[at]] = [items[at], items[least]];
        at = least;
      }
    }
    return top;
  }
}
