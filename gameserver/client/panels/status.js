// How the connection and the server are doing.

import { element, setText } from "../dom.js";
import { timeOfDay } from "../render/mood.js";

export class Status {
  #values = {};

  constructor(root) {
    for (const [key, label] of [["ping", "Ping"], ["load", "Server load"], ["players", "Players"], ["time", "Time"]]) {
      const value = element("dd", { id: `status-${key}` }, "–");
      this.#values[key] = value;
      root.append(element("dt", {}, label), value);
    }
  }

  update(session, content) {
    const { rtt } = session.clock;
    setText(this.#values.ping, rtt > 0 ? `${Math.round(rtt)} ms` : "–");
    this.#values.ping.classList.toggle("bad", rtt > 250);
    const slow = session.dilation < 100 ? `, time at ${session.dilation} %` : "";
    setText(this.#values.load, `${session.load} %${slow}`);
    this.#values.load.classList.toggle("bad", session.load > 90 || session.dilation < 100);
    setText(this.#values.players, session.players > 0 ? String(session.players) : "–");
    setText(this.#values.time, clock(timeOfDay(session.tick, session.welcome.tickRate, content.genre.day_seconds)));
  }
}

/** The day begins at six in the morning. */
function clock(part) {
  const minutes = Math.floor(((part + 0.25) % 1) * 24 * 60);
  const two = (value) => String(value).padStart(2, "0");
  return `${two(Math.floor(minutes / 60))}:${two(minutes - (minutes % 10) - Math.floor(minutes / 60) * 60)}`;
}
