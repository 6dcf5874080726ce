// What the genre is made of, as the server tells it: names, numbers, colors, recipes.

/** @returns {Promise<Content>} */
export async function loadContent() {
  const response = await fetch("/v1/content");
  if (!response.ok) throw new Error(`the world's content is not there: status ${response.status}`);
  const hash = /^"([0-9a-f]{16})"$/.exec(response.headers.get("etag") ?? "")?.[1] ?? "";
  return new Content(await response.json(), hash);
}

export class Content {
  /** @param {string} hash as in a Welcome, "" if unknown */
  constructor(json, hash = "") {
    this.hash = hash;
    this.genre = json.genre;
    this.mechanic = json.mechanic;
    this.biomes = json.biomes;
    this.items = json.items;
    this.resources = json.resources;
    this.stations = json.stations;
    this.recipes = json.recipes;
    this.creatures = json.creatures;
  }

  /** Items are numbered from 1; 0 is none. */
  item(id) {
    return this.items[id - 1];
  }

  /** What kind of thing an entity is: its definition; undefined for players and loot. */
  definition(entity) {
    switch (entity.kind) {
      case 2: return this.creatures[entity.subtype];
      case 3: return this.resources[entity.subtype];
      case 4: return this.stations[entity.subtype];
      default: return undefined;
    }
  }

  /** For players. */
  nameOf(entity) {
    if (entity.kind === 1) return entity.name;
    if (entity.kind === 5) return "Dropped goods";
    return this.definition(entity)?.name ?? "Something";
  }

  /** What "use" does with an item: equip, use, or nothing. */
  verb(item) {
    if (placeOf(item)) return "equip";
    return item.kind === "Food" || item.kind === "Device" ? "use" : undefined;
  }
}

const PLACES = { Weapon: "Hand", Tool: "Hand" };
const DEVICE_PLACES = { Bolt: "Hand", Light: "Hand", Deck: "Hand", Ward: "Trinket" };

/** Where an item is worn; undefined if nowhere. */
export function placeOf(item) {
  if (item.kind === "Armour") return item.place;
  if (item.kind === "Device") return DEVICE_PLACES[item.device];
  return PLACES[item.kind];
}
