// Values of the binary format: PROTOCOL.md, "Values". Every value has one spelling; another is a fault.

/** Why bytes are not a message. */
export class ProtocolError extends Error {}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const U64_MAX = (1n << 64n) - 1n;

/**
 * A 64-bit number: a Number where that is exact, else a BigInt. Both compare with `<` and print alike,
 * and as keys of a Map no two spellings of one number meet.
 */
export function fit(big) {
  return big <= BigInt(Number.MAX_SAFE_INTEGER) && big >= BigInt(Number.MIN_SAFE_INTEGER)
    ? Number(big)
    : big;
}

/** Sum of two 64-bit numbers, each a Number or a BigInt. */
export function plus(a, b) {
  if (typeof a === "number" && typeof b === "number" && Number.isSafeInteger(a + b)) return a + b;
  return fit(BigInt(a) + BigInt(b));
}

/** Reads values from a message, first to last. */
export class Reader {
  #bytes;
  #view;
  #at = 0;

  /** @param {ArrayBuffer} buffer one whole message */
  constructor(buffer) {
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
  }

  u8() {
    if (this.#at >= this.#bytes.length) throw new ProtocolError("truncated");
    return this.#bytes[this.#at++];
  }

  i8() {
    return (this.u8() << 24) >> 24;
  }

  /** Eight bytes, lowest first, as a BigInt: hashes are only compared and printed. */
  u64() {
    if (this.#at + 8 > this.#bytes.length) throw new ProtocolError("truncated");
    const value = this.#view.getBigUint64(this.#at, true);
    this.#at += 8;
    return value;
  }

  varint() {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.u8();
      // Seven groups of seven bits are exact in a Number.
      if (count === 7) return this.#longVarint(BigInt(value), byte);
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) {
        if (byte === 0 && count > 0) throw new ProtocolError("a longer spelling than needed");
        return value;
      }
    }
    throw new ProtocolError("varint too long");
  }

  #longVarint(low, first) {
    let value = low;
    let byte = first;
    for (let shift = 49n; ; shift += 7n) {
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) break;
      if (shift >= 63n) throw new ProtocolError("varint too long");
      byte = this.u8();
    }
    if (byte === 0) throw new ProtocolError("a longer spelling than needed");
    if (value > U64_MAX) throw new ProtocolError("varint too large");
    return fit(value);
  }

  /** A varint that must not exceed `most`; for counts, before anything is made that long. */
  bounded(most, what) {
    const value = this.varint();
    if (value > most) throw new ProtocolError(`${what} out of range`);
    return value;
  }

  zigzag() {
    const value = this.bounded(0xffff_ffff, "zigzag");
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** @param {number} most bytes */
  text(most) {
    const length = this.bounded(most, "text");
    if (this.#at + length > this.#bytes.length) throw new ProtocolError("truncated");
    const slice = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    try {
      return decoder.decode(slice);
    } catch {
      throw new ProtocolError("text is not UTF-8");
    }
  }

  bool() {
    const value = this.u8();
    if (value > 1) throw new ProtocolError("neither 0 nor 1");
    return value === 1;
  }

  /** Nothing may follow the last field. */
  end() {
    if (this.#at !== this.#bytes.length) throw new ProtocolError("trailing bytes");
  }
}

/** Writes values one after the other. */
export class Writer {
  #bytes = [];

  u8(value) {
    this.#bytes.push(value & 0xff);
    return this;
  }

  i8(value) {
    return this.u8(value);
  }

  varint(value) {
    let rest = value;
    if (typeof rest === "number" && rest > 0x7fff_ffff) rest = BigInt(rest);
    if (typeof rest === "bigint") {
      while (rest > 0x7fn) {
        this.#bytes.push(Number(rest & 0x7fn) | 0x80);
        rest >>= 7n;
      }
      rest = Number(rest);
    }
    while (rest > 0x7f) {
      this.#bytes.push((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.#bytes.push(rest);
    return this;
  }

  text(value) {
    const bytes = encoder.encode(value);
    this.varint(bytes.length);
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  finish() {
    return Uint8Array.from(this.#bytes);
  }
}
