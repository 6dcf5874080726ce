// The own state besides the position: vitals, slots, equipment, progress, activity, trade. After every
// Welcome all of it counts as empty, and the first update brings it.

import { Place, Skill, TradeState } from "./protocol.js";

export const SLOTS = 24;

export function emptyOwn() {
  return {
    vitals: { health: 0, maxHealth: 0, hunger: 0, thirst: 0, meter: 0 },
    slots: Array.from({ length: SLOTS }, () => ({ item: 0, count: 0 })),
    equipment: Place.map(() => 0),
    progress: { level: 0, experience: 0, skills: Skill.map(() => ({ level: 0, experience: 0 })) },
    activity: { kind: 0, left: 0, total: 0 },
    trade: {
      state: TradeState.None, partner: 0, revision: 0, mine: [], theirs: [],
      iAccepted: false, theyAccepted: false,
    },
  };
}

/** The state after an update's `self` part. */
export function applySelf(own, part) {
  const { slots, ...whole } = part;
  const next = { ...own, ...whole };
  if (slots) {
    next.slots = own.slots.slice();
    for (const { slot, item, count } of slots) {
      if (slot < next.slots.length) next.slots[slot] = { item, count };
    }
  }
  return next;
}

/** How many of an item the slots hold. */
export function countOf(own, item) {
  return own.slots.reduce((sum, slot) => sum + (slot.item === item ? slot.count : 0), 0);
}
