// What is said near by, and saying something.

import { element } from "../dom.js";
import { chatText } from "../texts.js";

const MOST_LINES = 80;

export class Chat {
  #log;
  #input;
  #session;

  constructor(log, form, input, session, onDone) {
    this.#log = log;
    this.#input = input;
    this.#session = session;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say();
      onDone();
    });
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") onDone();
    });
    session.on("said", ({ speaker, name, text }) => this.line(name, text, speaker === session.welcome.entity));
  }

  focus() {
    this.#input.focus();
  }

  #say() {
    const text = chatText(this.#input.value);
    this.#input.value = "";
    if (text === "") return;
    this.#session.act({ type: "say", text }, (outcome) => {
      if (outcome !== "Ok") this.note("Nobody could hear that.");
    });
  }

  line(name, text, own) {
    this.#append(element("li", { class: own ? "own" : "" }, element("b", {}, name), " ", element("span", { class: "said" }, text)));
  }

  /** Something that nobody said. */
  note(text) {
    this.#append(element("li", { class: "note" }, text));
  }

  #append(line) {
    const log = this.#log;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(line);
    while (log.children.length > MOST_LINES) log.firstChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
}
