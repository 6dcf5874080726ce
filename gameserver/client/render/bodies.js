// How things and bodies stand in the picture: their size, shape, movement and shadow.

import { Kind, Pose } from "../protocol.js";
import { health, pose } from "../view.js";
import { drawFigure, nameHash } from "./figure.js";
import { sprite } from "./glyphs.js";
import { chance } from "./noise.js";

/** Height in metres; what is not named is as its kind. */
const CREATURES = {
  rat: 1.0, bat: 1.2, bug: 1.2, spider: 1.4, snake: 1.4, slime: 1.4, beast: 1.8, wolf: 1.7, deer: 2.0, bear: 2.3,
  person: 2.0, robot: 2.1, drone: 1.4, ghost: 2.0, dragon: 3.0, eye: 1.5, crab: 1.5, bird: 1.2, worm: 1.8,
};
const STANDING = {
  tree: 3.6, "dead-tree": 3.2, rock: 1.8, vein: 1.9, bush: 1.5, crate: 1.4, wreck: 2.4, reeds: 1.6, fungus: 1.5,
  pile: 1.5, pool: 1.7, cactus: 2.0, grave: 1.6, herb: 1.0, mushroom: 1.0, berry: 1.1, leaf: 1.0, crystal: 1.6,
  barrel: 1.4, stone: 1.2, house: 3.8, dome: 3.8, obelisk: 3.0, beacon: 2.8, forge: 2.6, shower: 2.5, well: 2.4,
  fire: 1.8, terminal: 2.0, altar: 2.0, cauldron: 1.9, lab: 2.2, still: 2.2, loom: 2.3, bench: 2.0,
};
const FLYING = new Set(["bat", "bird", "drone", "ghost", "eye"]);
/** These shine by themselves: [metres, part of the dark that they take]. */
const SHINING = {
  fire: [9, 1], forge: [6, 0.9], torch: [6, 0.9], altar: [5, 0.8], terminal: [4, 0.8], beacon: [8, 1], dome: [7, 0.9],
  house: [6, 0.9], obelisk: [4.5, 0.8], lab: [4, 0.7], cauldron: [4, 0.7], crystal: [3, 0.6], fungus: [2, 0.4],
  shower: [3, 0.6], ghost: [2.5, 0.5], drone: [2.5, 0.6], eye: [2, 0.4], robot: [2, 0.4], bench: [2.5, 0.5],
  well: [2, 0.3], still: [2.5, 0.5], loom: [2.5, 0.5],
};

/** What an entity looks like: {glyph, color, size in metres, flying}. */
export function looks(entity, content) {
  if (entity.kind === Kind.Player) return { glyph: "person", color: "#dddddd", size: 2.05, flying: false };
  if (entity.kind === Kind.Loot) return { glyph: "sack", color: "#c9a15a", size: 0.9, flying: false };
  const { glyph = "stone", color = "#888888" } = content.definition(entity) ?? {};
  const size = entity.kind === Kind.Creature ? CREATURES[glyph] ?? 1.5 : STANDING[glyph] ?? 1.5;
  return { glyph, color, size, flying: FLYING.has(glyph) };
}

/** How far an entity lights the dark: [metres, strength], if at all. */
export function shine(entity, content) {
  if (entity.kind === Kind.Player || entity.kind === Kind.Loot) return undefined;
  const definition = content.definition(entity);
  const light = SHINING[definition?.glyph];
  if (definition?.kind === "Haven") return [Math.max(light?.[0] ?? 0, Math.min(12, definition.radius_mm / 1000)), 1];
  return light;
}

export function drawShadow(context, x, y, width, height = 0) {
  context.fillStyle = "rgba(4, 6, 14, 0.34)";
  context.beginPath();
  context.ellipse(x + width * 0.12, y, width * 0.5, width * 0.2 * (1 - height * 0.3), 0, 0, 7);
  context.fill();
}

/**
 * Draws an entity that is not a player, its foot at pixel (x, y).
 * @param {{seconds: number, scale: number, content: object, flashing: boolean, motion: {moving: boolean, left: boolean, walked: number}}} how
 */
export function drawThing(context, entity, x, y, how) {
  const { glyph, color, size, flying } = looks(entity, how.content);
  const state = pose(entity);
  const luck = chance(Number(BigInt.asUintN(31, BigInt(entity.id))), 3);
  const creature = entity.kind === Kind.Creature;
  const grown = creature || entity.kind === Kind.Station ? 1 : 0.88 + luck * 0.24;
  const pixels = size * grown * how.scale;
  const dead = state === Pose.Dead;
  const depleted = state === Pose.Depleted;
  const float = flying && !dead ? (0.45 + 0.12 * Math.sin(how.seconds * 3 + luck * 9)) * how.scale : 0;
  drawShadow(context, x, y, pixels * (creature ? 0.8 : 0.85), flying ? 1 : 0);
  context.save();
  context.translate(x, y - float + pixels * 0.05);
  if (dead) {
    context.globalAlpha = 0.75;
    context.scale(1, -1);
    context.translate(0, pixels * 0.92);
  } else if (depleted) {
    context.globalAlpha = 0.45;
    context.scale(0.72, 0.55);
  } else if (creature) {
    const hop = how.motion.moving && !flying ? Math.abs(Math.sin(how.motion.walked * 2.6)) * 0.1 : 0;
    const breathe = 1 + 0.025 * Math.sin(how.seconds * 2.4 + luck * 9);
    context.translate(0, -hop * how.scale);
    if (state === Pose.Fighting) context.translate(Math.sin(how.seconds * 16) * how.scale * 0.12, 0);
    context.scale(how.motion.left ? -1 : 1, breathe);
  } else if (glyph === "tree" || glyph === "bush" || glyph === "reeds") {
    context.transform(1, 0, Math.sin(how.seconds * 1.1 + luck * 20) * 0.022, 1, 0, 0);
  } else if (glyph === "fire" || glyph === "torch") {
    context.scale(1, 1 + 0.05 * Math.sin(how.seconds * 11 + luck * 7));
  }
  const picture = sprite(glyph, color, pixels * how.ratio);
  context.drawImage(picture, -pixels / 2, -pixels, pixels, pixels);
  if (how.flashing) {
    context.globalCompositeOperation = "lighter";
    context.globalAlpha = 0.8;
    context.drawImage(picture, -pixels / 2, -pixels, pixels, pixels);
  }
  context.restore();
  return pixels + float;
}

const POSES = { [Pose.Gathering]: "gather", [Pose.Crafting]: "craft", [Pose.Fighting]: "fight", [Pose.Dead]: "dead", [Pose.Absent]: "absent" };

/** Draws a player, feet at pixel (x, y). Returns the height in pixels. */
export function drawPlayer(context, entity, x, y, how) {
  const state = POSES[pose(entity)] ?? "none";
  drawShadow(context, x, y, how.scale * 1.1);
  context.save();
  context.translate(x, y);
  context.scale(how.scale, how.scale);
  if (state === "absent") context.globalAlpha = 0.45;
  if (how.flashing) context.filter = "brightness(1.9)";
  drawFigure(context, {
    name: entity.name, genre: how.genre, mood: how.mood, pose: state, hand: how.hand,
    moving: how.motion.moving && state !== "dead", left: how.motion.left, walk: how.motion.walked * 0.55,
    act: how.seconds * 1.6 + (nameHash(entity.name) % 10) / 10,
  });
  context.restore();
  return how.scale * (state === "dead" ? 0.9 : 2.15);
}

/** Health is shown where something has been hurt. */
export function isHurt(entity) {
  return entity.kind <= Kind.Creature && pose(entity) !== Pose.Dead && health(entity) < 0.999;
}
