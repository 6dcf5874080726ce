// The page: the entrance, then the game.

import { loadContent } from "./content.js";
import { byId, element, setText } from "./dom.js";
import { Game } from "./game.js";
import { Link } from "./net.js";
import { icon } from "./render/glyphs.js";
import { Session } from "./session.js";
import { Terrain } from "./terrain.js";
import { playerName } from "./texts.js";

const NAME = "worldkeeper.name";
/** Of this tab alone: a second tab is a second player. */
const TOKEN = "worldkeeper.token";
const RETRY_MS = 2_000;

/** Storage may be forbidden; then nothing is remembered. */
const stored = {
  get(storage, key) {
    try {
      return window[storage].getItem(key) ?? "";
    } catch {
      return "";
    }
  },
  set(storage, key, value) {
    try {
      if (value === "") window[storage].removeItem(key);
      else window[storage].setItem(key, value);
    } catch {
      // Not remembered.
    }
  },
};

async function content() {
  for (;;) {
    try {
      return await loadContent();
    } catch (error) {
      setText(byId("description"), `Waiting for the world: ${error.message}`);
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }
}

/** The world's creatures and things march past the entrance. */
function parade(world) {
  const things = [...world.stations, ...world.creatures, ...world.resources, ...world.items];
  byId("parade").replaceChildren(...things.slice(0, 48).map((thing) => {
    const picture = icon(thing.glyph, thing.color, 56);
    return element("span", {}, picture);
  }));
}

function enter(world, name, token) {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const link = new Link(`${scheme}//${location.host}/v1/play`, name, token);
  const session = new Session(link, (welcome) => new Terrain(welcome, world.biomes));
  session.name = name;
  link.onToken = (fresh) => stored.set("sessionStorage", TOKEN, fresh);
  const game = new Game(session, world, link);
  link.onState = (state) => {
    game.state(state);
    if (state.phase === "ended" && !session.welcome) back(state.words);
  };
  session.on("welcome", (welcome) => {
    if (world.hash && welcome.contentHash !== world.hash) location.reload();
    byId("entrance").hidden = true;
    game.begin();
  });
  link.connect();
  expose(session, game, link);
}

function back(words) {
  byId("play").disabled = false;
  setText(byId("join-error"), words);
}

/**
 * `window.worldkeeper`: what tests and the curious may look at. Nothing of it can be changed, apart from
 * `sever()`, which breaks the connection as a bad network would.
 */
function expose(session, game, link) {
  const shown = Object.defineProperty(game.debug(session), "sever", { value: () => link.sever() });
  Object.defineProperty(window, "worldkeeper", { configurable: true, value: Object.freeze(shown) });
}

async function main() {
  const world = await content();
  document.documentElement.dataset.genre = world.genre.id;
  document.title = `${world.genre.title} · Worldkeeper`;
  setText(byId("title"), world.genre.title);
  setText(byId("description"), world.genre.description);
  parade(world);
  const input = byId("name");
  input.value = stored.get("localStorage", NAME);
  byId("play").disabled = false;
  input.focus();
  const start = (name, token) => {
    byId("play").disabled = true;
    setText(byId("join-error"), "");
    stored.set("localStorage", NAME, name);
    enter(world, name, token);
  };
  byId("join").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = playerName(input.value);
    if (name === "") setText(byId("join-error"), "A name has at least one letter.");
    else start(name, "");
  });
  // A page that was reloaded goes on where it was.
  const token = stored.get("sessionStorage", TOKEN);
  if (token && input.value) start(input.value, token);
}

main();
