// The picture, once a frame, from the ground up.

import { Kind, Pose } from "../protocol.js";
import { pose } from "../view.js";
import { drawPlayer, drawThing, looks, shine } from "./bodies.js";
import { Camera } from "./camera.js";
import { Effects } from "./effects.js";
import { Ground } from "./ground.js";
import { drawBubble, drawLabel } from "./labels.js";
import { Lights, glow } from "./lights.js";
import { MOODS, nightness, timeOfDay } from "./mood.js";
import { chance } from "./noise.js";
import { TILE_MM } from "../terrain.js";
import { Weather } from "./weather.js";

/** Ground that is fetched: as far as the small map reaches. */
const SEEN_MM = 150_000;
/** Blocks of ground painted in one frame. */
const GROUND_BUDGET = 1;
/** The own body lights its surroundings a little, so that nobody stands in full darkness. */
const OWN_LIGHT_METRES = 6;

export class Scene {
  #canvas;
  #context;
  #session;
  #content;
  #ground;
  #groundOf;
  #weather;
  #lights = new Lights();
  /** What moved how since the last frame, by id: for legs, and for which way bodies look. */
  #motions = new Map();
  #boxes = [];
  mood;
  camera = new Camera();
  effects = new Effects();
  /** Entity under the pointer, or chosen by keys. */
  hover;
  /** Frames of the last second, for the status line and tests. */
  framesPerSecond = 0;
  /** What drawing a frame takes this program, on average. */
  drawMilliseconds = 0;
  #frames = [];

  constructor(canvas, session, content) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
    this.#session = session;
    this.#content = content;
    this.mood = MOODS[session.welcome.genre];
    this.#weather = new Weather(this.mood.weather);
    this.resize();
  }

  resize() {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const { clientWidth, clientHeight } = this.#canvas;
    this.#canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.#canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    this.ratio = ratio;
    this.camera.resize(clientWidth, clientHeight);
  }

  /** The entity at a pixel; what stands nearer to the viewer first, bodies before things. */
  pick(px, py) {
    let best;
    for (const box of this.#boxes) {
      if (px < box.left || px > box.right || py < box.top || py > box.bottom) continue;
      const moving = box.entity.kind <= Kind.Creature;
      if (!best || (moving && !best.moving) || (moving === best.moving && box.foot >= best.foot)) {
        best = { ...box, moving };
      }
    }
    return best?.entity;
  }

  /** Middle of an entity in the picture, in CSS pixels. */
  screenOf(id) {
    const box = this.#boxes.find(({ entity }) => entity.id === id);
    return box && { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 };
  }

  /** Draws a frame. */
  draw(now, elapsed) {
    const began = performance.now();
    this.#count(now);
    const context = this.#context;
    const { camera } = this;
    const session = this.#session;
    const place = session.place;
    camera.look(place);
    session.terrain.approach(place, SEEN_MM);
    if (this.#groundOf !== session.terrain) {
      this.#groundOf = session.terrain;
      this.#ground = new Ground(session.terrain, this.mood);
    }
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.fillStyle = this.mood.fog;
    context.fillRect(0, 0, camera.width, camera.height);
    const seen = camera.bounds();
    this.#ground.draw(context, seen.west, seen.south, seen.east, seen.north, camera.toScreen, camera.scale, GROUND_BUDGET);
    const seconds = now / 1000;
    this.#shimmer(seen, seconds);
    this.#marks(seconds);
    const shown = this.#gather(place, elapsed);
    for (const item of shown) this.#drawBody(item, now);
    this.#night(shown, seconds);
    for (const item of shown) this.#words(item, now);
    this.effects.draw(context, camera.toScreen, camera.scale, now);
    this.drawMilliseconds += (performance.now() - began - this.drawMilliseconds) * 0.05;
  }

  #count(now) {
    this.#frames.push(now);
    while (this.#frames[0] < now - 1000) this.#frames.shift();
    this.framesPerSecond = this.#frames.length;
  }

  /** Everything in sight with its place, from north to south. */
  #gather(place, elapsed) {
    const { camera } = this;
    const session = this.#session;
    const bounds = camera.bounds(4);
    const shown = [];
    const add = (entity, at, own) => {
      const motion = this.#motionOf(entity, at, elapsed);
      if (at.x < bounds.west || at.x > bounds.east || at.y < bounds.south || at.y > bounds.north) return;
      const [x, y] = camera.toScreen(at.x, at.y);
      shown.push({ entity, at, x, y, own, motion, height: 0 });
    };
    for (const entity of session.view.entities()) add(entity, session.placeOf(entity), false);
    add(this.#ownEntity(), place, true);
    for (const id of this.#motions.keys()) {
      if (id !== session.welcome.entity && !session.view.get(id)) this.#motions.delete(id);
    }
    shown.sort((a, b) => b.at.y - a.at.y);
    this.#boxes = [];
    return shown;
  }

  /** The own body as others see it; the server does not send it. */
  #ownEntity() {
    const { own, name, welcome, alive } = this.#session;
    const { health, maxHealth } = own.vitals;
    const fifteenths = maxHealth > 0 ? Math.min(15, Math.ceil((15 * health) / maxHealth)) : 15;
    let state = [Pose.None, Pose.Gathering, Pose.Crafting][own.activity.kind];
    if (performance.now() < this.#fightingUntil) state = Pose.Fighting;
    if (!alive) state = Pose.Dead;
    return { id: welcome.entity, kind: Kind.Player, name, subtype: 0, look: (state << 4) | fifteenths };
  }

  #fightingUntil = 0;

  /** The own arm swings. */
  strike() {
    this.#fightingUntil = performance.now() + 600;
  }

  #motionOf(entity, at, elapsed) {
    if (entity.kind > Kind.Creature) return STILL;
    let motion = this.#motions.get(entity.id);
    if (!motion) {
      motion = { x: at.x, y: at.y, walked: 0, speed: 0, moving: false, left: false };
      this.#motions.set(entity.id, motion);
    }
    const way = Math.hypot(at.x - motion.x, at.y - motion.y) / 1000;
    const speed = elapsed > 0 && way < 5 ? (way * 1000) / elapsed : 0;
    motion.speed += (speed - motion.speed) * Math.min(1, elapsed / 90);
    motion.walked += Math.min(way, 1);
    motion.moving = motion.speed > 0.35;
    if (Math.abs(at.x - motion.x) > 4) motion.left = at.x < motion.x;
    motion.x = at.x;
    motion.y = at.y;
    return motion;
  }

  #drawBody(item, now) {
    const { entity, x, y, own, motion } = item;
    const { scale } = this.camera;
    const how = {
      seconds: now / 1000, scale, ratio: this.ratio, content: this.#content, mood: this.mood,
      genre: this.#session.welcome.genre, flashing: this.effects.isFlashing(entity.id, now), motion,
      hand: own ? this.#content.item(this.#session.own.equipment[0]) : undefined,
    };
    item.height = entity.kind === Kind.Player
      ? drawPlayer(this.#context, entity, x, y, how)
      : drawThing(this.#context, entity, x, y, how);
    const half = Math.max(10, (looks(entity, this.#content).size * scale) * 0.4);
    if (!own) {
      this.#boxes.push({ entity, left: x - half, right: x + half, top: y - item.height, bottom: y + 5, foot: y });
    }
  }

  #words({ entity, x, y, own, height }, now) {
    const name = own ? this.#session.name : this.#content.nameOf(entity);
    const hover = this.hover === entity.id;
    drawLabel(this.#context, entity, name, x, y, height, { own, hover, accent: this.mood.accent });
    const said = this.effects.saidBy(entity.id, now);
    if (said) drawBubble(this.#context, said, x, y - height - 20, this.mood.accent);
  }

  /** Rings on the ground: where one walks, what one does something to, what is under the pointer. */
  #marks(seconds) {
    const session = this.#session;
    const goal = this.goal?.();
    const ring = (at, metres, color, width) => {
      const [x, y] = this.camera.toScreen(at.x, at.y);
      const r = metres * this.camera.scale;
      this.#context.strokeStyle = color;
      this.#context.lineWidth = width;
      this.#context.beginPath();
      this.#context.ellipse(x, y, r, r * 0.42, 0, 0, 7);
      this.#context.stroke();
    };
    if (goal?.place) {
      const beat = (seconds * 1.4) % 1;
      ring(goal.place, 0.25 + beat * 0.5, `${this.mood.accent}${hex(1 - beat)}`, 2.5);
      ring(goal.place, 0.25, `${this.mood.accent}cc`, 2);
    }
    for (const [id, strong] of [[this.hover, false], [goal?.target, true]]) {
      const entity = id === undefined ? undefined : session.view.get(id);
      if (!entity) continue;
      const hostile = entity.kind === Kind.Creature;
      const color = hostile ? "#ff6a5c" : this.mood.accent;
      const size = looks(entity, this.#content).size * 0.42 + 0.12 + (strong ? 0.05 * Math.sin(seconds * 6) : 0);
      ring(session.placeOf(entity), size, strong ? color : `${color}99`, strong ? 3 : 2);
    }
  }

  #shimmer(seen, seconds) {
    const { terrain } = this.#session;
    const context = this.#context;
    const streets = this.mood.ground === "streets";
    context.lineWidth = 1.5;
    context.lineCap = "round";
    for (let ty = Math.floor(seen.south / TILE_MM); ty <= seen.north / TILE_MM; ty++) {
      for (let tx = Math.floor(seen.west / TILE_MM); tx <= seen.east / TILE_MM; tx++) {
        if (terrain.biomes[terrain.biome(tx, ty)]?.ground !== "Water") continue;
        for (let i = 0; i < 2; i++) {
          const phase = (seconds * 0.24 + chance(tx, ty, 40 + i)) % 1;
          const [x, y] = this.camera.toScreen(
            (tx + 0.15 + 0.7 * chance(tx, ty, 50 + i)) * TILE_MM, (ty + 0.15 + 0.7 * chance(tx, ty, 60 + i)) * TILE_MM,
          );
          const width = (0.3 + 0.5 * chance(tx, ty, 70 + i)) * this.camera.scale * Math.sin(phase * Math.PI);
          context.strokeStyle = streets && i === 0
            ? `${this.mood.cloth[Math.floor(chance(tx, ty, 80) * 6)]}${hex(0.4 * Math.sin(phase * Math.PI))}`
            : `rgba(255, 255, 255, ${0.26 * Math.sin(phase * Math.PI)})`;
          context.beginPath();
          context.moveTo(x - width / 2, y);
          context.quadraticCurveTo(x, y - 3, x + width / 2, y);
          context.stroke();
        }
      }
    }
  }

  /** The part of the night that is there, 0 to 1. */
  get night() {
    const { welcome, tick } = this.#session;
    return nightness(timeOfDay(tick, welcome.tickRate, this.#content.genre.day_seconds));
  }

  #night(shown, seconds) {
    const context = this.#context;
    const { camera, mood } = this;
    const { night } = this;
    const darkness = mood.dusk + (mood.darkness - mood.dusk) * night;
    const lights = [];
    for (const { entity, x, y, own, height } of shown) {
      if (own) {
        const carries = this.#content.item(this.#session.own.equipment[0]);
        const lamp = carries?.device === "Light" ? Math.min(12, carries.radius_mm / 1000) : 0;
        lights.push({ x, y: y - height / 2, radius: Math.max(OWN_LIGHT_METRES, lamp) * camera.scale, strength: lamp > 0 ? 1 : 0.75 });
      } else if (entity.kind === Kind.Player) {
        lights.push({ x, y: y - height / 2, radius: 2.5 * camera.scale, strength: 0.45 });
      }
      const light = pose(entity) === Pose.Dead ? undefined : shine(entity, this.#content);
      if (light) {
        const flicker = 1 + 0.04 * Math.sin(seconds * 9 + x);
        lights.push({ x, y: y - height / 2, radius: light[0] * camera.scale * flicker, strength: light[1] });
      }
    }
    const [cameraX, cameraY] = [(camera.x / 1000) * camera.scale, (-camera.y / 1000) * camera.scale];
    this.#weather.draw(context, camera.width, camera.height, { x: cameraX, y: cameraY }, seconds, night);
    this.#lights.draw(context, camera.width, camera.height, mood.night, darkness, lights);
    context.globalCompositeOperation = "lighter";
    if (darkness > 0.12) {
      for (const { entity, x, y, height } of shown) {
        const light = shine(entity, this.#content);
        if (!light) continue;
        const radius = light[0] * 0.55 * camera.scale;
        context.globalAlpha = Math.min(0.55, darkness * 0.6) * light[1];
        context.drawImage(glow(mood.lamp), x - radius, y - height / 2 - radius, 2 * radius, 2 * radius);
      }
      if (mood.ground === "streets") this.#neon(darkness, seconds);
    }
    context.globalAlpha = 1;
    context.globalCompositeOperation = "source-over";
    context.fillStyle = mood.tint;
    context.fillRect(0, 0, camera.width, camera.height);
    this.#vignette();
  }

  /** Signs on the faces of buildings shine through the dark. */
  #neon(darkness, seconds) {
    const context = this.#context;
    const { terrain } = this.#session;
    const seen = this.camera.bounds(2);
    for (let ty = Math.floor(seen.south / TILE_MM); ty <= seen.north / TILE_MM; ty++) {
      for (let tx = Math.floor(seen.west / TILE_MM); tx <= seen.east / TILE_MM; tx++) {
        if (chance(tx, ty, 5) < 0.7 || terrain.biomes[terrain.biome(tx, ty)]?.ground !== "Rock") continue;
        if (terrain.biomes[terrain.biome(tx, ty - 1)]?.ground === "Rock") continue;
        const color = this.mood.cloth[Math.floor(chance(tx, ty, 6) * this.mood.cloth.length)];
        const [x, y] = this.camera.toScreen((tx + 0.5) * TILE_MM, ty * TILE_MM + 1800);
        const radius = 3.4 * this.camera.scale;
        const broken = chance(tx, ty, 8) > 0.85 && Math.sin(seconds * 23 + tx) > 0.3;
        context.globalAlpha = broken ? 0.15 : 0.5 * Math.min(1, darkness * 1.6);
        context.drawImage(glow(color), x - radius, y - radius, 2 * radius, 2 * radius);
      }
    }
  }

  #vignette() {
    const { width, height } = this.camera;
    const context = this.#context;
    if (this.#vignetteOf?.width !== width || this.#vignetteOf?.height !== height) {
      const shade = context.createRadialGradient(
        width / 2, height / 2, Math.min(width, height) * 0.42, width / 2, height / 2, Math.hypot(width, height) * 0.56,
      );
      shade.addColorStop(0, "rgba(0, 0, 0, 0)");
      shade.addColorStop(1, "rgba(2, 3, 8, 0.55)");
      this.#vignetteOf = { width, height, shade };
    }
    context.fillStyle = this.#vignetteOf.shade;
    context.fillRect(0, 0, width, height);
  }

  #vignetteOf;
}

const STILL = Object.freeze({ moving: false, left: false, walked: 0 });

/** Two hexadecimal digits of an alpha from 0 to 1. */
function hex(alpha) {
  return Math.round(Math.min(1, Math.max(0, alpha)) * 255).toString(16).padStart(2, "0");
}
