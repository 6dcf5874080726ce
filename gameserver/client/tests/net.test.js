import assert from "node:assert/strict";
import { test } from "node:test";

import { Writer } from "../bytes.js";
import { Link } from "../net.js";

/** A network, a clock and chance that a test turns by hand. */
class Around {
  time = 1000;
  timers = new Map();
  sockets = [];
  #next = 1;
  open = (url) => {
    const socket = {
      url, readyState: 1, sent: [], closed: false,
      send: (bytes) => socket.sent.push(bytes),
      close: () => {
        socket.closed = true;
        socket.readyState = 3;
        socket.onclose({});
      },
    };
    this.sockets.push(socket);
    return socket;
  };
  now = () => this.time;
  chance = () => 0.5;
  later = (run, ms) => {
    this.timers.set(this.#next, { run, at: this.time + ms });
    return this.#next++;
  };
  cancel = (timer) => this.timers.delete(timer);

  /** Lets time pass; timers run when they are due. */
  pass(ms) {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.time = due[1].at;
      due[1].run();
    }
    this.time = end;
  }

  get socket() {
    return this.sockets.at(-1);
  }

  hear(bytes) {
    this.socket.onmessage({ data: bytes.buffer });
  }
}

function welcome(token, resumed = false) {
  const u64 = (writer) => {
    for (let i = 0; i < 8; i++) writer.u8(i);
    return writer;
  };
  const writer = new Writer().u8(0x41).varint(2).text("local/world").varint(1).varint(42).u8(1);
  u64(u64(writer));
  return writer.varint(2000).u8(20).varint(1000).varint(501).varint(0).varint(0).u8(resumed ? 1 : 0)
    .varint(0).text(token).varint(30).finish();
}

const refused = (reason) => new Writer().u8(0x42).u8(reason).text("words").finish();
const kicked = (reason) => new Writer().u8(0x45).u8(reason).text("words").finish();
const text = (bytes) => new TextDecoder().decode(bytes);

function play(token = "") {
  const around = new Around();
  const link = new Link("ws://world/v1/play", "Ada", token, around);
  const states = [];
  link.onState = (state) => states.push(state);
  link.connect();
  around.socket.onopen({});
  return { around, link, states };
}

test("says hello with the name, and with the token after a break", () => {
  const { around, states } = play();
  assert.ok(text(around.socket.sent[0]).includes("Ada"));
  around.hear(welcome("t0k3n"));
  assert.equal(states.at(-1).phase, "open");
  around.socket.close();
  assert.equal(states.at(-1).phase, "waiting");
  around.pass(states.at(-1).seconds * 1000);
  assert.equal(around.sockets.length, 2);
  around.socket.onopen({});
  assert.ok(text(around.socket.sent[0]).includes("t0k3n"));
});

test("waits longer after each failure, and anew after a connection that held", () => {
  const { around, states } = play();
  const waits = [];
  for (let i = 0; i < 5; i++) {
    around.socket.close();
    waits.push(states.at(-1).seconds * 1000);
    around.pass(waits.at(-1));
  }
  assert.deepEqual(waits, [...waits].sort((a, b) => a - b));
  assert.ok(waits[4] > 4 * waits[0]);
  around.socket.onopen({});
  around.hear(welcome("a"));
  around.pass(6000);
  around.socket.close();
  assert.equal(states.at(-1).seconds * 1000, waits[0]);
});

test("a connection that breaks at once does not count as success", () => {
  const { around, states } = play();
  around.socket.close();
  const first = states.at(-1).seconds;
  around.pass(first * 1000);
  around.socket.onopen({});
  around.hear(welcome("a"));
  around.pass(100);
  around.socket.close();
  assert.ok(states.at(-1).seconds > first);
});

test("a token that is refused is forgotten", () => {
  const { around, link, states } = play("old");
  let kept = "old";
  link.onToken = (token) => {
    kept = token;
  };
  around.hear(refused(7));
  assert.equal(kept, "");
  around.pass(states.at(-1).seconds * 1000);
  around.socket.onopen({});
  assert.ok(!text(around.socket.sent[0]).includes("old"));
});

test("gives up where trying again is of no use", () => {
  for (const [bytes, ends] of [
    [refused(1), true], [refused(8), true], [kicked(7), true], [kicked(2), true],
    [refused(4), false], [refused(5), false], [refused(6), false], [refused(12), false],
    [kicked(1), false], [kicked(5), false], [kicked(6), false], [kicked(4), false],
  ]) {
    const { around, states } = play();
    around.hear(bytes);
    around.socket?.close();
    assert.equal(states.at(-1).phase, ends ? "ended" : "waiting", JSON.stringify(bytes));
    around.pass(60_000);
    assert.equal(around.sockets.length > 1, !ends);
  }
});

test("measures round trips, and ends a connection that has gone silent", () => {
  const { around, link, states } = play();
  const trips = [];
  link.onRoundTrip = (ms) => trips.push(ms);
  around.hear(welcome("a"));
  around.pass(2000);
  const ping = around.socket.sent.at(-1);
  assert.equal(ping[0], 3);
  around.time += 80;
  around.hear(new Writer().u8(0x44).varint(ping[1]).varint(1).u8(3).u8(100).finish());
  assert.deepEqual(trips, [80]);
  around.pass(15_000);
  assert.equal(states.at(-2).phase === "waiting" || states.at(-1).phase === "waiting", true);
  assert.ok(around.sockets[0].closed);
});

test("a garbled message ends the connection, and it comes back", (t) => {
  t.mock.method(console, "error", () => {});
  const { around, states } = play();
  around.hear(welcome("a"));
  around.hear(Uint8Array.of(0x99));
  assert.equal(states.at(-1).phase, "waiting");
});

test("what a replaced socket says is not heard", () => {
  const { around, link } = play();
  const heard = [];
  link.onMessage = (message) => heard.push(message.type);
  const old = around.socket;
  around.hear(welcome("a"));
  link.connect();
  old.onmessage({ data: welcome("b").buffer });
  old.onclose({});
  assert.deepEqual(heard, ["welcome"]);
  assert.equal(around.sockets.length, 2);
});

test("leaving is for good", () => {
  const { around, link, states } = play();
  around.hear(welcome("a"));
  const { socket } = around;
  link.leave();
  assert.deepEqual([...socket.sent.at(-1)], [4]);
  assert.equal(states.at(-1).phase, "ended");
  around.pass(60_000);
  assert.equal(around.sockets.length, 1);
});
