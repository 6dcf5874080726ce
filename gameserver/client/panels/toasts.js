// Short words at the top: what came in, what did not work.

import { element } from "../dom.js";

const SHOWN_MS = 3_200;
const MOST = 5;

const OUTCOMES = {
  NoSuchTarget: "It is gone.", TooFar: "Too far away.", NotNow: "Not yet.", Dead: "Not among the dead.",
  Busy: "Busy with something else.", NoRoom: "No room in the bag.", MissingItems: "Something is missing for that.",
  WrongTool: "That takes another tool in hand.", NeedsStation: "That takes a station near by.",
  SkillTooLow: "That takes more skill.", Depleted: "There is nothing left of it.", EmptySlot: "Nothing there.",
  NotUsable: "That is not for this.", NotAllowed: "That is not allowed.", TradeChanged: "The offer has changed: look again.",
  NoTrade: "The trade is over.", BadText: "That cannot be said.", Exhausted: "You have not the strength for it.",
  NotDead: "You are alive.", NoWay: "No way there.",
};

export class Toasts {
  #root;

  constructor(root) {
    this.#root = root;
  }

  show(text, kind = "plain") {
    const same = [...this.#root.children].find((toast) => toast.textContent === text);
    same?.remove();
    const toast = element("li", { class: `toast ${kind}` }, text);
    this.#root.append(toast);
    while (this.#root.children.length > MOST) this.#root.firstChild.remove();
    setTimeout(() => toast.remove(), SHOWN_MS);
  }

  /** How an action failed. */
  outcome(outcome) {
    if (outcome !== "Ok") this.show(OUTCOMES[outcome] ?? outcome, "bad");
  }
}
