// A player's body, drawn from its parts so that it can walk, work, fight and fall.

import { drawGlyph, mix } from "./glyphs.js";
import { hash } from "./noise.js";

const SKIN = ["#f0c9a4", "#d9a071", "#a8713f", "#7a4c2a", "#f3d7bd", "#c48a5c"];

/** A number from a name: the same player looks the same to all. */
export function nameHash(name) {
  let number = 7;
  for (const character of name) number = hash(number, character.codePointAt(0));
  return number;
}

/**
 * Draws a body with its feet at (0, 0), about 2 units tall; the caller has scaled to pixels a metre.
 * @param {{name: string, genre: string, mood: object, walk: number, moving: boolean, left: boolean, act: number,
 *   pose: "none"|"gather"|"craft"|"fight"|"dead"|"absent", hand?: {glyph: string, color: string}}} body
 *   walk and act: phases in turns
 */
export function drawFigure(context, body) {
  const number = nameHash(body.name);
  const cloth = body.mood.cloth[number % body.mood.cloth.length];
  const skin = SKIN[(number >>> 8) % SKIN.length];
  const dark = mix(cloth, "#0a0a14", 0.5);
  const outline = "#14151c";
  context.save();
  if (body.left) context.scale(-1, 1);
  if (body.pose === "dead") {
    context.rotate(-Math.PI / 2);
    context.translate(-0.25, 0.1);
  }
  const swing = body.moving ? Math.sin(body.walk * Math.PI * 2) : 0;
  const bob = body.moving ? Math.abs(Math.cos(body.walk * Math.PI * 2)) * 0.08 : 0;
  context.lineCap = "round";
  context.lineJoin = "round";
  // Legs.
  for (const [side, way] of [[-0.14, swing], [0.14, -swing]]) {
    line(context, outline, 0.34, side, -0.72, side + way * 0.28, -0.08);
    line(context, dark, 0.24, side, -0.72, side + way * 0.28, -0.08);
  }
  context.translate(0, -bob);
  // The arm behind.
  line(context, outline, 0.28, -0.3, -1.25, -0.36 - swing * 0.2, -0.8);
  line(context, mix(cloth, "#000000", 0.3), 0.19, -0.3, -1.25, -0.36 - swing * 0.2, -0.8);
  // Trunk.
  context.beginPath();
  context.moveTo(-0.34, -1.38);
  context.quadraticCurveTo(0, -1.52, 0.34, -1.38);
  context.lineTo(0.38, -0.66);
  context.quadraticCurveTo(0, -0.54, -0.38, -0.66);
  context.closePath();
  outlined(context, cloth, outline);
  context.fillStyle = mix(cloth, "#ffffff", 0.25);
  context.fillRect(-0.28, -1.3, 0.12, 0.55);
  context.fillStyle = dark;
  context.fillRect(-0.37, -0.84, 0.74, 0.1);
  // The arm before, with what it holds.
  const angle = armAngle(body, swing);
  context.save();
  context.translate(0.3, -1.25);
  context.rotate(angle);
  line(context, outline, 0.28, 0, 0, 0, 0.5);
  line(context, cloth, 0.19, 0, 0, 0, 0.5);
  if (body.hand && body.pose !== "dead") {
    context.translate(-0.1, 0.42);
    context.rotate(-0.35);
    context.translate(-0.2, -0.75);
    drawGlyph(context, body.hand.glyph, body.hand.color, 0.95, outline);
  }
  context.restore();
  head(context, body, skin, cloth, dark, outline);
  context.restore();
}

function armAngle(body, swing) {
  const turn = body.act * Math.PI * 2;
  switch (body.pose) {
    case "gather": return -0.9 + Math.sin(turn) * 0.9;
    case "craft": return -0.7 + Math.sin(turn * 2) * 0.35;
    case "fight": return -1.5 + Math.sin(turn) * 1.1;
    default: return swing * 0.5 - 0.1;
  }
}

function head(context, body, skin, cloth, dark, outline) {
  context.save();
  context.translate(0.03, -1.72);
  disc(context, 0, 0, 0.33, skin, outline);
  switch (body.genre) {
    case "SciFi":
      disc(context, 0, -0.02, 0.42, "#eef3f8", outline);
      context.beginPath();
      context.ellipse(0.1, -0.02, 0.28, 0.24, 0, 0, 7);
      outlined(context, "#1c3550", outline);
      context.fillStyle = "#8fe9ff";
      context.fillRect(0.06, -0.16, 0.2, 0.08);
      break;
    case "Horror":
      eyes(context);
      context.beginPath();
      context.ellipse(0, -0.16, 0.5, 0.13, 0, 0, 7);
      outlined(context, dark, outline);
      context.beginPath();
      context.moveTo(-0.29, -0.18);
      context.quadraticCurveTo(-0.26, -0.56, 0, -0.54);
      context.quadraticCurveTo(0.26, -0.56, 0.29, -0.18);
      context.closePath();
      outlined(context, mix(dark, "#000000", 0.2), outline);
      break;
    case "Cyberpunk":
      context.beginPath();
      context.moveTo(-0.34, 0);
      context.quadraticCurveTo(-0.34, -0.4, -0.06, -0.4);
      context.lineTo(0.02, -0.62);
      context.lineTo(0.14, -0.4);
      context.quadraticCurveTo(0.3, -0.36, 0.32, -0.12);
      context.quadraticCurveTo(0, -0.26, -0.34, 0);
      outlined(context, cloth, outline);
      context.fillStyle = "#10131f";
      context.fillRect(-0.06, -0.1, 0.4, 0.17);
      context.fillStyle = body.mood.accent;
      context.fillRect(-0.02, -0.05, 0.34, 0.07);
      break;
    case "PostApoc":
      context.beginPath();
      context.arc(0, -0.04, 0.36, Math.PI, 0);
      outlined(context, dark, outline);
      disc(context, 0.04, -0.03, 0.11, "#d8b04a", outline);
      disc(context, 0.26, -0.03, 0.1, "#d8b04a", outline);
      context.beginPath();
      context.ellipse(0.16, 0.2, 0.19, 0.13, 0, 0, 7);
      outlined(context, "#5a5a52", outline);
      break;
    default:
      eyes(context);
      context.beginPath();
      context.moveTo(-0.38, 0.18);
      context.quadraticCurveTo(-0.46, -0.5, 0.02, -0.46);
      context.quadraticCurveTo(0.34, -0.42, 0.3, -0.14);
      context.quadraticCurveTo(-0.06, -0.3, -0.14, 0.26);
      context.closePath();
      outlined(context, dark, outline);
  }
  context.restore();
}

function eyes(context) {
  context.fillStyle = "#1d1e26";
  context.fillRect(0.05, -0.06, 0.07, 0.12);
  context.fillRect(0.2, -0.06, 0.06, 0.12);
}

function disc(context, x, y, radius, color, outline) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  outlined(context, color, outline);
}

function outlined(context, color, outline) {
  context.strokeStyle = outline;
  context.lineWidth = 0.11;
  context.stroke();
  context.fillStyle = color;
  context.fill();
}

function line(context, color, width, x, y, tox, toy) {
  context.strokeStyle = color;
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(tox, toy);
  context.stroke();
}
