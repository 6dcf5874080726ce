// Bodies on a plane: where they are, how they move, and who is near whom. Struct of arrays, no
// object per body, nothing allocated after the start.

/** Positions are integers of 1/256 m: neither a step nor a squared distance leaves 32 bits. */
export const UNITS_PER_METRE = 256;
/** Bytes of an entity in an update. */
export const ENTITY_BYTES = 5;

const WALK_METRES_PER_SECOND = 6;
/** Creatures wander between these, in m/s. */
const SLOWEST_CREATURE = 1;
const FASTEST_CREATURE = 4;
/** Mean seconds between two turns of a creature. */
const SECONDS_BETWEEN_TURNS = 2;

/** xorshift32: reproducible, and integers all the way. */
class Random {
  private state: number;

  constructor(seed: number) {
    this.state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 0 || 1;
  }

  /** An integer in 0..bound. */
  below(bound: number): number {
    let s = this.state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.state = s;
    return (s >>> 0) % bound;
  }
}

export interface Shape {
  creatures: number;
  players: number;
  sideMetres: number;
  radiusMetres: number;
  hz: number;
  seed: number;
}

export class World {
  readonly creatures: number;
  readonly bodies: number;
  /** By id. */
  readonly x: Int32Array;
  readonly y: Int32Array;
  private readonly stepX: Int32Array;
  private readonly stepY: Int32Array;
  private readonly turnsAt: Int32Array;
  private readonly inside: Uint8Array;

  private readonly random: Random;
  private readonly side: number;
  private readonly radius: number;
  private readonly reach: number;
  private readonly hz: number;
  private readonly walkX = new Int32Array(256);
  private readonly walkY = new Int32Array(256);

  // The grid. Cells are half a radius wide and row by row, so the cells of a row that a player sees
  // are one run of the sorted bodies. What the search reads lies side by side, in that order.
  private readonly cellShift: number;
  private readonly across: number;
  private readonly cellOf: Int32Array;
  private readonly starts: Int32Array;
  private readonly next: Int32Array;
  private readonly sortedX: Int32Array;
  private readonly sortedY: Int32Array;
  private readonly sortedId: Uint16Array;
  /** Both wrapped coordinates, as on the wire. */
  private readonly sortedPlace: Uint32Array;
  private readonly cells: number;
  tick = 0;

  constructor(shape: Shape) {
    this.creatures = shape.creatures;
    this.bodies = shape.creatures + shape.players;
    this.hz = shape.hz;
    this.side = shape.sideMetres * UNITS_PER_METRE;
    this.radius = shape.radiusMetres * UNITS_PER_METRE;
    this.random = new Random(shape.seed);
    const n = this.bodies;
    this.x = new Int32Array(n);
    this.y = new Int32Array(n);
    this.stepX = new Int32Array(n);
    this.stepY = new Int32Array(n);
    this.turnsAt = new Int32Array(n);
    this.inside = new Uint8Array(n);
    this.cellOf = new Int32Array(n);
    this.sortedX = new Int32Array(n);
    this.sortedY = new Int32Array(n);
    this.sortedId = new Uint16Array(n);
    this.sortedPlace = new Uint32Array(n);
    // A power of two, so that a cell's number is a shift.
    this.cellShift = Math.max(0, Math.round(Math.log2(this.radius / 2)));
    this.reach = Math.ceil(this.radius / (1 << this.cellShift));
    // A margin all around: the search never has to look where the edge is.
    this.across = (this.side >> this.cellShift) + 1 + 2 * this.reach;
    this.cells = this.across * this.across;
    this.starts = new Int32Array(this.cells + 1);
    this.next = new Int32Array(this.cells);

    const step = (WALK_METRES_PER_SECOND * UNITS_PER_METRE) / shape.hz;
    for (let direction = 1; direction < 256; direction++) {
      const angle = ((direction - 1) / 255) * 2 * Math.PI;
      this.walkX[direction] = Math.round(step * Math.cos(angle));
      this.walkY[direction] = Math.round(step * Math.sin(angle));
    }
    for (let id = 0; id < this.creatures; id++) this.place(id);
    this.sort();
  }

  /** Lets a body in somewhere. */
  place(id: number): void {
    this.x[id] = this.random.below(this.side);
    this.y[id] = this.random.below(this.side);
    this.stepX[id] = 0;
    this.stepY[id] = 0;
    this.inside[id] = 1;
  }

  remove(id: number): void {
    this.inside[id] = 0;
  }

  /** A player walks in a direction, a byte as on the wire. */
  steer(id: number, direction: number): void {
    this.stepX[id] = this.walkX[direction]!;
    this.stepY[id] = this.walkY[direction]!;
  }

  /** Moves everyone by a tick. */
  step(): void {
    this.tick++;
    const { x, y, stepX, stepY, inside, bodies, creatures, turnsAt, tick } = this;
    const last = this.side - 1;
    for (let id = 0; id < creatures; id++) if (turnsAt[id]! <= tick) this.turn(id);
    for (let id = 0; id < bodies; id++) {
      if (inside[id] === 0) continue;
      const toX = x[id]! + stepX[id]!;
      const toY = y[id]! + stepY[id]!;
      x[id] = toX < 0 ? 0 : toX > last ? last : toX;
      y[id] = toY < 0 ? 0 : toY > last ? last : toY;
    }
    this.sort();
  }

  private turn(id: number): void {
    const direction = 1 + this.random.below(255);
    const pace = SLOWEST_CREATURE * 16 + this.random.below((FASTEST_CREATURE - SLOWEST_CREATURE) * 16);
    const scale = pace / (16 * WALK_METRES_PER_SECOND);
    this.stepX[id] = Math.round(this.walkX[direction]! * scale);
    this.stepY[id] = Math.round(this.walkY[direction]! * scale);
    this.turnsAt[id] = this.tick + 1 + this.random.below(2 * SECONDS_BETWEEN_TURNS * this.hz);
  }

  /** Sorts all bodies into cells, by counting. */
  private sort(): void {
    const { x, y, inside, bodies, cellOf, starts, next, cells, cellShift, across, reach } = this;
    const { sortedX, sortedY, sortedId, sortedPlace } = this;
    starts.fill(0);
    for (let id = 0; id < bodies; id++) {
      if (inside[id] === 0) continue;
      const cell = ((y[id]! >> cellShift) + reach) * across + (x[id]! >> cellShift) + reach;
      cellOf[id] = cell;
      starts[cell + 1]!++;
    }
    for (let cell = 0; cell < cells; cell++) {
      starts[cell + 1]! += starts[cell]!;
      next[cell] = starts[cell]!;
    }
    for (let id = 0; id < bodies; id++) {
      if (inside[id] === 0) continue;
      const at = next[cellOf[id]!]!++;
      const bodyX = x[id]!;
      const bodyY = y[id]!;
      sortedX[at] = bodyX;
      sortedY[at] = bodyY;
      sortedId[at] = id;
      sortedPlace[at] = ((bodyX >> 4) & 0xfff) | (((bodyY >> 4) & 0xfff) << 12);
    }
  }

  /**
   * Writes all that a body sees into `out` from `at` on, itself first, at most `most` of them;
   * returns where it ended.
   */
  writeSeen(id: number, out: Uint8Array, at: number, most: number): number {
    const { sortedX, sortedY, sortedId, sortedPlace, starts, across, reach, cellShift } = this;
    const ownX = this.x[id]!;
    const ownY = this.y[id]!;
    const square = this.radius * this.radius;
    const end = at + most * ENTITY_BYTES;
    at = writeEntity(out, at, id, ((ownX >> 4) & 0xfff) | (((ownY >> 4) & 0xfff) << 12));
    let row = (ownY >> cellShift) * across + (ownX >> cellShift);
    for (let rows = 2 * reach; rows >= 0; rows--, row += across) {
      const stop = starts[row + 2 * reach + 1]!;
      for (let i = starts[row]!; i < stop; i++) {
        const dx = sortedX[i]! - ownX;
        const dy = sortedY[i]! - ownY;
        if (dx * dx + dy * dy > square) continue;
        const other = sortedId[i]!;
        if (other === id) continue;
        if (at === end) return at;
        at = writeEntity(out, at, other, sortedPlace[i]!);
      }
    }
    return at;
  }
}

function writeEntity(out: Uint8Array, at: number, id: number, place: number): number {
  out[at] = id;
  out[at + 1] = id >> 8;
  out[at + 2] = place;
  out[at + 3] = place >> 8;
  out[at + 4] = place >> 16;
  return at + ENTITY_BYTES;
}
