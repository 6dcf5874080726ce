// The game on the page: brings session, picture, panels and input together.

import { button, byId, element, setText, spaced } from "./dom.js";
import { Input, intentOf, nearest } from "./input.js";
import { Chat } from "./panels/chat.js";
import { Crafting } from "./panels/crafting.js";
import { Inventory } from "./panels/inventory.js";
import { Menu } from "./panels/menu.js";
import { Side } from "./panels/side.js";
import { Skills } from "./panels/skills.js";
import { Status } from "./panels/status.js";
import { Toasts } from "./panels/toasts.js";
import { Trade } from "./panels/trade.js";
import { Vitals } from "./panels/vitals.js";
import { Pilot } from "./pilot.js";
import { Kind, Pose, TradeState } from "./protocol.js";
import { SmallMap } from "./render/map.js";
import { Scene } from "./render/scene.js";
import { pose } from "./view.js";

/** Panels that depend on where one stands are looked through so often. */
const PANELS_MS = 250;
/** How far the attack key looks for someone. */
const FOES_MM = 25_000;
/** A longer pause between frames is a page that slept. */
const LONGEST_FRAME_MS = 250;

const HELP = [
  ["W A S D, arrows", "Walk"], ["Click", "Go there, gather, attack, use, take"], ["Click a player", "Trade, attack"],
  ["E", "Gather, take or use what is nearest"], ["F", "Attack the nearest creature"], ["T", "Trade with the nearest player"],
  ["1 to 8", "Use what is in the belt"], ["Enter", "Talk"], ["I, C, K, H", "Bag, making, skills, this help"],
  ["+ and −, wheel", "Nearer, farther"], ["Esc", "Stop, close"],
];

export class Game {
  #session;
  #content;
  #link;
  #scene;
  #pilot;
  #panels;
  #last = 0;
  #panelsAt = 0;
  #state = { phase: "connecting", words: "", seconds: 0 };

  constructor(session, content, link) {
    this.#session = session;
    this.#content = content;
    this.#link = link;
  }

  /** The connection's state: what is wrong is said in a banner. */
  state(state) {
    this.#state = state;
    const banner = byId("banner");
    banner.hidden = state.phase === "open" || !this.#session.welcome;
    banner.dataset.phase = state.phase;
    const parts = [element("span", {}, state.seconds > 0 ? `${state.words} in ${Math.ceil(state.seconds)} s` : state.words)];
    if (state.phase === "waiting") parts.push(button("Now", { id: "reconnect" }, () => this.#link.hurry()));
    if (state.phase === "ended") parts.push(button("Play again", { id: "again" }, () => location.reload()));
    banner.replaceChildren(...parts);
  }

  /** After each Welcome; builds everything after the first. */
  begin() {
    if (this.#scene) return;
    const session = this.#session;
    const canvas = byId("world");
    canvas.hidden = false;
    byId("hud").hidden = false;
    this.#scene = new Scene(canvas, session, this.#content);
    this.#pilot = new Pilot(session, this.#content);
    this.#scene.goal = () => this.#pilot.goal;
    this.#build(canvas);
    this.#listen();
    window.addEventListener("resize", () => this.#scene.resize());
    new ResizeObserver(() => this.#scene.resize()).observe(canvas);
    canvas.focus();
    requestAnimationFrame((now) => this.#frame(now));
  }

  #build(canvas) {
    const [session, content] = [this.#session, this.#content];
    const toasts = new Toasts(byId("toasts"));
    const side = new Side(byId("side"), byId("tabs"));
    const inventory = new Inventory(side.add("inventory", "Bag", "I"), byId("belt"), content, session);
    const crafting = new Crafting(side.add("crafting", "Make", "C"), content, session, (recipe, station) => this.#craft(recipe, station));
    const skills = new Skills(side.add("skills", "Skills", "K"), session);
    const help = side.add("help", "Help", "H");
    help.append(element("dl", { class: "pairs" }, ...HELP.flatMap(([keys, what]) => [element("dt", {}, keys), element("dd", {}, what)])),
      element("p", { class: "hint" }, `${content.mechanic.name}: ${content.mechanic.text}`));
    const chat = new Chat(byId("chat-log"), byId("chat-form"), byId("chat-text"), session, () => canvas.focus());
    this.#panels = {
      toasts, side, inventory, crafting, skills, chat,
      vitals: new Vitals(byId("vitals"), content, session.name),
      trade: new Trade(byId("trade"), content, session),
      status: new Status(byId("status")),
      menu: new Menu(byId("menu")),
      map: new SmallMap(byId("map"), content.biomes),
    };
    this.#pilot.onFailure = (outcome) => toasts.outcome(outcome);
    new Input(canvas, this.#actions());
    this.#showOwn(session.own);
  }

  #actions() {
    const { side, inventory, chat, menu } = this.#panels;
    const scene = this.#scene;
    const pilot = this.#pilot;
    return {
      walkKeys: (direction) => {
        menu.close();
        pilot.keys(direction);
      },
      walkTo: (x, y) => {
        menu.close();
        pilot.walk(scene.camera.toWorld(x, y));
      },
      pick: (x, y) => scene.pick(x, y),
      hover: (id) => {
        scene.hover = id;
      },
      zoom: (factor) => scene.camera.zoomBy(factor),
      click: (entity, x, y) => this.#click(entity, x, y),
      belt: (index) => inventory.use(index),
      keys: {
        i: () => side.toggle("inventory"),
        c: () => side.toggle("crafting"),
        k: () => side.toggle("skills"),
        h: () => side.toggle("help"),
        e: () => this.#reach((entity) => ![Kind.Player, Kind.Creature].includes(entity.kind) && pose(entity) !== Pose.Depleted),
        f: () => this.#reach((entity) => entity.kind === Kind.Creature && pose(entity) !== Pose.Dead, FOES_MM),
        t: () => this.#tradeKey(),
        enter: () => chat.focus(),
        escape: () => {
          pilot.stop();
          if (this.#session.own.activity.kind !== 0) this.#session.act({ type: "stop" });
          side.close();
        },
        "+": () => scene.camera.zoomBy(1.15),
        "-": () => scene.camera.zoomBy(1 / 1.15),
      },
    };
  }

  #click(entity, x, y) {
    this.#panels.menu.close();
    const intent = intentOf(entity);
    if (intent === "menu") {
      this.#panels.menu.show(entity.name, [
        ["trade", `Trade with ${entity.name}`, () => this.#pilot.approach("tradeAsk", entity.id)],
        ["attack", `Attack ${entity.name}`, () => this.#pilot.approach("attack", entity.id)],
        ["cancel", "Never mind", () => {}],
      ], x, y, byId("world"));
    } else if (intent === "interact") {
      this.#station(entity);
    } else if (intent) {
      this.#pilot.approach(intent, entity.id);
    }
  }

  /** A bench is gone to, and what can be made is shown; others are used. */
  #station(entity) {
    const { side } = this.#panels;
    if (this.#content.definition(entity)?.kind === "Craft") {
      this.#pilot.approach("stand", entity.id);
      if (side.open !== "crafting") side.toggle("crafting");
    } else {
      this.#pilot.approach("interact", entity.id);
    }
  }

  #reach(wanted, most) {
    const entity = nearest(this.#session, wanted, most);
    if (!entity) this.#panels.toasts.show("Nothing near.", "bad");
    else if (entity.kind === Kind.Station) this.#station(entity);
    else this.#pilot.approach(intentOf(entity), entity.id);
  }

  #tradeKey() {
    const { trade } = this.#session.own;
    if (trade.state === TradeState.AskedByThem) {
      this.#session.act({ type: "tradeAsk", target: trade.partner });
      return;
    }
    const entity = nearest(this.#session, (each) => each.kind === Kind.Player && this.#session.isPresent(each));
    if (entity) this.#pilot.approach("tradeAsk", entity.id);
    else this.#panels.toasts.show("Nobody near.", "bad");
  }

  #craft(recipe, station) {
    const action = { type: "craft", recipe: recipe.id };
    if (station) this.#pilot.approach("craft", station.entity.id, action);
    else this.#session.act(action);
  }

  #listen() {
    const session = this.#session;
    const content = this.#content;
    const { toasts, chat } = this.#panels;
    const { effects } = this.#scene;
    const mine = (id) => id === session.welcome.entity;
    const placeOf = (id) => {
      if (mine(id)) return session.place;
      const entity = session.view.get(id);
      return entity && session.placeOf(entity);
    };
    session.on("own", (own) => this.#showOwn(own));
    session.on("said", ({ speaker, text }) => effects.say(speaker, text));
    session.on("struck", ({ attacker, target, damage }) => {
      const place = placeOf(target);
      if (place) {
        effects.flash(target, place);
        effects.rise(place, damage > 0 ? String(damage) : "miss", mine(target) ? "#ff7a6a" : "#fff1c9", mine(attacker));
      }
      if (mine(attacker)) {
        this.#strikes += 1;
        this.#scene.strike();
      }
    });
    session.on("gained", ({ item, count, how }) => {
      const { name, color } = content.item(item) ?? { name: "something", color: "#ffffff" };
      effects.rise(session.place, `+${count} ${name}`, color);
      if (how !== "Gather") toasts.show(`${count} × ${name}`, "good");
    });
    session.on("levelled", ({ skill, level }) => {
      effects.rise(session.place, skill ? `${skill} ${level}` : `Level ${level}!`, "#ffe28a", true);
      toasts.show(skill ? `${skill} is now ${level}.` : `You have reached level ${level}!`, "good");
    });
    session.on("died", ({ cause, by }) => {
      const killer = by === 0 ? undefined : session.view.get(by);
      this.#killer = killer ? content.nameOf(killer) : cause === "Mechanic" ? content.mechanic.name : spaced(cause);
      this.#showOwn(session.own);
    });
    session.on("outcome", (outcome) => toasts.outcome(outcome));
    session.on("traded", () => toasts.show("The trade is done.", "good"));
    session.on("notice", ({ kind, seconds }) => chat.note({
      JoinsStopped: "The world lets nobody new in.", JoinsOpen: "The world is open again.",
      Closing: `The world closes in ${seconds} s.`,
    }[kind] ?? kind));
    session.on("welcome", ({ resumed }) => chat.note(resumed ? "You are back." : "You have come into the world."));
    chat.note(`Welcome to ${content.genre.title}. H shows the keys.`);
  }

  #killer = "";
  #strikes = 0;

  #showOwn(own) {
    const { vitals, inventory, trade, skills } = this.#panels;
    vitals.update(own);
    inventory.update(own);
    trade.update(own);
    skills.update(own);
    this.#panelsAt = 0;
    const dead = own.vitals.maxHealth > 0 && own.vitals.health === 0;
    const grave = byId("grave");
    if (dead === !grave.hidden) return;
    grave.hidden = !dead;
    if (!dead) return;
    const again = button("Begin again", { id: "respawn", class: "primary" }, () => this.#session.act({ type: "respawn" }));
    grave.replaceChildren(element("h2", {}, "You died"), element("p", {}, this.#killer), again);
    again.focus();
  }

  #frame(now) {
    const elapsed = Math.min(LONGEST_FRAME_MS, now - this.#last);
    this.#last = now;
    const session = this.#session;
    session.run(now, elapsed);
    this.#scene.draw(now, elapsed);
    this.#activity();
    if (now - this.#panelsAt > PANELS_MS) {
      this.#panelsAt = now;
      this.#slowPanels(now);
    }
    requestAnimationFrame((next) => this.#frame(next));
  }

  #slowPanels(now) {
    const { side, crafting, skills, status, map } = this.#panels;
    const session = this.#session;
    if (side.open === "crafting") crafting.update();
    if (side.open === "skills" && this.#state.phase === "open") skills.ask(now);
    status.update(session, this.#content);
    map.draw(session, this.#content, this.#scene.mood, now);
  }

  #activity() {
    const { activity } = this.#session.own;
    const bar = byId("activity");
    const on = activity.kind !== 0;
    if (bar.hidden === on) bar.hidden = !on;
    if (!on) {
      this.#activitySeen = undefined;
      return;
    }
    if (this.#activitySeen?.activity !== activity) {
      this.#activitySeen = { activity, ends: this.#session.view.tick + activity.left };
      setText(bar, activity.kind === 1 ? "Gathering" : "Making");
    }
    const left = Math.max(0, this.#activitySeen.ends - this.#session.clock.told);
    const part = activity.total > 0 ? 1 - Math.min(1, left / activity.total) : 1;
    bar.style.setProperty("--part", `${(part * 100).toFixed(1)}%`);
    bar.setAttribute("aria-valuenow", Math.round(part * 100));
  }

  #activitySeen;

  /** What `window.worldkeeper` shows: values, never the things themselves. */
  debug(session) {
    const game = this;
    const placeOf = (entity) => {
      const { x, y } = session.placeOf(entity);
      return { x, y };
    };
    const describe = (entity) => ({
      id: String(entity.id), kind: entity.kind, subtype: entity.subtype, key: game.#content.definition(entity)?.key ?? "",
      name: game.#content.nameOf(entity), look: entity.look, ...placeOf(entity), screen: game.#scene.screenOf(entity.id),
    });
    return {
      get phase() {
        return game.#state.phase;
      },
      get tick() {
        return session.view?.tick ?? 0;
      },
      get me() {
        if (!session.prediction) return undefined;
        const { x, y } = session.prediction.position;
        return { id: String(session.welcome.entity), x, y, alive: session.alive, resumed: session.welcome.resumed };
      },
      get own() {
        return structuredClone(session.own);
      },
      get items() {
        return session.own.slots.filter((slot) => slot.item !== 0)
          .map((slot) => ({ key: game.#content.item(slot.item)?.key, count: slot.count }));
      },
      get entities() {
        return game.#scene ? session.view.entities().map(describe) : [];
      },
      get connection() {
        const { clock, prediction } = session;
        return {
          rtt: clock?.rtt ?? 0, jitter: clock?.jitter ?? 0, corrections: prediction?.corrections ?? 0, load: session.load,
          dilation: session.dilation, fps: game.#scene?.framesPerSecond ?? 0, drawMilliseconds: game.#scene?.drawMilliseconds ?? 0,
        };
      },
      /** What the player is going to or doing; `there`: the way is done. */
      get goal() {
        const goal = game.#pilot?.goal;
        return goal && { type: goal.type, target: goal.target === undefined ? "" : String(goal.target), there: goal.path === undefined && goal.type !== "walk" };
      },
      /** Blows of the player that have hit. */
      get strikes() {
        return game.#strikes;
      },
      get night() {
        return game.#scene?.night ?? 0;
      },
    };
  }
}
