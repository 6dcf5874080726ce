// A trade: asked, answered, or open, with both sides' goods.

import { button, element } from "../dom.js";
import { TradeState } from "../protocol.js";
import { icon } from "../render/glyphs.js";

const MOST_OFFERS = 8;

export class Trade {
  #root;
  #content;
  #session;
  /** What this side offers: slot to count. */
  #offer = new Map();
  #partner = 0;
  #shown = "";

  constructor(root, content, session) {
    this.#root = root;
    this.#content = content;
    this.#session = session;
  }

  update(own) {
    const { trade } = own;
    const open = trade.state === TradeState.Open;
    if (!open || this.#partner !== trade.partner) this.#offer.clear();
    this.#partner = trade.partner;
    this.#keepToWhatIsThere(own);
    const entity = this.#session.view.get(trade.partner);
    const name = entity?.name ?? "Someone";
    const shown = JSON.stringify([trade, name, open ? own.slots : 0, [...this.#offer]], (_, value) =>
      typeof value === "bigint" ? String(value) : value);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const focus = this.#root.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    this.#root.hidden = trade.state === TradeState.None;
    this.#root.dataset.state = trade.state;
    this.#root.replaceChildren(...this.#parts(trade, own, name));
    if (focus) this.#root.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus();
  }

  #parts(trade, own, name) {
    const cancel = (text) => button(text, { id: "trade-cancel", "data-key": "cancel" }, () => this.#session.act({ type: "tradeCancel" }));
    const heading = (text) => element("h2", {}, text);
    switch (trade.state) {
      case TradeState.Asked:
        return [heading("Trade"), element("p", {}, `Waiting for ${name} to answer.`), element("div", { class: "row" }, cancel("Never mind"))];
      case TradeState.AskedByThem: {
        const agree = button("Trade", { id: "trade-agree", class: "primary", "data-key": "agree" },
          () => this.#session.act({ type: "tradeAsk", target: trade.partner }));
        return [heading("Trade"), element("p", {}, `${name} wants to trade with you.`), element("div", { class: "row" }, agree, cancel("Decline"))];
      }
      case TradeState.Open:
        return this.#open(trade, own, name, heading, cancel);
      default:
        return [];
    }
  }

  #open(trade, own, name, heading, cancel) {
    const side = (id, title, accepted, goods) => element("div", { class: accepted ? "side accepted" : "side", id },
      element("h3", {}, title, accepted ? element("span", { class: "tick" }, " agrees") : ""), goods);
    const mine = element("div", { class: "grid small" });
    for (const [slot, count] of this.#offer) {
      const definition = this.#content.item(own.slots[slot].item);
      mine.append(this.#stack(definition, count, `mine-${slot}`, `Take back ${definition.name}`, { "data-offered": definition.key },
        (event) => this.#change(slot, event.shiftKey ? -count : -1)));
    }
    const theirs = element("div", { class: "grid small" });
    trade.theirs.forEach(({ item, count }, i) => {
      const definition = this.#content.item(item);
      if (!definition) return;
      const stack = this.#stack(definition, count, `theirs-${i}`, `${definition.name}, ${count}`, { "data-theirs": definition.key }, () => {});
      theirs.append(stack);
    });
    const goods = element("div", { class: "grid small", role: "group", "aria-label": "Your bag: click to offer one, with Shift all" });
    own.slots.forEach(({ item, count }, slot) => {
      const definition = this.#content.item(item);
      const left = count - (this.#offer.get(slot) ?? 0);
      if (!definition || left <= 0) return;
      goods.append(this.#stack(definition, left, `bag-${slot}`, `Offer ${definition.name}`, { "data-trade-item": definition.key },
        (event) => this.#change(slot, event.shiftKey ? left : 1)));
    });
    const accept = button(trade.iAccepted ? "Agreed" : "Agree", { id: "trade-accept", class: "primary", "data-key": "accept", "aria-pressed": trade.iAccepted },
      () => this.#session.act({ type: "tradeAccept", revision: this.#session.own.trade.revision }));
    return [
      heading(`Trade with ${name}`),
      element("div", { class: "sides" },
        side("trade-mine", "You give", trade.iAccepted, mine), side("trade-theirs", `${name} gives`, trade.theyAccepted, theirs)),
      element("h3", {}, "Your bag"), goods,
      element("p", { class: "hint" }, "Click to offer one, with Shift all of it. A change of either side's goods undoes both agreements."),
      element("div", { class: "row" }, accept, cancel("Cancel")),
    ];
  }

  #stack(definition, count, key, label, attributes, onclick) {
    const made = button("", { class: "slot", "data-key": key, "aria-label": label, title: definition.name, ...attributes }, onclick);
    made.append(icon(definition.glyph, definition.color, 30));
    if (count > 1) made.append(element("span", { class: "count" }, String(count)));
    return made;
  }

  #change(slot, by) {
    const count = (this.#offer.get(slot) ?? 0) + by;
    if (count <= 0) this.#offer.delete(slot);
    else if (this.#offer.has(slot) || this.#offer.size < MOST_OFFERS) this.#offer.set(slot, count);
    this.#send();
    this.update(this.#session.own);
  }

  /** What has left the bag meanwhile cannot be offered. */
  #keepToWhatIsThere(own) {
    let changed = false;
    for (const [slot, count] of this.#offer) {
      const left = own.slots[slot].count;
      if (count > left) {
        changed = true;
        if (left === 0) this.#offer.delete(slot);
        else this.#offer.set(slot, left);
      }
    }
    if (changed) this.#send();
  }

  #send() {
    const offer = [...this.#offer].map(([slot, count]) => ({ slot, count }));
    this.#session.act({ type: "tradeOffer", offer });
  }
}

