// Whose time it is. Updates arrive late and unevenly; the clock says which tick the server would have
// told us of by now if the network were as quick as it has recently been, and moves smoothly.
//
//   shown   = told - delay      others are drawn here, between two updates that have both arrived
//   told                        the tick of an update that would arrive just now
//   ahead   = told + lead       an input sent now reaches the server before this tick begins

/** Share of the error that is mended a second. */
const MEND_PER_SECOND = 2;
/** Off by more than this many ticks, time jumps instead of running faster or slower. */
const JUMP_TICKS = 10;
/** Arrivals over which lateness is judged: about three seconds. */
const REMEMBERED = 60;

export class Clock {
  #rate;
  #told;
  #at;
  #lateness = [];
  #rtt = 0;
  #pace = 1;

  /** @param {{tick: number, tickRate: number}} welcome @param {number} now milliseconds */
  constructor(welcome, now) {
    this.#rate = welcome.tickRate;
    this.#told = welcome.tick;
    this.#at = now;
  }

  /** The world may run slower than real time when its server is overloaded. */
  dilated(percent) {
    this.#pace = Math.max(0.05, percent / 100);
  }

  /** An update of `tick` has arrived. */
  arrived(tick, now) {
    this.#run(now, 0);
    const late = this.#told - tick;
    this.#lateness.push(late);
    if (this.#lateness.length > REMEMBERED) this.#lateness.shift();
    // The promptest arrivals tell the server's time; the spread is jitter.
    if (Math.abs(late) > JUMP_TICKS) {
      this.#told = tick;
      this.#lateness = [0];
    }
  }

  /** A round trip has been measured, in milliseconds. */
  roundTrip(milliseconds) {
    this.#rtt = this.#rtt === 0 ? milliseconds : this.#rtt + (milliseconds - this.#rtt) * 0.2;
  }

  get rtt() {
    return this.#rtt;
  }

  /** Moves time on; once a frame. */
  run(now) {
    this.#run(now, MEND_PER_SECOND);
  }

  #run(now, mend) {
    const seconds = Math.max(0, now - this.#at) / 1000;
    this.#at = now;
    this.#told += seconds * this.#rate * this.#pace;
    if (mend === 0 || this.#lateness.length === 0) return;
    // Aim: the promptest of the recent arrivals is not late at all.
    const error = Math.min(...this.#lateness);
    const step = error * Math.min(1, seconds * mend);
    this.#told -= step;
    this.#lateness = this.#lateness.map((late) => late - step);
  }

  /** Ticks between the promptest and the nearly latest arrival. */
  get jitter() {
    if (this.#lateness.length < 4) return 1;
    const sorted = this.#lateness.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length * 0.95)] - sorted[0];
  }

  get told() {
    return this.#told;
  }

  /** Where others are drawn. At least a tick and a half back, at most half a second. */
  get shown() {
    const delay = Math.min(this.#rate / 2, 1.5 + this.jitter);
    return this.#told - delay;
  }

  /** The tick whose input is decided now. */
  get ahead() {
    // One tick for the server to take it up, and the jitter of the way there.
    const lead = (this.#rtt / 1000) * this.#rate * this.#pace + 1.5 + Math.min(this.jitter, 4);
    return this.#told + Math.min(lead, this.#rate);
  }
}
