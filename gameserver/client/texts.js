// Texts as the server takes them: names of players, and what they say. Another would end the connection.

/**
 * Control characters, and those that render as nothing or reorder what stands around them; the same as in
 * gameserver/protocol/src/names.rs.
 */
const DECEPTIVE = new RegExp(
  "[\\p{Cc}\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F"
  + "\\u3164\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\u{E0000}-\\u{E0FFF}\\p{Cs}]", "gu");
const HAS_DECEPTIVE = new RegExp(DECEPTIVE.source, "u");
const EDGES = /^\p{White_Space}+|\p{White_Space}+$/gu;
const encoder = new TextEncoder();

/** The server would have let this text through. */
export function isAcceptable(text) {
  return text !== "" && !HAS_DECEPTIVE.test(text) && text.replace(EDGES, "") === text;
}

/** A text without what the server refuses, cut to its limits; "" if nothing is left. */
export function acceptable(text, mostCharacters, mostBytes) {
  let characters = [...text.normalize("NFC").replace(/[\t\n\r]/g, " ").replace(DECEPTIVE, "").replace(EDGES, "")];
  characters = characters.slice(0, mostCharacters);
  while (encoder.encode(characters.join("")).length > mostBytes) characters.pop();
  return characters.join("").replace(EDGES, "");
}

export const playerName = (text) => acceptable(text, 32, 64);
export const chatText = (text) => acceptable(text, 200, 400);
