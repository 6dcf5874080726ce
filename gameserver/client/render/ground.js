// The ground, painted in blocks of tiles that are kept. A block is made of its tiles and their
// neighbours: biomes that wander into each other, cliffs that throw shadows, banks and foam, and what grows.

import { channels, mix } from "./glyphs.js";
import { chance, rough, smooth } from "./noise.js";
import { CHUNK_TILES, TILE_MM } from "../terrain.js";

/** Tiles to a side of a block. */
const BLOCK = 8;
/** Pixels of a tile in the first, coarse pass, and in the finished block. */
const COARSE = 32;
const FINE = 64;
/** Tiles around a block that are looked at. */
const RIM = 1;
const MOST_BLOCKS = 90;

export class Ground {
  #terrain;
  #mood;
  #blocks = new Map();
  #colors;

  constructor(terrain, mood) {
    this.#terrain = terrain;
    this.#mood = mood;
    this.#colors = terrain.biomes.map((biome) => channels(biome.color));
    terrain.onChunk = (cx, cy) => this.#spoil(cx, cy);
  }

  /** A chunk has come: blocks that it touches are painted anew. */
  #spoil(cx, cy) {
    const [x, y] = [(cx * CHUNK_TILES) / BLOCK, (cy * CHUNK_TILES) / BLOCK];
    const count = CHUNK_TILES / BLOCK;
    for (let by = y - 1; by <= y + count; by++) {
      for (let bx = x - 1; bx <= x + count; bx++) {
        const block = this.#blocks.get(`${bx},${by}`);
        if (block) block.stale = true;
      }
    }
  }

  /**
   * Draws what lies between two corners, in millimetres; `toScreen(x, y)` gives pixels, `scale` is pixels a metre.
   * @param {number} budget blocks that may be painted in this frame
   */
  draw(context, west, south, east, north, toScreen, scale, budget) {
    const side = BLOCK * TILE_MM;
    const pixels = (side / 1000) * scale;
    let left = budget;
    for (let by = Math.floor(south / side); by <= Math.floor(north / side); by++) {
      for (let bx = Math.floor(west / side); bx <= Math.floor(east / side); bx++) {
        let block = this.#blocks.get(`${bx},${by}`);
        if ((!block || block.stale) && left > 0 && this.#isKnown(bx, by)) {
          block = this.#paint(bx, by, block);
          left -= 1;
        }
        if (!block?.canvas) continue;
        const [x, y] = toScreen(bx * side, (by + 1) * side);
        // Half a pixel over, against seams.
        context.drawImage(block.canvas, x, y, pixels + 0.6, pixels + 0.6);
      }
    }
  }

  #isKnown(bx, by) {
    const [tx, ty] = [bx * BLOCK, by * BLOCK];
    for (const [x, y] of [[tx, ty], [tx + BLOCK - 1, ty + BLOCK - 1]]) {
      const biome = this.#terrain.biome(x, y);
      if (biome !== undefined && biome >= 0) return true;
    }
    return false;
  }

  #paint(bx, by, old) {
    const canvas = old?.canvas ?? document.createElement("canvas");
    canvas.width = canvas.height = BLOCK * FINE;
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#coarse(bx, by), 0, 0, BLOCK * FINE, BLOCK * FINE);
    this.#details(context, bx, by);
    const block = { canvas, stale: false };
    this.#blocks.delete(`${bx},${by}`);
    this.#blocks.set(`${bx},${by}`, block);
    if (this.#blocks.size > MOST_BLOCKS) this.#blocks.delete(this.#blocks.keys().next().value);
    return block;
  }

  /** Tiles of the block and its rim, row by row from the south; what is not known is as its neighbour. */
  #tiles(bx, by) {
    const side = BLOCK + 2 * RIM;
    const tiles = new Int16Array(side * side);
    let last = 0;
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const biome = this.#terrain.biome(bx * BLOCK + x - RIM, by * BLOCK + y - RIM);
        if (biome === undefined) tiles[y * side + x] = -1;
        else if (biome < 0) tiles[y * side + x] = last;
        else tiles[y * side + x] = last = biome;
      }
    }
    return tiles;
  }

  #coarse(bx, by) {
    const size = BLOCK * COARSE;
    const rim = RIM * COARSE;
    const wide = size + 2 * rim;
    const tiles = this.#tiles(bx, by);
    const side = BLOCK + 2 * RIM;
    const { warp } = this.#mood;
    // Which biome each pixel is of; y downwards from here on.
    const classes = new Int16Array(wide * wide);
    for (let py = 0; py < wide; py++) {
      for (let px = 0; px < wide; px++) {
        const u = px / COARSE;
        const v = (wide - 1 - py) / COARSE;
        let [du, dv] = [0, 0];
        if (warp > 0) {
          const [wx, wy] = [bx * BLOCK + u, by * BLOCK + v];
          du = warp * (smooth(wx * 1.1, wy * 1.1) - 0.5 + 0.28 * (smooth(wx * 3.7, wy * 3.7 + 9) - 0.5));
          dv = warp * (smooth(wx * 1.1 + 91, wy * 1.1) - 0.5 + 0.28 * (smooth(wx * 3.7 + 31, wy * 3.7) - 0.5));
        }
        const tx = Math.min(side - 1, Math.max(0, Math.floor(u + du)));
        const ty = Math.min(side - 1, Math.max(0, Math.floor(v + dv)));
        classes[py * wide + px] = tiles[ty * side + tx];
      }
    }
    return this.#shade(classes, wide, rim, size, bx, by);
  }

  #shade(classes, wide, rim, size, bx, by) {
    const image = new ImageData(size, size);
    const { data } = image;
    const { grain, ground } = this.#mood;
    const grounds = this.#terrain.biomes.map((biome) => biome.ground);
    const [fogR, fogG, fogB] = channels(this.#mood.fog);
    const [edgeR, edgeG, edgeB] = channels(this.#mood.edge);
    const at = (x, y) => classes[y * wide + x];
    const cliff = ground === "streets" ? 20 : 13;
    let out = 0;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++, out += 4) {
        const [cx, cy] = [x + rim, y + rim];
        const biome = at(cx, cy);
        data[out + 3] = 255;
        if (biome < 0) {
          [data[out], data[out + 1], data[out + 2]] = [fogR, fogG, fogB];
          continue;
        }
        const [wx, wy] = [bx * size + x, -by * size + y];
        const kind = grounds[biome];
        let [r, g, b] = this.#colors[biome];
        let light = 1;
        light += grain * 0.16 * (smooth(wx / 34, wy / 34) - 0.5) * 2;
        light += grain * 0.10 * (smooth(wx / 9, wy / 9) - 0.5) * 2;
        light += grain * 0.10 * (rough(wx, wy) - 0.5);
        if (kind === "Rock") {
          if (grounds[at(cx, cy + cliff)] !== "Rock") {
            // The face of the cliff, streaked.
            const streak = 0.75 + 0.5 * smooth(wx / 3.2, wy / 22);
            [r, g, b] = [edgeR * streak, edgeG * streak, edgeB * streak];
          } else if (grounds[at(cx, cy + cliff + 2)] !== "Rock" || grounds[at(cx, cy - 3)] !== "Rock"
            || grounds[at(cx - 2, cy)] !== "Rock") {
            light *= 1.28;
          } else if (ground === "organic") {
            light *= 0.9 + 0.25 * smooth(wx / 15, wy / 11);
          }
        } else if (kind === "Water") {
          light *= this.#water(at, grounds, cx, cy);
        } else {
          if (grounds[at(cx - 4, cy - 4)] === "Rock" || grounds[at(cx - 9, cy - 9)] === "Rock") light *= 0.72;
          if (ground === "organic") {
            // Where two kinds of land meet, the near one lies a little higher.
            const other = at(cx, cy + 2);
            if (other !== biome && other >= 0 && grounds[other] !== "Rock") light *= 0.9;
          }
        }
        data[out] = r * light;
        data[out + 1] = g * light;
        data[out + 2] = b * light;
      }
    }
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = size;
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  #water(at, grounds, x, y) {
    const isWater = (dx, dy) => grounds[at(x + dx, y + dy)] === "Water";
    if (!isWater(0, -5)) return 0.62;
    if (!isWater(2, 0) || !isWater(-2, 0) || !isWater(0, 2)) return 1.45;
    if (!isWater(9, 0) || !isWater(-9, 0) || !isWater(0, 9) || !isWater(0, -14)) return 1.14;
    return 1;
  }

  #details(context, bx, by) {
    // With the rim: what grows there may reach into the block.
    for (let y = BLOCK - 1 + RIM; y >= -RIM; y--) {
      for (let x = -RIM; x < BLOCK + RIM; x++) {
        const [tx, ty] = [bx * BLOCK + x, by * BLOCK + y];
        const number = this.#terrain.biome(tx, ty);
        const biome = this.#terrain.biomes[number];
        if (!biome) continue;
        const [left, top] = [x * FINE, (BLOCK - 1 - y) * FINE];
        if (this.#mood.ground === "streets") this.#street(context, biome, tx, ty, left, top);
        else this.#growth(context, biome, tx, ty, left, top);
      }
    }
  }

  /** Tufts, pebbles and cracks, by what the land looks like. */
  #growth(context, biome, tx, ty, left, top) {
    if (biome.ground === "Water") return;
    if (biome.ground !== "Rock") this.#mark(context, biome, tx, ty, left, top);
    const [r, g, b] = channels(biome.color);
    const green = g > r * 1.04 && g > b * 1.1;
    const rock = biome.ground === "Rock";
    // Growth comes in patches: even scatter looks like a pattern.
    const patch = smooth(tx * 0.31 + 7, ty * 0.31);
    const full = biome.ground === "Slow" ? 13 : rock ? 4 : 9;
    const count = Math.round(full * (0.25 + 1.1 * patch));
    for (let i = 0; i < count; i++) {
      const x = left + chance(tx, ty, i * 3) * FINE;
      const y = top + chance(tx, ty, i * 3 + 1) * FINE;
      const kind = chance(tx, ty, i * 3 + 2);
      if (rock) this.#crack(context, x, y, kind, biome.color);
      else if (green && kind < 0.93) this.#tuft(context, x, y, kind, biome.color);
      else if (!green && kind > 0.94) this.#crack(context, x, y, kind, biome.color);
      else if (kind > 0.55) this.#pebble(context, x, y, (kind - 0.55) * 2.2, biome.color);
    }
  }

  /** What is particular to a genre's ground: now and then, large. */
  #mark(context, biome, tx, ty, left, top) {
    const luck = chance(tx, ty, 91);
    const [x, y] = [left + chance(tx, ty, 92) * FINE, top + chance(tx, ty, 93) * FINE];
    const size = 7 + chance(tx, ty, 94) * 20;
    switch (this.#mood.mark) {
      case "crater":
        if (luck > 0.1) return;
        oval(context, x, y, size, 0.62, mix(biome.color, "#000000", 0.3));
        oval(context, x, y + size * 0.12, size * 0.86, 0.58, mix(biome.color, "#000000", 0.14));
        context.strokeStyle = mix(biome.color, "#ffffff", 0.28);
        context.lineWidth = 1.8;
        context.beginPath();
        context.ellipse(x, y, size, size * 0.62, 0, 0.1, Math.PI - 0.1);
        context.stroke();
        break;
      case "puddle":
        if (luck > 0.13 || biome.ground !== "Slow" && luck > 0.05) return;
        oval(context, x, y, size, 0.42, mix(biome.color, "#05070a", 0.66));
        oval(context, x - size * 0.25, y - size * 0.1, size * 0.3, 0.3, mix(biome.color, "#c8d6d8", 0.25));
        break;
      case "crack":
        if (luck > 0.3) return;
        context.strokeStyle = mix(biome.color, "#1c0f06", 0.45);
        context.lineWidth = 1.6;
        for (let arm = 0; arm < 3; arm++) {
          let [px, py] = [x, y];
          let turn = chance(tx, ty, 95 + arm) * 6.28;
          context.beginPath();
          context.moveTo(px, py);
          for (let i = 0; i < 4; i++) {
            turn += (chance(tx * 5 + i, ty, 98 + arm) - 0.5) * 1.6;
            px += Math.cos(turn) * size * 0.6;
            py += Math.sin(turn) * size * 0.45;
            context.lineTo(px, py);
          }
          context.stroke();
        }
        break;
    }
  }

  #tuft(context, x, y, kind, color) {
    const size = 4 + (kind % 0.31) * 22;
    context.lineWidth = 1.6;
    context.lineCap = "round";
    context.strokeStyle = mix(color, "#10330f", 0.42);
    context.beginPath();
    for (const lean of [-0.5, 0, 0.55]) {
      context.moveTo(x + lean * 4, y);
      context.quadraticCurveTo(x + lean * 4, y - size * 0.6, x + lean * size, y - size);
    }
    context.stroke();
    context.strokeStyle = mix(color, "#f2ffb0", 0.3);
    context.beginPath();
    context.moveTo(x + 1, y);
    context.lineTo(x + 2, y - size * 0.8);
    context.stroke();
    if (kind > 0.85 && this.#mood.weather === "motes") {
      context.fillStyle = ["#ffe9a8", "#f2b5d0", "#d6e4ff", "#fff"][Math.floor(kind * 1000) % 4];
      context.beginPath();
      context.arc(x + 2, y - size, 2.2, 0, 7);
      context.fill();
    }
  }

  #pebble(context, x, y, kind, color) {
    const size = 1.6 + kind * 2.8;
    context.fillStyle = mix(color, "#000000", 0.32);
    context.beginPath();
    context.ellipse(x + 0.8, y + 1, size * 1.25, size * 0.8, 0, 0, 7);
    context.fill();
    context.fillStyle = mix(color, "#ffffff", 0.16);
    context.beginPath();
    context.ellipse(x, y, size * 1.1, size * 0.7, 0, 0, 7);
    context.fill();
  }

  #crack(context, x, y, kind, color) {
    context.strokeStyle = mix(color, "#000000", 0.3);
    context.lineWidth = 1.4;
    context.beginPath();
    context.moveTo(x, y);
    let [px, py] = [x, y];
    for (let i = 0; i < 3; i++) {
      px += (chance(Math.round(x), Math.round(y), i) - 0.4) * 14;
      py += (chance(Math.round(y), Math.round(x), i) - 0.4) * 10;
      context.lineTo(px, py);
    }
    context.stroke();
    if (kind > 0.5) {
      context.strokeStyle = mix(color, "#ffffff", 0.14);
      context.beginPath();
      context.moveTo(x - 1, y + 1.4);
      context.lineTo(px - 1, py + 1.4);
      context.stroke();
    }
  }

  /** A city by the ruler: slabs, gutters, roofs with lit windows. */
  #street(context, biome, tx, ty, left, top) {
    const luck = chance(tx, ty, 5);
    const neon = this.#mood.cloth[Math.floor(chance(tx, ty, 6) * this.#mood.cloth.length)];
    if (biome.ground === "Rock") {
      const south = this.#terrain.biomes[this.#terrain.biome(tx, ty - 1)]?.ground;
      const face = south !== "Rock" ? 40 : 0;
      const roof = FINE - face;
      context.fillStyle = mix(biome.color, "#000000", 0.25);
      context.fillRect(left + 2, top + 2, FINE - 4, roof - 4);
      context.strokeStyle = mix(biome.color, "#ffffff", 0.12);
      context.lineWidth = 1;
      context.strokeRect(left + 5.5, top + 5.5, FINE - 11, Math.max(4, roof - 11));
      if (luck < 0.4 && roof > 40) {
        context.fillStyle = mix(biome.color, "#ffffff", 0.1);
        context.fillRect(left + 14, top + 14, 20, 14);
        context.fillStyle = "#00000066";
        context.fillRect(left + 14, top + 28, 20, 4);
      }
      if (face > 0) {
        for (let row = 0; row < 2; row++) {
          for (let column = 0; column < 5; column++) {
            const lit = chance(tx * 7 + column, ty * 5 + row, 9);
            context.fillStyle = lit > 0.62 ? (lit > 0.85 ? neon : "#ffd98a") : "#14142a";
            context.fillRect(left + 6 + column * 11, top + roof + 7 + row * 14, 7, 8);
          }
        }
        if (luck > 0.7) {
          context.fillStyle = neon;
          context.fillRect(left + 8, top + roof, FINE - 16, 3);
        }
      }
      return;
    }
    if (biome.ground === "Water") return;
    context.strokeStyle = mix(biome.color, "#000000", 0.35);
    context.lineWidth = 1.5;
    const half = FINE / 2;
    for (const [x, y] of [[0, 0], [half, 0], [0, half], [half, half]]) {
      context.strokeRect(left + x + 0.5, top + y + 0.5, half, half);
    }
    context.fillStyle = mix(biome.color, "#ffffff", 0.05 + 0.05 * luck);
    if (luck > 0.5) context.fillRect(left + half + 2, top + 2, half - 4, half - 4);
    if (luck > 0.93) {
      context.fillStyle = "#00000055";
      context.beginPath();
      context.arc(left + half, top + half, 9, 0, 7);
      context.fill();
      context.strokeStyle = mix(biome.color, "#ffffff", 0.25);
      context.stroke();
    }
    if (luck < 0.1) {
      // A puddle with a sign in it.
      const shine = context.createRadialGradient(left + half, top + half, 2, left + half, top + half, 20);
      shine.addColorStop(0, `${neon}66`);
      shine.addColorStop(1, `${neon}00`);
      context.fillStyle = shine;
      context.beginPath();
      context.ellipse(left + half, top + half, 20, 9, 0, 0, 7);
      context.fill();
    }
    if (biome.ground === "Slow") {
      for (let i = 0; i < 6; i++) {
        const [x, y] = [left + chance(tx, ty, 20 + i) * 54, top + chance(ty, tx, 20 + i) * 54];
        context.fillStyle = i % 3 === 0 ? `${neon}99` : mix(biome.color, i % 2 ? "#000000" : "#ffffff", 0.22);
        context.fillRect(x, y, 4 + chance(tx, i) * 7, 3 + chance(ty, i) * 5);
      }
    }
  }
}

function oval(context, x, y, size, flat, color) {
  context.fillStyle = color;
  context.beginPath();
  context.ellipse(x, y, size, size * flat, 0, 0, 7);
  context.fill();
}
