// Words in the picture: names, health, what is said. Text is drawn as it is, on the canvas.

import { Kind, Pose } from "../protocol.js";
import { health, pose } from "../view.js";
import { isHurt } from "./bodies.js";

const FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif";
const MOST_LINES = 4;
const LINE_CHARACTERS = 30;

/** Name and health over a body that is `height` pixels tall. */
export function drawLabel(context, entity, name, x, y, height, { own, hover, accent }) {
  const top = y - height - 7;
  const player = entity.kind === Kind.Player;
  if (isHurt(entity) || (hover && entity.kind === Kind.Creature)) bar(context, x, top + 2, health(entity), own, player);
  if (!player && !hover && entity.kind !== Kind.Station) return;
  const small = entity.kind === Kind.Station && !hover;
  context.font = `${player || hover ? 600 : 500} ${small ? 11 : 13}px ${FONT}`;
  context.textAlign = "center";
  context.lineJoin = "round";
  context.lineWidth = 3.5;
  context.strokeStyle = "rgba(8, 9, 16, 0.82)";
  context.fillStyle = own ? accent : player ? "#ffffff" : hover ? accent : "rgba(255, 255, 255, 0.72)";
  const words = pose(entity) === Pose.Absent ? `${name} (away)` : name;
  const shift = isHurt(entity) ? 6 : 0;
  context.strokeText(words, x, top - shift);
  context.fillText(words, x, top - shift);
  if (pose(entity) === Pose.Trading) {
    context.fillStyle = "#ffd56b";
    context.fillText("⇄", x + context.measureText(words).width / 2 + 12, top - shift);
  }
}

function bar(context, x, y, part, own, player) {
  const [width, height] = [44, 5];
  context.fillStyle = "rgba(8, 9, 16, 0.8)";
  context.fillRect(x - width / 2 - 1, y - 1, width + 2, height + 2);
  context.fillStyle = own || player ? "#6fd06a" : "#e2574c";
  if (part < 0.34 && player) context.fillStyle = "#f0a33a";
  context.fillRect(x - width / 2, y, width * part, height);
}

/** A bubble with what someone says, its foot at (x, y). */
export function drawBubble(context, text, x, y, accent) {
  context.font = `500 13px ${FONT}`;
  const lines = wrap(text);
  const width = Math.max(...lines.map((line) => context.measureText(line).width)) + 20;
  const height = lines.length * 17 + 11;
  const [left, top] = [x - width / 2, y - height - 9];
  context.fillStyle = "rgba(14, 15, 24, 0.88)";
  context.strokeStyle = accent;
  context.lineWidth = 1.2;
  context.beginPath();
  context.roundRect(left, top, width, height, 8);
  context.fill();
  context.stroke();
  context.beginPath();
  context.moveTo(x - 6, top + height);
  context.lineTo(x, top + height + 7);
  context.lineTo(x + 6, top + height);
  context.fill();
  context.fillStyle = "#f3f1ea";
  context.textAlign = "center";
  lines.forEach((line, i) => context.fillText(line, x, top + 19 + i * 17));
}

/** Lines of a bubble; long words are broken, long texts cut. */
export function wrap(text) {
  const lines = [];
  let line = "";
  for (const word of text.split(" ").flatMap(pieces)) {
    if (line && line.length + 1 + word.length > LINE_CHARACTERS) {
      lines.push(line);
      line = word;
    } else {
      line = line ? `${line} ${word}` : word;
    }
  }
  lines.push(line);
  if (lines.length <= MOST_LINES) return lines;
  return [...lines.slice(0, MOST_LINES - 1), `${lines[MOST_LINES - 1]} …`];
}

function pieces(word) {
  const characters = [...word];
  const parts = [];
  for (let i = 0; i < characters.length; i += LINE_CHARACTERS) {
    parts.push(characters.slice(i, i + LINE_CHARACTERS).join(""));
  }
  return parts.length > 0 ? parts : [""];
}
