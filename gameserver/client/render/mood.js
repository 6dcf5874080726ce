// How each genre looks and feels: light, weather, ground. What a thing is and which color it has comes from
// the content; this is the painter's hand.

/**
 * @typedef {object} Mood
 * @property {"organic"|"streets"} ground how tiles meet: drawn by hand, or by the ruler
 * @property {number} warp how far the edge of a biome wanders, in tiles
 * @property {number} grain strength of the ground's texture, 0 to 1
 * @property {string} fog color beyond the world and behind it all
 * @property {string} night color of the night
 * @property {number} darkness of the deepest night, 0 to 1
 * @property {number} dusk darkness at noon: some places have no bright day
 * @property {string} tint laid over all, with its alpha
 * @property {"motes"|"dust"|"mist"|"rain"|"ash"} weather
 * @property {"crater"|"puddle"|"crack"} [mark] what the ground bears now and then
 * @property {string} lamp color of lights
 * @property {string} edge of rock towards the viewer
 * @property {string} accent for rings and marks
 */

/** @type {Record<string, Mood>} */
export const MOODS = Object.freeze({
  Fantasy: {
    ground: "organic", warp: 0.55, grain: 0.5, fog: "#16241f", night: "#0b1440", darkness: 0.62, dusk: 0,
    tint: "rgba(255, 226, 150, 0.05)", weather: "motes", lamp: "#ffd38a", edge: "#3b3a44", accent: "#ffe28a",
    cloth: ["#b8463c", "#3f6fb5", "#e8dcc0", "#8a56a8", "#c28a2c", "#2a4f6e"],
  },
  SciFi: {
    ground: "organic", warp: 0.4, grain: 0.7, fog: "#0b0d1a", night: "#050a2a", darkness: 0.6, dusk: 0.06,
    tint: "rgba(120, 190, 255, 0.05)", weather: "dust", mark: "crater", lamp: "#8fe9ff", edge: "#231b2e", accent: "#6fe3ff",
    cloth: ["#e9edf2", "#f0a33a", "#5bb0e8", "#dd5c5c", "#8fd08a", "#b39af0"],
  },
  Horror: {
    ground: "organic", warp: 0.75, grain: 0.85, fog: "#07080a", night: "#020307", darkness: 0.9, dusk: 0.4,
    tint: "rgba(40, 60, 50, 0.16)", weather: "mist", mark: "puddle", lamp: "#ffb066", edge: "#121314", accent: "#d8b48a",
    cloth: ["#7a6a58", "#5a6470", "#6f4a48", "#55664f", "#84785f", "#4e4a66"],
  },
  Cyberpunk: {
    ground: "streets", warp: 0, grain: 0.35, fog: "#07060f", night: "#04031a", darkness: 0.58, dusk: 0.36,
    tint: "rgba(160, 40, 200, 0.06)", weather: "rain", lamp: "#ff4fd8", edge: "#0d0b1d", accent: "#35f2e0",
    cloth: ["#ff4fd8", "#35f2e0", "#f7e04b", "#8b6cff", "#ff7847", "#67ff8f"],
  },
  PostApoc: {
    ground: "organic", warp: 0.6, grain: 0.95, fog: "#17120c", night: "#120c14", darkness: 0.7, dusk: 0.08,
    tint: "rgba(226, 160, 70, 0.10)", weather: "ash", mark: "crack", lamp: "#ffb45e", edge: "#2d241b", accent: "#f0b445",
    cloth: ["#8d6f47", "#6e7a56", "#a35b3c", "#5f6b75", "#b59a56", "#7b5363"],
  },
});

/** Part of the day that has passed, 0 to 1; the second half is night. */
export function timeOfDay(tick, tickRate, daySeconds) {
  if (!(daySeconds > 0)) return 0.25;
  const seconds = tick / tickRate;
  return (seconds % daySeconds) / daySeconds;
}

/** How much of the night is there, 0 to 1, with a dusk and a dawn between. */
export function nightness(part) {
  const dusk = 0.04;
  if (part < dusk) return 0.5 - (part / dusk) * 0.5;
  if (part < 0.5 - dusk) return 0;
  if (part < 0.5 + dusk) return (part - (0.5 - dusk)) / (2 * dusk);
  if (part < 1 - dusk) return 1;
  return 1 - ((part - (1 - dusk)) / dusk) * 0.5;
}
