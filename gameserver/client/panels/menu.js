// What can be done with a player who was clicked.

import { button } from "../dom.js";

export class Menu {
  #root;
  #returnTo;

  constructor(root) {
    this.#root = root;
    root.addEventListener("keydown", (event) => {
      const items = [...root.querySelectorAll("button")];
      const at = items.indexOf(document.activeElement);
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) items[(at + step + items.length) % items.length].focus();
      if (event.key === "Escape") this.close();
      if (step || event.key === "Escape") event.preventDefault();
      event.stopPropagation();
    });
  }

  /** @param {[string, string, () => void][]} choices id, words, what to do */
  show(title, choices, x, y, returnTo) {
    this.#returnTo = returnTo;
    const root = this.#root;
    root.replaceChildren(...choices.map(([id, text, run]) =>
      button(text, { role: "menuitem", "data-choice": id }, () => {
        this.close();
        run();
      })));
    root.setAttribute("aria-label", title);
    root.hidden = false;
    root.style.left = `${Math.min(x, window.innerWidth - root.offsetWidth - 8)}px`;
    root.style.top = `${Math.min(y, window.innerHeight - root.offsetHeight - 8)}px`;
    root.querySelector("button").focus();
  }

  get isOpen() {
    return !this.#root.hidden;
  }

  close() {
    if (this.#root.hidden) return;
    this.#root.hidden = true;
    this.#returnTo?.focus();
  }
}
