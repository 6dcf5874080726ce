// Making elements. Text goes in as text; there is no way here to put markup in.

/**
 * @param {string} tag
 * @param {Record<string, unknown>} attributes `class`, `on…` handlers, `data-…`; false and undefined are left out
 * @param {...(Node|string)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children);
  return made;
}

/** A button that does not submit. */
export function button(text, attributes, onclick) {
  return element("button", { type: "button", onclick, ...attributes }, text);
}

/** Sets text only where it differs: the page is laid out anew for each change. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export function byId(id) {
  return document.getElementById(id);
}

/** "MissingItems" to "Missing items". */
export function spaced(name) {
  const words = name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
