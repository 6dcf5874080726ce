// Health, hunger, thirst and the genre's meter.

import { element, setText } from "../dom.js";
import { towardsNext } from "./skills.js";

export class Vitals {
  #bars = {};
  #level;
  #fullIsGood;

  constructor(root, content, name) {
    const { mechanic } = content;
    this.#fullIsGood = ["Mana", "Oxygen", "Sanity"].includes(mechanic.kind);
    this.#level = element("span", { class: "level", id: "level" });
    root.append(element("header", {}, element("strong", { id: "own-name" }, name), this.#level));
    this.#add(root, "health", "Health");
    this.#add(root, "hunger", "Food");
    this.#add(root, "thirst", "Water");
    const meter = this.#add(root, "meter", mechanic.name);
    meter.style.setProperty("--color", mechanic.color);
    meter.title = mechanic.text;
  }

  #add(root, key, label) {
    const value = element("span", { class: "value" });
    const bar = element("div", {
      class: `bar ${key}`, role: "meter", "aria-label": label, "aria-valuemin": 0, "data-vital": key,
    }, element("span", { class: "label" }, label), value);
    root.append(bar);
    this.#bars[key] = { bar, value };
    return bar;
  }

  update({ vitals, progress }) {
    setText(this.#level, progress.level > 0 ? `Level ${progress.level}` : "");
    this.#level.style.setProperty("--part", `${Math.round(towardsNext(progress) * 100)}%`);
    this.#level.title = `${progress.experience} experience`;
    this.#set("health", vitals.health, vitals.maxHealth, true);
    this.#set("hunger", vitals.hunger, 100, true);
    this.#set("thirst", vitals.thirst, 100, true);
    this.#set("meter", vitals.meter, 100, this.#fullIsGood);
  }

  #set(key, value, most, fullIsGood) {
    const { bar, value: words } = this.#bars[key];
    const part = most > 0 ? value / most : 0;
    bar.style.setProperty("--part", `${Math.round(part * 1000) / 10}%`);
    bar.classList.toggle("low", most > 0 && (fullIsGood ? part < 0.25 : part > 0.75));
    bar.setAttribute("aria-valuenow", value);
    bar.setAttribute("aria-valuemax", most);
    setText(words, key === "health" ? `${value} / ${most}` : String(value));
  }
}
