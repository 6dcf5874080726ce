// The connection to the world server: kept up, resumed, and given up only where trying again is of no use.

import { STABLE_MS, delay } from "./backoff.js";
import { ProtocolError, decode, encode } from "./protocol.js";

/** What to do after the server has ended a connection with a reason: PROTOCOL.md, the tables of reasons. */
const ENDS = new Map([
  ["VersionUnsupported", "This page is older than the world. Reload it."],
  ["Malformed", "The world did not understand this page. Reload it."],
  ["MessageTooLarge", "The world did not understand this page. Reload it."],
  ["Superseded", "You are playing in another window."],
]);
const WAITING_FOR = new Map([
  ["WorldFull", "The world is full. Waiting for a seat"],
  ["JoinsStopped", "The world lets nobody new in right now. Waiting"],
  ["Closing", "The world is closing. Waiting for it to come back"],
  ["Overloaded", "The world is busy. Waiting"],
  ["FormatUnavailable", "The world is busy. Waiting"],
  ["TooSlow", "Your connection could not keep up. Coming back"],
]);
/** No message for so long, although pings are answered: the connection is dead without having said so. */
const SILENCE_MS = 12_000;
const PING_MS = 2_000;

/**
 * @typedef {object} Surroundings what the link needs of the world around it; given by tests as well
 * @property {(url: string) => WebSocket} open
 * @property {() => number} now milliseconds
 * @property {() => number} chance 0 to 1
 * @property {(f: () => void, ms: number) => number} later
 * @property {(timer: number) => void} cancel
 */

/** @type {Surroundings} */
const BROWSER = {
  open: (url) => new WebSocket(url),
  now: () => performance.now(),
  chance: Math.random,
  later: (f, ms) => setTimeout(f, ms),
  cancel: (timer) => clearTimeout(timer),
};

/**
 * One player's link. Tells of each message by `onMessage(message, now)`, and of each change of its
 * state by `onState({phase, words, seconds})`; phases: connecting, open, waiting, ended.
 */
export class Link {
  #url;
  #name;
  #token;
  #around;
  #socket;
  #failures = 0;
  #openedAt = 0;
  #heardAt = 0;
  #words = "";
  #retry;
  #pinger;
  #nonce = 0;
  #pinged = new Map();
  onMessage = () => {};
  onState = () => {};
  onRoundTrip = () => {};
  /** A token to come back with; "" to forget it. */
  onToken = () => {};

  /**
   * @param {string} url of the WebSocket
   * @param {string} name of the player
   * @param {string} token to resume with, or ""
   * @param {Surroundings} around
   */
  constructor(url, name, token, around = BROWSER) {
    this.#url = url;
    this.#name = name;
    this.#token = token;
    this.#around = around;
  }

  get attempts() {
    return this.#failures;
  }

  connect() {
    this.#around.cancel(this.#retry);
    this.onState({ phase: "connecting", words: this.#token ? "Coming back" : "Connecting", seconds: 0 });
    this.#words = "";
    const socket = this.#around.open(this.#url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    // Events of a socket that has been replaced are of no interest.
    const mine = (handle) => (event) => socket === this.#socket && handle(event);
    socket.onopen = mine(() => {
      this.#heardAt = this.#around.now();
      socket.send(encode.hello({ name: this.#name, token: this.#token }));
      this.#pingLater();
    });
    socket.onmessage = mine((event) => this.#hear(event.data));
    socket.onclose = mine(() => this.#lost());
  }

  /** @param {Uint8Array} bytes one message; dropped if there is no connection */
  send(bytes) {
    if (this.#socket?.readyState === 1) this.#socket.send(bytes);
  }

  /** Leaves the world for good. */
  leave() {
    this.send(encode.leave());
    this.#end("You have left the world.");
    this.#forget();
  }

  /** Breaks the connection as a bad network would; it comes back by itself. */
  sever() {
    this.#socket?.close();
  }

  /** Tries again at once, if waiting. */
  hurry() {
    if (this.#retry !== undefined) this.connect();
  }

  #hear(data) {
    this.#heardAt = this.#around.now();
    let message;
    try {
      if (!(data instanceof ArrayBuffer)) throw new ProtocolError("not a binary message");
      message = decode(data);
      this.#handle(message);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      console.error("the server's message was not understood:", error.message);
      this.#words = "The connection was garbled. Coming back";
      this.#socket.close();
    }
  }

  #handle(message) {
    switch (message.type) {
      case "welcome":
        this.#openedAt = this.#heardAt;
        this.#token = message.token;
        this.onToken(message.token);
        this.onState({ phase: "open", words: "", seconds: 0 });
        break;
      case "refused":
      case "kicked":
        this.#over(message);
        return;
      case "pong": {
        const sent = this.#pinged.get(message.nonce);
        this.#pinged.delete(message.nonce);
        if (sent !== undefined) this.onRoundTrip(this.#heardAt - sent);
        break;
      }
    }
    this.onMessage(message, this.#heardAt);
  }

  #over({ reason, message }) {
    if (ENDS.has(reason)) {
      this.#end(ENDS.get(reason));
    } else if (reason === "ResumeInvalid") {
      this.#forget();
      this.#socket.close();
    } else if (reason === "WrongWorld" || reason === "WrongEpoch") {
      this.#end(`The world is not here any more: ${message}`);
    } else {
      this.#words = WAITING_FOR.get(reason) ?? "The connection was ended. Coming back";
    }
  }

  #forget() {
    this.#token = "";
    this.onToken("");
  }

  #end(words) {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#around.cancel(this.#retry);
    this.#around.cancel(this.#pinger);
    this.#retry = undefined;
    socket?.close();
    this.onState({ phase: "ended", words, seconds: 0 });
  }

  #lost() {
    this.#socket = undefined;
    this.#around.cancel(this.#pinger);
    this.#pinged.clear();
    const now = this.#around.now();
    if (this.#openedAt > 0 && now - this.#openedAt >= STABLE_MS) this.#failures = 0;
    this.#openedAt = 0;
    const wait = delay(this.#failures, this.#around.chance());
    this.#failures += 1;
    const words = this.#words || "The connection broke. Coming back";
    this.onState({ phase: "waiting", words, seconds: wait / 1000 });
    this.#retry = this.#around.later(() => {
      this.#retry = undefined;
      this.connect();
    }, wait);
  }

  #pingLater() {
    this.#pinger = this.#around.later(() => {
      const now = this.#around.now();
      if (now - this.#heardAt > SILENCE_MS) {
        // A close handshake would wait for the dead peer.
        const socket = this.#socket;
        this.#lost();
        socket?.close();
        return;
      }
      this.#nonce = (this.#nonce + 1) % 0x1_0000_0000;
      this.#pinged.set(this.#nonce, now);
      if (this.#pinged.size > 16) this.#pinged.delete(this.#pinged.keys().next().value);
      this.send(encode.ping(this.#nonce));
      this.#pingLater();
    }, PING_MS);
  }
}
