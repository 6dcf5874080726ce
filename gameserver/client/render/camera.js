// Where the picture is: y of the world goes north, y of the screen goes down.

/** About so many metres are in sight across a wide window. */
const ACROSS_METRES = 46;
const LEAST_ZOOM = 0.6;
const MOST_ZOOM = 1.9;

export class Camera {
  width = 1;
  height = 1;
  zoom = 1;
  /** Middle of the picture, in millimetres. */
  x = 0;
  y = 0;

  resize(width, height) {
    this.width = width;
    this.height = height;
  }

  /** Pixels a metre. */
  get scale() {
    const fitting = Math.max(this.width / ACROSS_METRES, this.height / (ACROSS_METRES * 0.7));
    return Math.max(14, fitting) * this.zoom;
  }

  zoomBy(factor) {
    this.zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, this.zoom * factor));
  }

  look(place) {
    this.x = place.x;
    this.y = place.y;
  }

  /** Screen pixels of a place. */
  toScreen = (x, y) => [
    this.width / 2 + ((x - this.x) / 1000) * this.scale,
    this.height / 2 - ((y - this.y) / 1000) * this.scale,
  ];

  /** The place under a pixel, in whole millimetres. */
  toWorld(px, py) {
    return {
      x: Math.round(this.x + ((px - this.width / 2) / this.scale) * 1000),
      y: Math.round(this.y - ((py - this.height / 2) / this.scale) * 1000),
    };
  }

  /** Corners of what is in sight, with a margin in metres. */
  bounds(margin = 0) {
    const [halfX, halfY] = [
      (this.width / 2 / this.scale + margin) * 1000, (this.height / 2 / this.scale + margin) * 1000,
    ];
    return { west: this.x - halfX, east: this.x + halfX, south: this.y - halfY, north: this.y + halfY };
  }
}
