// What can be made: what is possible here and now comes first.

import { button, element, setText } from "../dom.js";
import { countOf } from "../own.js";
import { Kind, Skill } from "../protocol.js";
import { icon } from "../render/glyphs.js";

export class Crafting {
  #rows = [];
  #list;
  #content;
  #session;
  #order = "";

  /** @param {(recipe: object, station: object|undefined) => void} craft walks to the station if there is one */
  constructor(root, content, session, craft) {
    this.#content = content;
    this.#session = session;
    this.#list = element("ul", { class: "recipes", "aria-label": "Recipes" });
    root.append(this.#list);
    for (const recipe of content.recipes) {
      const output = content.item(recipe.output.item);
      const inputs = recipe.inputs.map(({ item, count }) => {
        const definition = content.item(item);
        const have = element("b", {});
        const need = element("span", { class: "need" }, icon(definition.glyph, definition.color, 18), have, ` ${definition.name}`);
        return { item, count, need, have };
      });
      const where = element("span", { class: "where" });
      const run = () => craft(recipe, this.#station(recipe));
      const make = button("", { class: "recipe", "data-recipe": recipe.key, title: output.text }, run);
      make.append(
        icon(output.glyph, output.color, 34),
        element("span", { class: "what" },
          element("strong", {}, recipe.output.count > 1 ? `${output.name} × ${recipe.output.count}` : output.name),
          element("span", { class: "needs" }, ...inputs.map(({ need }) => need)), where),
      );
      const row = element("li", {}, make);
      this.#rows.push({ recipe, row, make, inputs, where, name: output.name });
      this.#list.append(row);
    }
  }

  /** The nearest station of a recipe that is in sight: {entity, away}. */
  #station(recipe) {
    if (recipe.station === null || recipe.station === undefined || !this.#session.prediction) return undefined;
    const me = this.#session.prediction.position;
    let best;
    for (const entity of this.#session.view.entities()) {
      if (entity.kind !== Kind.Station || entity.subtype !== recipe.station) continue;
      const place = this.#session.placeOf(entity);
      const away = Math.hypot(place.x - me.x, place.y - me.y);
      if (!best || away < best.away) best = { entity, away };
    }
    return best;
  }

  update() {
    const { own } = this.#session;
    const ranks = this.#rows.map((row) => this.#updateRow(row, own));
    const order = ranks.join("");
    // Rows do not move under a pointer or a focus that is on them.
    if (order === this.#order || this.#list.matches(":hover, :focus-within")) return;
    this.#order = order;
    const sorted = this.#rows.map((row, i) => ({ row: row.row, rank: ranks[i], i }));
    sorted.sort((a, b) => a.rank - b.rank || a.i - b.i);
    this.#list.append(...sorted.map(({ row }) => row));
  }

  /** 0: possible now, 1: something is missing. */
  #updateRow({ recipe, make, inputs, where, name }, own) {
    let possible = true;
    for (const { item, count, need, have } of inputs) {
      const held = countOf(own, item);
      setText(have, `${Math.min(held, 999)}/${count}`);
      need.classList.toggle("missing", held < count);
      possible &&= held >= count;
    }
    const words = [];
    const skill = own.progress.skills[Skill.indexOf(recipe.skill)];
    if (skill && skill.level < recipe.min_level) {
      possible = false;
      words.push(`${recipe.skill} ${recipe.min_level}`);
    }
    if (recipe.station !== null && recipe.station !== undefined) {
      const station = this.#station(recipe);
      words.push(`at ${this.#content.stations[recipe.station].name}${station ? `, ${Math.round(station.away / 1000)} m` : ", none in sight"}`);
      possible &&= station !== undefined;
    }
    setText(where, words.join(" · "));
    make.classList.toggle("possible", possible);
    make.setAttribute("aria-disabled", String(!possible));
    make.setAttribute("aria-label", `${possible ? "Make" : "Cannot make"} ${name}`);
    return possible ? 0 : 1;
  }
}
