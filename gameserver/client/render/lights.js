// Night, and what shines in it. The dark is painted on a small canvas with holes where light is, and
// laid over the picture, which makes the edges soft for nothing.

/** The dark is this many times coarser than the picture. */
const COARSE = 6;

export class Lights {
  #canvas = document.createElement("canvas");

  /**
   * @param {{x: number, y: number, radius: number, strength?: number}[]} lights in pixels
   */
  draw(context, width, height, color, darkness, lights) {
    if (darkness <= 0.01) return;
    const canvas = this.#canvas;
    const [w, h] = [Math.ceil(width / COARSE), Math.ceil(height / COARSE)];
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
    }
    const dark = canvas.getContext("2d");
    dark.globalCompositeOperation = "source-over";
    dark.clearRect(0, 0, w, h);
    dark.globalAlpha = darkness;
    dark.fillStyle = color;
    dark.fillRect(0, 0, w, h);
    dark.globalAlpha = 1;
    dark.globalCompositeOperation = "destination-out";
    for (const { x, y, radius, strength = 1 } of lights) {
      const [cx, cy, r] = [x / COARSE, y / COARSE, radius / COARSE];
      if (cx < -r || cy < -r || cx > w + r || cy > h + r) continue;
      const hole = dark.createRadialGradient(cx, cy, 0, cx, cy, r);
      hole.addColorStop(0, `rgba(0, 0, 0, ${0.95 * strength})`);
      hole.addColorStop(0.45, `rgba(0, 0, 0, ${0.6 * strength})`);
      hole.addColorStop(1, "rgba(0, 0, 0, 0)");
      dark.fillStyle = hole;
      dark.fillRect(cx - r, cy - r, 2 * r, 2 * r);
    }
    context.imageSmoothingEnabled = true;
    context.drawImage(canvas, 0, 0, w * COARSE, h * COARSE);
  }
}

const glows = new Map();

/** A glow that adds to what is below it; drawn once per color. */
export function glow(color) {
  let canvas = glows.get(color);
  if (!canvas) {
    canvas = document.createElement("canvas");
    canvas.width = canvas.height = 128;
    const context = canvas.getContext("2d");
    const shine = context.createRadialGradient(64, 64, 0, 64, 64, 64);
    shine.addColorStop(0, `${color}cc`);
    shine.addColorStop(0.35, `${color}44`);
    shine.addColorStop(1, `${color}00`);
    context.fillStyle = shine;
    context.fillRect(0, 0, 128, 128);
    glows.set(color, canvas);
  }
  return canvas;
}
