// Panels at the side, one open at a time, under a key each.

import { button, element } from "../dom.js";

export class Side {
  #root;
  #tabs;
  #panels = new Map();
  open;

  constructor(root, tabs) {
    this.#root = root;
    this.#tabs = tabs;
  }

  /** Adds a panel; returns the element to fill. */
  add(name, title, key) {
    const body = element("div", { class: "body" });
    const close = button("×", { class: "close", "aria-label": `Close ${title}` }, () => this.toggle(name));
    const panel = element("section", { class: "panel", id: name, "aria-label": title, hidden: true },
      element("header", {}, element("h2", {}, title), close), body);
    const tab = button(title, { id: `tab-${name}`, "aria-expanded": "false", "aria-controls": name, "aria-keyshortcuts": key },
      () => this.toggle(name));
    tab.append(element("kbd", {}, key));
    this.#root.append(panel);
    this.#tabs.append(tab);
    this.#panels.set(name, { panel, tab });
    return body;
  }

  toggle(name) {
    this.open = this.open === name ? undefined : name;
    for (const [each, { panel, tab }] of this.#panels) {
      panel.hidden = each !== this.open;
      tab.setAttribute("aria-expanded", String(each === this.open));
    }
  }

  close() {
    if (this.open) this.toggle(this.open);
  }
}
