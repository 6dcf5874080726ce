// What flares up and is gone: blows, gains, words over heads.

const MOST = 80;
const RISE_MS = 1_100;
const SAY_MS = 5_500;
const FLASH_MS = 160;
const SPARKS_MS = 420;

export class Effects {
  #rising = [];
  #said = new Map();
  #flashes = new Map();
  #sparks = [];

  /** A word that rises from a place, in millimetres. */
  rise(place, text, color, large = false) {
    this.#rising.push({ place: { ...place }, text, color, large, at: performance.now(), drift: Math.random() - 0.5 });
    if (this.#rising.length > MOST) this.#rising.shift();
  }

  /** Someone's body lights up from a blow. */
  flash(id, place) {
    this.#flashes.set(id, performance.now());
    this.#sparks.push({ place: { ...place }, at: performance.now(), turn: Math.random() * 6.3 });
    if (this.#sparks.length > MOST) this.#sparks.shift();
  }

  /** Words over a head. */
  say(id, text) {
    this.#said.set(id, { text, at: performance.now() });
  }

  isFlashing(id, now) {
    return now - (this.#flashes.get(id) ?? -Infinity) < FLASH_MS;
  }

  saidBy(id, now) {
    const said = this.#said.get(id);
    return said && now - said.at < SAY_MS ? said.text : undefined;
  }

  draw(context, toScreen, scale, now) {
    this.#rising = this.#rising.filter((word) => now - word.at < RISE_MS);
    this.#sparks = this.#sparks.filter((spark) => now - spark.at < SPARKS_MS);
    for (const [id, said] of this.#said) if (now - said.at >= SAY_MS) this.#said.delete(id);
    for (const [id, at] of this.#flashes) if (now - at >= FLASH_MS) this.#flashes.delete(id);
    for (const { place, at, turn } of this.#sparks) {
      const part = (now - at) / SPARKS_MS;
      const [x, y] = toScreen(place.x, place.y);
      context.globalAlpha = 1 - part;
      context.strokeStyle = "#fff1c9";
      context.lineWidth = 2.2 * (1 - part);
      context.beginPath();
      for (let i = 0; i < 6; i++) {
        const angle = turn + i * 1.05;
        const [from, to] = [scale * (0.25 + part * 0.5), scale * (0.4 + part * 0.9)];
        context.moveTo(x + Math.cos(angle) * from, y - scale * 0.9 + Math.sin(angle) * from);
        context.lineTo(x + Math.cos(angle) * to, y - scale * 0.9 + Math.sin(angle) * to);
      }
      context.stroke();
    }
    context.textAlign = "center";
    context.lineJoin = "round";
    for (const { place, text, color, large, at, drift } of this.#rising) {
      const part = (now - at) / RISE_MS;
      const [x, y] = toScreen(place.x, place.y);
      context.globalAlpha = Math.min(1, 2.4 * (1 - part));
      context.font = `700 ${large ? 19 : 15}px system-ui, sans-serif`;
      const [tx, ty] = [x + drift * 26, y - scale * 1.9 - part * 34];
      context.strokeStyle = "rgba(10, 10, 18, 0.85)";
      context.lineWidth = 4;
      context.strokeText(text, tx, ty);
      context.fillStyle = color;
      context.fillText(text, tx, ty);
    }
    context.globalAlpha = 1;
  }
}
