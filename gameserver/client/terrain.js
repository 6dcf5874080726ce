// The ground: chunks of tiles fetched as the player comes near them. They never change, so the browser
// keeps them.

/** Side of a tile, in millimetres. */
export const TILE_MM = 4_000;
/** Tiles to a side of a chunk. */
export const CHUNK_TILES = 32;
const CHUNK_MM = TILE_MM * CHUNK_TILES;
/** Chunks kept: more than can be in sight, at 1 KiB each. */
const MOST_CHUNKS = 256;
const MOST_FETCHES = 4;
const RETRY_MS = 2_000;

export class Terrain {
  #hash;
  #size;
  #biomes;
  #fetch;
  #chunks = new Map();
  #fetching = 0;
  #wanted = [];
  /** Called with (cx, cy) when a chunk has come. */
  onChunk = () => {};

  /**
   * @param {{terrainHash: string, size: number}} welcome
   * @param {{ground: string}[]} biomes of the content
   */
  constructor(welcome, biomes, fetcher = (url) => fetch(url)) {
    this.#hash = welcome.terrainHash;
    this.#size = welcome.size * 1000;
    this.#biomes = biomes;
    this.#fetch = fetcher;
  }

  get hash() {
    return this.#hash;
  }

  /** Side of the world, in millimetres. */
  get size() {
    return this.#size;
  }

  get biomes() {
    return this.#biomes;
  }

  /** Number of the biome of a tile; undefined outside the world, -1 while it is not known. */
  biome(tx, ty) {
    if (tx < 0 || ty < 0 || tx * TILE_MM >= this.#size || ty * TILE_MM >= this.#size) return undefined;
    const cx = Math.floor(tx / CHUNK_TILES);
    const cy = Math.floor(ty / CHUNK_TILES);
    const chunk = this.#chunks.get(`${cx},${cy}`);
    if (!chunk?.tiles) return -1;
    return chunk.tiles[(ty - cy * CHUNK_TILES) * CHUNK_TILES + (tx - cx * CHUNK_TILES)];
  }

  /**
   * The ground at a place, for the movement kernel; undefined outside the world. Where the chunk has
   * not come yet it is taken as open: the server's word mends what that gets wrong.
   */
  ground = (x, y) => {
    if (x < 0 || y < 0 || x >= this.#size || y >= this.#size) return undefined;
    const biome = this.biome(Math.floor(x / TILE_MM), Math.floor(y / TILE_MM));
    return biome === undefined ? undefined : this.#biomes[biome]?.ground ?? "Open";
  };

  /** Fetches what is within `radius` millimetres of a place, nearest first. */
  approach(place, radius) {
    const low = (v) => Math.max(0, Math.floor((v - radius) / CHUNK_MM));
    const high = (v) => Math.floor(Math.min(this.#size - 1, v + radius) / CHUNK_MM);
    const wanted = [];
    for (let cy = low(place.y); cy <= high(place.y); cy++) {
      for (let cx = low(place.x); cx <= high(place.x); cx++) {
        const chunk = this.#chunks.get(`${cx},${cy}`);
        if (chunk && (chunk.tiles || chunk.pending || performance.now() < chunk.retryAt)) continue;
        const away = Math.hypot((cx + 0.5) * CHUNK_MM - place.x, (cy + 0.5) * CHUNK_MM - place.y);
        wanted.push({ cx, cy, away });
      }
    }
    this.#wanted = wanted.sort((a, b) => a.away - b.away);
    this.#next();
  }

  #next() {
    while (this.#fetching < MOST_FETCHES && this.#wanted.length > 0) {
      const { cx, cy } = this.#wanted.shift();
      this.#load(cx, cy);
    }
  }

  async #load(cx, cy) {
    const key = `${cx},${cy}`;
    this.#chunks.set(key, { pending: true });
    this.#fetching += 1;
    try {
      const response = await this.#fetch(`/v1/terrain/${this.#hash}/${cx}/${cy}`);
      if (!response.ok) throw new Error(`status ${response.status}`);
      const tiles = new Uint8Array(await response.arrayBuffer());
      if (tiles.length !== CHUNK_TILES * CHUNK_TILES) throw new Error(`${tiles.length} tiles`);
      this.#chunks.delete(key);
      this.#chunks.set(key, { tiles });
      if (this.#chunks.size > MOST_CHUNKS) this.#chunks.delete(this.#chunks.keys().next().value);
      this.onChunk(cx, cy);
    } catch {
      // The connection shows what is wrong; here it is enough to try again.
      this.#chunks.set(key, { retryAt: performance.now() + RETRY_MS });
    } finally {
      this.#fetching -= 1;
      this.#next();
    }
  }
}
