// Levels, and what the character has done in its life.

import { element, setText } from "../dom.js";
import { Skill } from "../protocol.js";

const WORDS = {
  kills: "Kills", deaths: "Deaths", gathered: "Gathered", crafted: "Made", trades: "Trades", distanceMetres: "Walked",
  struck: "Hits", ticksPlayed: "Played",
};
const ASK_EVERY_MS = 4_000;
/** Experience of a level L is (L - 1)² times this: gameserver/sim/src/progress.rs. */
const FIRST_LEVEL = 40;

/** How much of the way to the next level is behind, 0 to 1. */
export function towardsNext({ level, experience }) {
  if (level < 1) return 0;
  const from = FIRST_LEVEL * (level - 1) ** 2;
  const to = FIRST_LEVEL * level ** 2;
  return Math.min(1, Math.max(0, (experience - from) / (to - from)));
}

export class Skills {
  #skills = [];
  #statistics = {};
  #session;
  #askedAt = 0;

  constructor(root, session) {
    this.#session = session;
    const skills = element("dl", { class: "pairs levels", "aria-label": "Skills" });
    for (const name of Skill) {
      const value = element("dd", { "data-skill": name });
      skills.append(element("dt", {}, name), value);
      this.#skills.push(value);
    }
    const statistics = element("dl", { class: "pairs", "aria-label": "Your life so far" });
    for (const [key, label] of Object.entries(WORDS)) {
      const value = element("dd", { "data-statistic": key }, "–");
      statistics.append(element("dt", {}, label), value);
      this.#statistics[key] = value;
    }
    root.append(element("h3", {}, "Skills"), skills, element("h3", {}, "Your life so far"), statistics);
    session.on("statistics", ({ statistics: counts }) => this.#show(counts));
  }

  update({ progress }) {
    progress.skills.forEach((skill, i) => {
      setText(this.#skills[i], String(skill.level));
      this.#skills[i].style.setProperty("--part", `${Math.round(towardsNext(skill) * 100)}%`);
      this.#skills[i].title = `${skill.experience} experience`;
    });
  }

  /** While it is open. */
  ask(now) {
    if (now - this.#askedAt < ASK_EVERY_MS) return;
    this.#askedAt = now;
    this.#session.askStatistics();
  }

  #show(counts) {
    for (const [key, value] of Object.entries(counts)) setText(this.#statistics[key], words(key, value, this.#session.welcome.tickRate));
  }
}

function words(key, value, tickRate) {
  if (key === "distanceMetres") return value < 1000 ? `${value} m` : `${(value / 1000).toFixed(1)} km`;
  if (key === "ticksPlayed") return `${Math.floor(value / tickRate / 60)} min`;
  return String(value);
}
