// The small map: biomes as colors, and who is about.

import { Kind } from "../protocol.js";
import { channels } from "./glyphs.js";
import { TILE_MM } from "../terrain.js";

/** Tiles to a side. */
const TILES = 72;
const EVERY_MS = 250;

export class SmallMap {
  #canvas;
  #drawnAt = 0;
  #colors;
  #image;
  #small = document.createElement("canvas");

  /** @param {HTMLCanvasElement} canvas @param {{color: string}[]} biomes */
  constructor(canvas, biomes) {
    this.#canvas = canvas;
    this.#colors = biomes.map((biome) => channels(biome.color));
    this.#image = new ImageData(TILES, TILES);
    this.#small.width = this.#small.height = TILES;
  }

  draw(session, content, mood, now) {
    if (now - this.#drawnAt < EVERY_MS) return;
    this.#drawnAt = now;
    const { terrain } = session;
    const me = session.place;
    const west = me.x / TILE_MM - TILES / 2;
    const south = me.y / TILE_MM - TILES / 2;
    const { data } = this.#image;
    const fog = channels(mood.fog);
    for (let row = 0; row < TILES; row++) {
      for (let column = 0; column < TILES; column++) {
        const biome = terrain.biome(Math.floor(west) + column, Math.floor(south) + TILES - 1 - row);
        const [r, g, b] = this.#colors[biome] ?? fog;
        const at = (row * TILES + column) * 4;
        [data[at], data[at + 1], data[at + 2], data[at + 3]] = [r, g, b, 255];
      }
    }
    this.#small.getContext("2d").putImageData(this.#image, 0, 0);
    const context = this.#canvas.getContext("2d");
    const side = this.#canvas.width;
    const pixel = side / TILES;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.#small, -(west - Math.floor(west)) * pixel, (south - Math.floor(south)) * pixel, side, side);
    const dot = (place, color, size) => {
      const x = (place.x / TILE_MM - west) * pixel;
      const y = side - (place.y / TILE_MM - south) * pixel;
      context.fillStyle = "#0a0b12";
      context.fillRect(x - size / 2 - 1, y - size / 2 - 1, size + 2, size + 2);
      context.fillStyle = color;
      context.fillRect(x - size / 2, y - size / 2, size, size);
    };
    for (const entity of session.view.entities()) {
      if (entity.kind === Kind.Station) dot(session.placeOf(entity), "#ffd56b", 4);
      else if (entity.kind === Kind.Player) dot(session.placeOf(entity), "#7fd8ff", 4);
      else if (entity.kind === Kind.Creature) {
        const hostile = (content.definition(entity)?.damage ?? 0) > 0;
        dot(session.placeOf(entity), hostile ? "#ff6a5c" : "#cfd6c4", 3);
      }
    }
    dot(me, mood.accent, 6);
  }
}
