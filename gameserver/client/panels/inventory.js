// The bag, what is worn, and the belt: the bag's first slots under the keys 1 to 8.

import { button, element, setText } from "../dom.js";
import { SLOTS } from "../own.js";
import { Place } from "../protocol.js";
import { icon } from "../render/glyphs.js";

export const BELT = 8;
const ICON = 34;

/** A button that shows a stack of an item, made once and changed in place: the focus stays. */
class SlotButton {
  #shown = "";

  constructor(attributes, onclick, ondblclick) {
    this.root = button("", { class: "slot", ...attributes, ondblclick }, onclick);
  }

  show(definition, count, label) {
    const key = `${definition?.key ?? ""} ${count} ${label}`;
    if (key === this.#shown) return;
    this.#shown = key;
    this.root.replaceChildren();
    this.root.setAttribute("aria-label", label);
    this.root.dataset.item = definition?.key ?? "";
    this.root.dataset.count = count;
    this.root.classList.toggle("empty", !definition);
    this.root.title = definition ? `${definition.name}: ${definition.text}` : "";
    if (!definition) return;
    this.root.append(icon(definition.glyph, definition.color, ICON));
    if (count > 1) this.root.append(element("span", { class: "count" }, String(count)));
  }
}

export class Inventory {
  #content;
  #session;
  #own;
  #slots = [];
  #belt = [];
  #places = [];
  #selected;
  #actions;
  #words;

  constructor(root, beltRoot, content, session) {
    this.#content = content;
    this.#session = session;
    const worn = element("div", { class: "worn", role: "group", "aria-label": "Worn" });
    Place.forEach((place, number) => {
      const slot = new SlotButton({ "data-place": place }, () => session.act({ type: "unequip", place: number }));
      this.#places.push(slot);
      worn.append(element("div", { class: "place" }, slot.root, element("span", {}, place)));
    });
    const grid = element("div", { class: "grid", role: "group", "aria-label": "Bag" });
    for (let index = 0; index < SLOTS; index++) {
      const slot = new SlotButton({ "data-slot": index }, () => this.#select(index), () => this.use(index));
      this.#slots.push(slot);
      grid.append(slot.root);
    }
    this.#words = element("div", { class: "about", "aria-live": "polite" });
    this.#actions = element("div", { class: "row actions" });
    root.append(worn, grid, this.#words, this.#actions);
    for (let index = 0; index < BELT; index++) {
      const slot = new SlotButton({ "data-belt": index }, () => this.use(index));
      this.#belt.push(slot);
      beltRoot.append(element("div", { class: "hook" }, slot.root, element("kbd", {}, String(index + 1))));
    }
  }

  update(own) {
    this.#own = own;
    own.slots.forEach(({ item, count }, index) => {
      const definition = this.#content.item(item);
      const label = definition ? `${definition.name}, ${count}` : "Empty";
      this.#slots[index]?.show(definition, count, label);
      this.#belt[index]?.show(definition, count, `Key ${index + 1}: ${label}`);
    });
    own.equipment.forEach((item, number) => {
      const definition = this.#content.item(item);
      this.#places[number].show(definition, 1, definition ? `Take off ${definition.name}` : `${Place[number]}: nothing`);
    });
    this.#describe();
  }

  /** What one does with the item of a slot: puts it on, eats it, uses it. */
  use(index) {
    const definition = this.#content.item(this.#own?.slots[index].item);
    const verb = definition && this.#content.verb(definition);
    if (verb) this.#session.act({ type: verb, slot: index });
    else if (definition) this.#select(index);
  }

  #select(index) {
    this.#selected = this.#selected === index ? undefined : index;
    this.#slots.forEach((slot, i) => slot.root.setAttribute("aria-pressed", String(i === this.#selected)));
    this.#describe();
  }

  #describe() {
    const index = this.#selected;
    const slot = index === undefined ? undefined : this.#own.slots[index];
    const definition = slot && this.#content.item(slot.item);
    const key = definition ? `${index} ${slot.item} ${slot.count}` : "";
    if (this.#actions.dataset.for === key) return;
    this.#actions.dataset.for = key;
    const focused = this.#actions.contains(document.activeElement) ? document.activeElement.dataset.action : undefined;
    this.#actions.replaceChildren();
    this.#words.replaceChildren();
    if (!definition) {
      setText(this.#words, "Choose something to see what it is. Double-click to use it.");
      return;
    }
    this.#words.append(element("strong", {}, definition.name), element("p", {}, definition.text), ...facts(definition));
    const add = (action, text, run) => this.#actions.append(button(text, { "data-action": action }, run));
    const verb = this.#content.verb(definition);
    if (verb) add(verb, verb === "equip" ? "Equip" : "Use", () => this.use(index));
    add("drop", "Drop one", () => this.#session.act({ type: "drop", slot: index, count: 1 }));
    if (slot.count > 1) add("drop-all", "Drop all", () => this.#session.act({ type: "drop", slot: index, count: slot.count }));
    if (focused) this.#actions.querySelector(`[data-action="${focused}"]`)?.focus();
  }
}

/** Numbers of an item that a player wants to know. */
export function facts(item) {
  const said = [];
  const say = (name, value) => value && said.push(`${name} ${value > 0 && name !== "Damage" ? "+" : ""}${value}`);
  if (item.damage) said.push(`Damage ${item.damage}`);
  if (item.range_mm) said.push(`Reach ${(item.range_mm / 1000).toFixed(1)} m`);
  if (item.protection) said.push(`Protection ${item.protection} %`);
  if (item.class) said.push(`${item.class}, power ${item.power}`);
  if (item.kind === "Food" || item.device === "Medicine" || item.device === "Heal") {
    say("Food", item.hunger);
    say("Water", item.thirst);
    say("Health", item.health);
    say("Meter", item.meter);
  }
  if (item.cost) said.push(`Costs ${item.cost}`);
  if (item.radius_mm) said.push(`Shines ${item.radius_mm / 1000} m`);
  return said.length > 0 ? [element("p", { class: "facts" }, said.join(" · "))] : [];
}
