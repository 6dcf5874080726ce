// One world, one loop, one message a player and tick.

import { parseArgs } from "node:util";
import type { ServerWebSocket } from "bun";
import { ENTITY_BYTES, World } from "./world.ts";

const HEADER_BYTES = 4;
/** Most entities of an update. */
const MOST_SEEN = 250;
/** A socket that holds back more than this gets no update until it has drained. */
const BACKLOG_BYTES = 4096;
/** More ticks behind than this are given up, rather than run one after another. */
const MOST_CATCH_UP = 3;

const { values: flags } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "7000" },
    players: { type: "string", default: "1000" },
    creatures: { type: "string", default: "2000" },
    side: { type: "string", default: "686" },
    radius: { type: "string", default: "40" },
    hz: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
  },
});

function number(name: keyof typeof flags, least: number, most: number): number {
  const value = Number(flags[name]);
  if (!Number.isInteger(value) || value < least || value > most) {
    console.error(`--${name} is a whole number from ${least} to ${most}`);
    process.exit(2);
  }
  return value;
}

const players = number("players", 1, 20_000);
const creatures = number("creatures", 0, 40_000);
const side = number("side", 16, 16_384);
const radius = number("radius", 1, 120);
const hz = number("hz", 1, 100);
const world = new World({
  creatures,
  players,
  sideMetres: side,
  radiusMetres: radius,
  hz,
  seed: number("seed", 0, 2 ** 31),
});

/** What a socket carries: its seat. The body's id is `creatures + seat`. */
interface Player {
  seat: number;
}
type Socket = ServerWebSocket<Player>;

const sockets: (Socket | null)[] = new Array(players).fill(null);
const free = Array.from({ length: players }, (_, i) => players - 1 - i);
const applied = new Uint16Array(players);

// One buffer for every update of every player: a send copies it to the socket or into the socket's
// own backlog before it returns. A view of each length is made once, as making one per send is
// garbage.
const buffer = new ArrayBuffer(HEADER_BYTES + MOST_SEEN * ENTITY_BYTES);
const bytes = new Uint8Array(buffer);
const updates = Array.from(
  { length: MOST_SEEN + 1 },
  (_, entities) => new Uint8Array(buffer, 0, HEADER_BYTES + entities * ENTITY_BYTES),
);

function welcome(id: number): ArrayBuffer {
  const message = new DataView(new ArrayBuffer(16));
  message.setUint16(0, id, true);
  message.setUint16(2, world.tick & 0xffff, true);
  message.setInt32(4, world.x[id]! >> 4, true);
  message.setInt32(8, world.y[id]! >> 4, true);
  message.setUint16(12, side, true);
  message.setUint16(14, hz, true);
  return message.buffer;
}

const server = Bun.serve<Player>({
  hostname: flags.host,
  port: Number(flags.port),
  fetch(request, server) {
    if (server.upgrade(request, { data: { seat: -1 } })) return undefined;
    return new Response("a WebSocket is expected here\n", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    maxPayloadLength: 64,
    idleTimeout: 60,
    sendPings: false,
    open(ws: Socket) {
      const seat = free.pop();
      if (seat === undefined) {
        ws.close(1013, "full");
        return;
      }
      ws.data.seat = seat;
      applied[seat] = 0;
      world.place(creatures + seat);
      ws.sendBinary(welcome(creatures + seat), false);
      sockets[seat] = ws;
    },
    message(ws: Socket, message: string | Buffer) {
      const { seat } = ws.data;
      if (seat < 0 || typeof message === "string" || message.length !== 3) return;
      applied[seat] = message[0]! | (message[1]! << 8);
      world.steer(creatures + seat, message[2]!);
    },
    close(ws: Socket) {
      const { seat } = ws.data;
      if (seat < 0) return;
      sockets[seat] = null;
      world.remove(creatures + seat);
      free.push(seat);
    },
  },
});

function tick(): void {
  world.step();
  bytes[0] = world.tick;
  bytes[1] = world.tick >> 8;
  for (let seat = 0; seat < players; seat++) {
    const ws = sockets[seat];
    if (ws === null || ws === undefined) continue;
    if (ws.getBufferedAmount() > BACKLOG_BYTES) continue;
    const seq = applied[seat]!;
    bytes[2] = seq;
    bytes[3] = seq >> 8;
    const end = world.writeSeen(creatures + seat, bytes, HEADER_BYTES, MOST_SEEN);
    ws.sendBinary(updates[(end - HEADER_BYTES) / ENTITY_BYTES]!, false);
  }
}

// Absolute deadlines: an interval would drift by what each tick costs.
const period = 1000 / hz;
let due = performance.now() + period;
function run(): void {
  const now = performance.now();
  if (now - due > MOST_CATCH_UP * period) due = now;
  while (due <= now) {
    tick();
    due += period;
  }
  setTimeout(run, Math.max(0, due - performance.now()));
}
setTimeout(run, period);

console.log(`listening on ${server.hostname}:${server.port}`);
