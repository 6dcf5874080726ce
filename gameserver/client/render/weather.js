// What is in the air: pollen, driven dust, mist, rain, ash. Decoration only, bounded, and none where the
// player's system asks for little motion.

import { chance } from "./noise.js";

const MOST = 130;

export class Weather {
  #kind;
  #bits = [];
  #calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  constructor(kind) {
    this.#kind = kind;
    const count = kind === "mist" ? 14 : kind === "rain" ? MOST : 70;
    for (let i = 0; i < count; i++) {
      this.#bits.push({ x: chance(i, 1), y: chance(i, 2), size: chance(i, 3), phase: chance(i, 4) });
    }
  }

  /** Things drift with the ground: `camera` is in pixels. */
  draw(context, width, height, camera, seconds, night) {
    if (this.#calm) return;
    for (const bit of this.#bits) this.#one(context, bit, width, height, camera, seconds, night);
  }

  #one(context, bit, width, height, camera, seconds, night) {
    const around = (value, size) => ((value % size) + size) % size;
    const at = (vx, vy, depth, margin = 40) => [
      around(bit.x * width + vx * seconds - camera.x * depth, width + 2 * margin) - margin,
      around(bit.y * height + vy * seconds - camera.y * depth, height + 2 * margin) - margin,
    ];
    switch (this.#kind) {
      case "motes": {
        const [x, y] = at(6 + bit.size * 8, -4 + Math.sin(seconds + bit.phase * 9) * 6, 1);
        // By night they are fireflies.
        const glow = night > 0.4 ? 0.5 + 0.5 * Math.sin(seconds * 2 + bit.phase * 20) : 0.5;
        context.globalAlpha = glow * (night > 0.4 ? 0.9 : 0.35);
        context.fillStyle = night > 0.4 ? "#e8ff9a" : "#fff6cf";
        context.beginPath();
        context.arc(x, y, 0.8 + bit.size * 1.4, 0, 7);
        context.fill();
        break;
      }
      case "dust":
      case "ash": {
        const fast = this.#kind === "dust";
        const [x, y] = at(fast ? 60 + bit.size * 120 : 22 + bit.size * 30, fast ? 8 : 16 + bit.size * 14, 1);
        context.globalAlpha = 0.12 + bit.size * 0.22;
        context.fillStyle = fast ? "#cfe4ff" : "#e6c79a";
        if (fast) context.fillRect(x, y, 5 + bit.size * 12, 1);
        else context.fillRect(x, y, 1 + bit.size * 2, 1 + bit.phase * 2);
        break;
      }
      case "mist": {
        const size = 160 + bit.size * 220;
        const [x, y] = at(7 + bit.size * 9, 2, 0.9, size);
        const fade = context.createRadialGradient(x, y, 0, x, y, size);
        fade.addColorStop(0, "rgba(168, 182, 176, 0.10)");
        fade.addColorStop(1, "rgba(168, 182, 176, 0)");
        context.globalAlpha = 1;
        context.fillStyle = fade;
        context.fillRect(x - size, y - size, 2 * size, 2 * size);
        break;
      }
      case "rain": {
        const [x, y] = at(-90, 620 + bit.size * 260, 1);
        context.globalAlpha = 0.1 + bit.size * 0.16;
        context.strokeStyle = "#b8c8ff";
        context.lineWidth = 1;
        context.beginPath();
        context.moveTo(x, y);
        context.lineTo(x - 2.5, y + 12 + bit.size * 10);
        context.stroke();
        break;
      }
    }
    context.globalAlpha = 1;
  }
}
