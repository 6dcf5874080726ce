// The shapes that content names, drawn once into sprites. A shape is a list of [tone, path]: paths are
// SVG path data in a box of 32 by 32, y downwards, what stands has its foot at y = 30. Tones:
//   b base color   d darker   l lighter   w wood   m metal   k near black   h near white
//   y warm glow    c cold glow            r red    g green   in capitals: a line instead of a fill

const TONES = {
  w: "#7b5333", m: "#98a2ad", k: "#1d1e26", h: "#eef0ea", y: "#ffd56b", c: "#8df3ff", r: "#d8473c", g: "#5f9a48",
};

const DISC = [["b", "M16 6a10 10 0 1 1 0 20a10 10 0 1 1 0-20z"], ["l", "M12 10a4 4 0 1 1 0 6a4 4 0 0 1 0-6z"]];

const SHAPES = {
  // Materials and food.
  "log": [["b", "M6 11h20v10H6a5 5 0 0 1 0-10z"], ["d", "M8 17h16v2H8z"], ["l", "M26 11a4 5 0 0 1 0 10a4 5 0 0 1 0-10z"], ["D", "M26 14a1.6 2 0 0 1 0 4a1.6 2 0 0 1 0-4z"]],
  "stone": [["b", "M5 21l4-10 9-4 8 7 1 9-8 4H9z"], ["l", "M9 11l9-4 2 6-7 3z"], ["d", "M13 16l7-3 7 10-8 4z"]],
  "ore": [["m", "M5 21l4-10 9-4 8 7 1 9-8 4H9z"], ["b", "M11 13l4-2 2 4-4 2z"], ["b", "M19 17l4-1 1 4-4 2z"], ["b", "M11 20l3-1 2 3-3 2z"], ["l", "M11 13l4-2 0 2-3 1z"]],
  "ingot": [["b", "M4 22l4-8h16l4 8z"], ["l", "M8 14l2-4h12l2 4z"], ["d", "M4 22h24v3H4z"]],
  "gem": [["b", "M9 8h14l5 7-12 12L4 15z"], ["l", "M9 8l3 7 4-7z"], ["l", "M4 15h8l4 12z"], ["d", "M20 15h8L16 27z"]],
  "crystal": [["b", "M12 4l5 6v14l-5 5-5-5V10z"], ["l", "M12 4v25l-5-5V10z"], ["b", "M22 12l4 4v9l-4 3-4-3v-9z"], ["l", "M22 12v16l-4-3v-9z"]],
  "fibre": [["G", "M8 28C10 18 8 12 6 6"], ["B", "M13 28c0-10 0-14-1-23"], ["B", "M18 28c0-10 2-14 2-22"], ["L", "M23 28c-1-8 1-14 4-20"], ["w", "M7 19h17v4H7z"]],
  "cloth": [["b", "M5 9q6-4 11 0t11 0v14q-6 4-11 0t-11 0z"], ["l", "M5 9q6-4 11 0v4q-5-4-11 0z"], ["D", "M5 18q6-4 11 0t11 0"]],
  "leaf": [["b", "M5 27C4 14 12 5 27 5C27 20 18 28 5 27z"], ["L", "M6 26C12 18 17 13 24 8"], ["d", "M5 27C14 24 22 18 27 5C27 20 18 28 5 27z"]],
  "herb": [["G", "M16 29V12"], ["b", "M16 20C8 20 6 14 6 10c7 0 10 4 10 10z"], ["b", "M16 18c8 0 10-6 10-10-7 0-10 4-10 10z"], ["l", "M16 12a4 4 0 1 1 0-8a4 4 0 0 1 0 8z"]],
  "berry": [["g", "M16 10C12 4 8 4 6 6c2 5 6 6 10 4z"], ["b", "M10 13a5 5 0 1 1 0 10a5 5 0 0 1 0-10z"], ["b", "M21 12a5 5 0 1 1 0 10a5 5 0 0 1 0-10z"], ["b", "M16 19a5 5 0 1 1 0 10a5 5 0 0 1 0-10z"], ["l", "M9 15a1.5 1.5 0 1 1 0 3a1.5 1.5 0 0 1 0-3z"], ["l", "M20 14a1.5 1.5 0 1 1 0 3a1.5 1.5 0 0 1 0-3z"]],
  "mushroom": [["h", "M13 16h6l1 12h-8z"], ["b", "M4 18C4 8 10 5 16 5s12 3 12 13z"], ["l", "M10 10a2 2 0 1 1 0 4a2 2 0 0 1 0-4z"], ["l", "M20 9a2.5 2.5 0 1 1 0 5a2.5 2.5 0 0 1 0-5z"], ["d", "M4 18h24q-4 3-12 3T4 18z"]],
  "meat": [["h", "M22 8l4-4 3 3-2 1 0 3-3 1z"], ["b", "M6 14C9 7 18 6 23 9s3 9-3 14-12 5-15 1 0-6 1-10z"], ["l", "M9 15c2-4 7-5 10-4s-2 3-5 4-4 3-5 0z"]],
  "bread": [["b", "M4 19C4 11 10 9 16 9s12 2 12 10c0 5-4 6-12 6S4 24 4 19z"], ["L", "M10 12l3 5M16 11l3 5M22 12l2 4"], ["d", "M4 20q12 4 24 0c0 4-4 5-12 5S4 24 4 20z"]],
  "bottle": [["h", "M13 4h6v4h-6z"], ["b", "M13 8h6v4l4 5v10q0 2-2 2H11q-2 0-2-2V17l4-5z"], ["l", "M11 18l3-4v13h-3z"]],
  "can": [["m", "M8 7q8-4 16 0v18q-8 4-16 0z"], ["b", "M8 11q8 3 16 0v9q-8 3-16 0z"], ["h", "M8 7q8-4 16 0q-8 4-16 0z"]],
  "bone": [["b", "M7 20l13-13q-1-4 2-4t3 3q4 0 4 3t-4 2L12 24q1 4-2 4t-3-3q-4 0-4-3t4-2z"], ["l", "M9 21l12-12 1 1-12 12z"]],
  "hide": [["b", "M8 5l4 3h8l4-3 3 4-3 5 2 8-4 5-6-3-6 3-4-5 2-8-3-5z"], ["l", "M12 9h8l1 4q-5 3-10 0z"], ["D", "M16 13v10"]],
  "feather": [["b", "M26 4C14 6 8 14 8 24C20 22 26 16 26 4z"], ["L", "M4 29C10 20 16 13 24 6"], ["d", "M26 4C22 12 16 18 8 24C20 22 26 16 26 4z"]],
  "egg": [["b", "M16 4C22 4 26 14 26 19a10 9 0 0 1-20 0C6 14 10 4 16 4z"], ["l", "M12 9c3-2 4 2 1 7s-5 1-1-7z"]],
  "chip": [["m", "M4 10h24v2H4zM4 15h24v2H4zM4 20h24v2H4z"], ["b", "M8 7h16v18H8z"], ["l", "M12 11h8v8h-8z"], ["y", "M10 21h2v2h-2z"]],
  "wire": [["B", "M6 22a10 7 0 1 1 20 0a8 6 0 1 1-18-3a8 5 0 0 1 15-2"], ["L", "M8 20a9 6 0 0 1 14-7"]],
  "battery": [["m", "M13 4h6v3h-6z"], ["k", "M9 7h14v22H9z"], ["b", "M9 14h14v15H9z"], ["y", "M17 15l-5 7h3l-1 5 6-8h-4z"]],
  "coin": [["b", "M16 5a11 11 0 1 1 0 22a11 11 0 0 1 0-22z"], ["d", "M16 9a7 7 0 1 1 0 14a7 7 0 0 1 0-14z"], ["l", "M15 11h3v10h-3z"], ["L", "M8 12a9 9 0 0 1 6-5"]],
  "scrap": [["b", "M4 24l3-14 8 3 4-7 9 5-3 8 3 6z"], ["d", "M15 13l4-7 9 5-6 4z"], ["m", "M7 18l8-2 3 8H6z"], ["K", "M10 21h2M21 20h3"]],
  "gear": [["b", "M14 3h4l1 4 3 1 3-3 3 3-3 4 1 3 4 1v4l-4 1-1 3 3 3-3 3-4-3-3 1-1 3h-4l-1-3-3-1-4 3-3-3 3-4-1-3-3-1v-4l4-1 1-3-3-4 3-3 4 3 3-1z"], ["k", "M16 12a4 4 0 1 1 0 8a4 4 0 0 1 0-8z"]],
  "dust": [["b", "M4 26q3-9 7-9 3-6 7-4 7 2 10 13z"], ["l", "M11 17q3-5 6-3l-3 6z"], ["b", "M9 10h2v2H9zM19 6h2v2h-2zM24 10h2v2h-2z"]],
  "shell": [["b", "M16 27L4 14Q5 6 16 5q11 1 12 9z"], ["D", "M16 27V6M16 27L9 8M16 27L23 8"], ["l", "M13 24h6l-1 4h-4z"]],
  "barrel": [["b", "M8 5h16q4 11 0 23H8Q4 16 8 5z"], ["m", "M6.6 10h18.8v2H6.6zM6.6 21h18.8v2H6.6z"], ["l", "M10 6h3v21h-3q-3-11 0-21z"]],
  "paper": [["b", "M7 4h13l5 5v19H7z"], ["l", "M20 4v5h5z"], ["D", "M10 13h11M10 17h11M10 21h8"]],
  // Equipment.
  "sword": [["m", "M24 3l5 0 0 5L14 22l-4-4z"], ["h", "M26 4l2 1L13 20l-2-1z"], ["b", "M7 17l8 8-2 2-8-8z"], ["w", "M8 21l3 3-5 5-3-3z"]],
  "axe": [["w", "M20 6l3 3L9 28l-3-3z"], ["m", "M16 4c6-2 12 4 10 10l-4 3-9-9z"], ["b", "M17 8l5 5-2 2-5-5z"]],
  "pick": [["w", "M18 8l4 4L8 28l-4-4z"], ["b", "M8 6c8-3 18 6 18 18-3-6-8-12-18-18z"], ["l", "M8 6c7 1 13 6 16 12-5-6-9-9-16-12z"]],
  "knife": [["m", "M27 4q2 10-12 16l-4-4z"], ["b", "M11 15l5 5-9 9-4-4z"], ["h", "M27 4q-1 6-13 13l-1-1z"]],
  "club": [["b", "M20 3q8-1 8 8L11 24l-4-4z"], ["d", "M8 20l4 4-5 5-4-4z"], ["l", "M21 6l2 2M25 9z"], ["m", "M18 9l2 2-2 1zM23 6l2 2-2 1z"]],
  "spear": [["w", "M20 9l3 3L6 29l-3-3z"], ["b", "M29 3l-2 10-4 2-6-6 2-4z"], ["h", "M29 3l-9 9-2-2z"]],
  "bow": [["H", "M9 5L26 24"], ["B", "M9 5C22 4 29 12 26 24"], ["W", "M14 8c8 1 11 5 11 11"]],
  "arrow": [["w", "M22 8l2 2L8 26l-2-2z"], ["m", "M28 4l-2 8-6-6z"], ["b", "M4 22l4 0 2 2 0 4-3 1-4-4z"]],
  "gun": [["b", "M3 9h24v6H17l-1 4h-4l-2 8H4l2-12H3z"], ["k", "M24 10h5v3h-5z"], ["l", "M5 10h16v2H5z"]],
  "ammo": [["b", "M6 12h5v15H6zM14 12h5v15h-5zM22 12h5v15h-5z"], ["m", "M6 12q2-8 5 0zM14 12q2-8 5 0zM22 12q2-8 5 0z"], ["d", "M6 24h5v3H6zM14 24h5v3h-5zM22 24h5v3h-5z"]],
  "staff": [["w", "M20 11l2 2L7 30l-3-2z"], ["b", "M23 3a6 6 0 1 1 0 12a6 6 0 0 1 0-12z"], ["l", "M21 6a2.4 2.4 0 1 1 0 4a2 2 0 0 1 0-4z"], ["W", "M17 14q1-4 3-5"]],
  "hammer": [["w", "M17 12l4 4L8 29l-4-4z"], ["b", "M14 8l6-6 10 10-6 6z"], ["l", "M14 8l6-6 2 2-6 6z"]],
  "shovel": [["w", "M20 9l3 3-11 11-3-3z"], ["w", "M22 3l7 7-3 3-7-7z"], ["b", "M9 17l6 6c-3 6-8 6-12 6 0-4 0-9 6-12z"], ["l", "M9 17l2 2-7 8c0-4 1-8 5-10z"]],
  "wrench": [["b", "M20 3c-4 2-4 6-3 9L4 25l4 4 13-13c4 1 8 0 9-6l-5 2-3-3z"], ["l", "M18 12l2 2L7 27l-1-1z"]],
  "bucket": [["M", "M6 11C8 2 24 2 26 11"], ["b", "M5 11h22l-4 17H9z"], ["c", "M5 11q11-4 22 0-11 4-22 0z"], ["l", "M8 14l3 0 2 13h-3z"]],
  "torch": [["w", "M14 15h5l-1 15h-3z"], ["r", "M16 2c6 6 7 14 0 15s-6-6-3-9c0 2 2 2 3-6z"], ["y", "M16 8c3 3 3 7 0 8s-3-3-1-4z"]],
  "helmet": [["b", "M5 22C5 10 9 5 16 5s11 5 11 17h-6l-1-6h-8l-1 6z"], ["l", "M9 11q3-4 7-4v3q-4 0-7 4z"], ["d", "M15 5h2v11h-2z"]],
  "armour": [["b", "M8 5l5 3h6l5-3 5 6-5 4v13H8V15l-5-4z"], ["l", "M11 9h4v17h-4z"], ["D", "M16 9v18M9 19h14"]],
  "cloak": [["b", "M16 4q6 2 7 9l4 16q-11-4-22 0l4-16q1-7 7-9z"], ["d", "M16 9q4 3 3 20h-6q-1-17 3-20z"], ["y", "M16 9a2 2 0 1 1 0 4a2 2 0 0 1 0-4z"]],
  "ring": [["Y", "M16 13a8 8 0 1 1 0 16a8 8 0 0 1 0-16z"], ["b", "M12 5h8l3 4-7 6-7-6z"], ["l", "M12 5l4 4-3 2-4-2z"]],
  "amulet": [["Y", "M6 4q2 12 10 14M26 4q-2 12-10 14"], ["b", "M16 15l6 6-6 8-6-8z"], ["l", "M16 15v7l-6-1z"]],
  "pill": [["b", "M6 18L18 6a6 6 0 0 1 8 8L14 26a6 6 0 0 1-8-8z"], ["h", "M12 12l8 8-6 6a6 6 0 0 1-8-8z"], ["l", "M19 8q4-3 5 1z"]],
  "syringe": [["M", "M3 29l7-7"], ["h", "M9 17l10-10 6 6-10 10q-4 2-6 0t0-6z"], ["b", "M11 17l6-5 4 4-6 5q-3 1-4 0z"], ["m", "M19 5l8 8-1 2-9-9zM24 6l3-3 2 2-3 3z"]],
  "canister": [["m", "M13 3h6v4h-6z"], ["b", "M8 10q0-4 8-4t8 4v16q0 3-8 3t-8-3z"], ["l", "M11 10h3v16h-3z"], ["h", "M8 16h16v3H8z"]],
  "deck": [["k", "M3 9h26v15H3z"], ["b", "M5 11h15v9H5z"], ["c", "M7 13h7v1.5H7zM7 16h10v1.5H7z"], ["m", "M22 11h5v3h-5zM22 16h5v3h-5z"], ["y", "M5 21.5h3v1.5H5z"]],
  "book": [["b", "M5 6q6-3 11 1q5-4 11-1v20q-6-3-11 1q-5-4-11-1z"], ["h", "M7 7q5-2 8 1v16q-4-3-8-1zM25 7q-5-2-8 1v16q4-3 8-1z"], ["D", "M9 12h4M9 16h4M19 12h4M19 16h4"]],
  "potion": [["w", "M13 3h6v4h-6z"], ["h", "M13 7h6v5c8 4 8 17-3 17S5 16 13 12z"], ["b", "M9 17h14c3 6-1 11-7 11S6 23 9 17z"], ["l", "M12 20a2 2 0 1 1 0 4a2 2 0 0 1 0-4z"]],
  "mask": [["b", "M6 8q10-6 20 0v10q-4 10-10 10T6 18z"], ["c", "M9 11h5v5H9zM18 11h5v5h-5z"], ["k", "M12 20h8v6h-8z"], ["m", "M13 22h6v1h-6z"]],
  // Creatures.
  "beast": [["d", "M8 22h4v7H8zM20 22h4v7h-4z"], ["b", "M5 18c0-7 8-9 13-8 3-4 9-2 11 3-1 4-4 3-5 8-3 4-12 4-16 2-2-1-3-2-3-5z"], ["l", "M8 15q4-4 10-3l-1 3q-5-1-9 2z"], ["h", "M26 16l4 3-4 0z"], ["k", "M24 12h2v2h-2z"]],
  "bird": [["b", "M4 12c6-1 9 1 11 4l9-9c3 0 4 2 4 4l2 1-3 2c0 8-7 12-14 10l-9 3 5-6C6 19 5 16 4 12z"], ["l", "M12 18q4 4 9-2 0 7-9 2z"], ["k", "M25 9h1.6v1.6H25z"], ["y", "M28 10l3 1.5-3 1z"]],
  "bug": [["K", "M8 12l-5-3M7 17H2M8 22l-5 4M24 12l5-3M25 17h5M24 22l5 4M13 6l-2-4M19 6l2-4"], ["b", "M16 9a9 10 0 1 1 0 20a9 10 0 0 1 0-20z"], ["d", "M16 4a5 4 0 1 1 0 8a5 4 0 0 1 0-8z"], ["D", "M16 11v17"], ["l", "M10 14q2-3 4-3v5z"]],
  "spider": [["K", "M12 15L4 8 2 13M12 17L3 16 1 21M12 20L4 23 3 29M20 15l8-7 2 5M20 17l9-1 2 5M20 20l8 3 1 6"], ["b", "M16 14a7 8 0 1 1 0 15a7 8 0 0 1 0-15z"], ["d", "M16 7a5 5 0 1 1 0 9a5 5 0 0 1 0-9z"], ["r", "M13 10h2v2h-2zM17 10h2v2h-2z"], ["l", "M14 19l2 3 2-3-2 7z"]],
  "snake": [["B", "M5 26C15 30 15 20 9 19S8 9 17 11s5 10 11 9"], ["b", "M24 6a5 4 0 1 1 0 9a5 4 0 0 1 0-9z"], ["b", "M26 16q5 0 3 6-2 3-5 2 3-3 2-8z"], ["y", "M25 8h2v2h-2z"], ["R", "M28 11l3 1"]],
  "person": [["d", "M11 21h4v9h-4zM17 21h4v9h-4z"], ["b", "M9 13q7-4 14 0l1 10H8z"], ["l", "M16 3a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11z"], ["k", "M13 8h2v2h-2zM17.5 8h2v2h-2z"], ["d", "M10 7q0-5 6-5t6 5q-6-2-12 0z"]],
  "ghost": [["b", "M6 29V14C6 6 11 3 16 3s10 3 10 11v15l-4-4-3 4-3-4-3 4-3-4z"], ["l", "M9 14q0-8 6-8-3 3-3 14z"], ["k", "M12 11h3v5h-3zM18 11h3v5h-3z"]],
  "slime": [["b", "M3 27C3 16 9 8 16 8s13 8 13 19q-13 3-26 0z"], ["l", "M9 17q2-6 7-6-2 3-4 8z"], ["k", "M13 18h2.6v3.4H13zM19 18h2.6v3.4H19z"]],
  "drone": [["m", "M2 8h10v2H2zM20 8h10v2H20zM6 10h2v5H6zM24 10h2v5h-2z"], ["b", "M5 14h22l-3 9H8z"], ["k", "M12 16h8v6h-8z"], ["r", "M16 17a2.2 2.2 0 1 1 0 4.4a2.2 2.2 0 0 1 0-4.4z"], ["l", "M7 15h18v1.5H7z"]],
  "robot": [["m", "M9 24h5v6H9zM18 24h5v6h-5zM3 14h4v9H3zM25 14h4v9h-4z"], ["b", "M8 12h16v13H8z"], ["l", "M10 3h12v9H10z"], ["k", "M11.5 5.5h9v4h-9z"], ["c", "M13 6.5h2v2h-2zM17.5 6.5h2v2h-2z"], ["d", "M11 16h10v5H11z"]],
  "worm": [["B", "M4 27c6 4 7-6 12-5s5-10 0-12"], ["b", "M17 3a6 6 0 1 1 0 12a6 6 0 0 1 0-12z"], ["r", "M18 6a3 3 0 1 1 0 6a3 3 0 0 1 0-6z"], ["H", "M17 6l1 2M21 8l-2 1M17 12l1-2"]],
  "dragon": [["d", "M14 15L3 4l0 14 8 4zM18 15L29 4v14l-8 4z"], ["b", "M16 7c6 3 7 12 5 18l5 4-10 1-10-1 5-4c-2-6-1-15 5-18z"], ["l", "M14 18h4v9h-4z"], ["b", "M11 9l-1-6 4 3h4l4-3-1 6-5 5z"], ["y", "M13 8h2v2h-2zM17.5 8h2v2h-2z"]],
  "crab": [["K", "M8 21l-5 4M9 24l-4 5M24 21l5 4M23 24l4 5"], ["b", "M16 13c8 0 11 4 11 8s-5 6-11 6-11-2-11-6 3-8 11-8z"], ["b", "M6 15C1 12 2 5 7 4l0 4 3-2c1 4 0 7-4 9zM26 15c5-3 4-10-1-11l0 4-3-2c-1 4 0 7 4 9z"], ["l", "M9 18q6-4 14 0-7-2-14 0z"], ["k", "M13 15h2v2h-2zM18 15h2v2h-2z"]],
  "rat": [["B", "M6 24C0 24 0 16 5 15"], ["b", "M6 24C5 15 13 11 19 14l8 6c2 2 1 5-2 5H9z"], ["l", "M19 10a3 3 0 1 1 0 6a3 3 0 0 1 0-6z"], ["k", "M23 18h1.8v1.8H23z"], ["r", "M27.5 20.5h2v2h-2z"]],
  "deer": [["w", "M20 9l-2-7 3 3 2 4zM25 9l2-7-3 3-1 4z"], ["d", "M7 21h2.5v9H7zM11 21h2.5v9H11zM17 21h2.5v9H17zM20.5 20H23v10h-2.5z"], ["b", "M5 16c4-3 10-2 13-1l3-6h5l3 4-4 2-2 8c-6 2-14 2-18-1z"], ["l", "M8 17q4-2 8-1-4 1-8 4z"], ["k", "M24.5 10.5h1.6v1.6h-1.6z"]],
  "wolf": [["d", "M8 21h3v9H8zM12 22h3v7h-3zM19 21h3v9h-3z"], ["b", "M2 14l6 2c4-2 8-2 11-1l3-6 1 3 3-2 0 3 5 3-2 3-4 1-3 5c-4 2-10 2-14-1-3-3-4-6-6-10z"], ["l", "M9 18q5-2 10-1l-3 3q-4 0-7-2z"], ["y", "M24.5 12.5h2v1.6h-2z"]],
  "bear": [["d", "M7 22h5v8H7zM18 22h5v8h-5z"], ["b", "M4 18C4 10 11 8 17 9c1-3 4-4 5-1 2-1 4 0 4 2 3 1 4 4 4 6-3 3-4 6-6 8-5 3-14 3-18-1-1-1-2-3-2-5z"], ["l", "M25 15l5 1-1 3-4 0z"], ["k", "M24 12h2v2h-2zM28.5 15h1.5v1.5h-1.5z"]],
  "bat": [["b", "M16 11C14 6 6 4 1 8c4 2 3 6 3 10 3-3 6-1 7 3l5 4 5-4c1-4 4-6 7-3 0-4-1-8 3-10-5-4-13-2-15 3z"], ["d", "M13 11l0-4 3 2 3-2 0 4q-1 8-3 9t-3-9z"], ["r", "M14 12h1.4v1.4H14zM16.8 12h1.4v1.4h-1.4z"]],
  "eye": [["b", "M16 4a12 12 0 1 1 0 24a12 12 0 0 1 0-24z"], ["h", "M16 8a8.5 8.5 0 1 1 0 16.6a8.5 8.5 0 0 1 0-16.6z"], ["r", "M16 12a4.6 4.6 0 1 1 0 9a4.6 4.6 0 0 1 0-9z"], ["k", "M15 12.6h2v8h-2z"]],
  // What stands in the land.
  "tree": [["w", "M13.5 20h5l1 10h-7z"], ["d", "M16 4C26 4 30 12 26 18c1 6-19 6-20 0C2 12 6 4 16 4z"], ["b", "M15 3c8 0 12 6 9 12-2 5-16 6-18 0C4 9 8 3 15 3z"], ["l", "M10 7c3-3 7-3 9-1-4 0-6 2-8 6-3 0-3-3-1-5z"]],
  "dead-tree": [["b", "M14 30l0-11-7-5-3-7 6 5 4 2 0-12 3-1 0 13 5-5 1-6 3 3-2 6-7 8 2 10z"], ["l", "M15 30V8l1 0 1 22z"]],
  "bush": [["d", "M3 24c-1-6 3-9 6-8 1-6 10-7 13-1 5-1 8 5 6 10-6 5-19 5-25-1z"], ["b", "M5 22c0-5 4-6 6-5 2-6 9-5 10 0 4-1 6 4 5 6-5 3-16 4-21-1z"], ["l", "M12 16c2-4 6-4 7-1-3 0-5 2-7 1z"], ["r", "M10 20h2v2h-2zM18 18h2v2h-2zM22 22h2v2h-2zM15 23h2v2h-2z"]],
  "rock": [["d", "M3 27l3-11 7-8 9 1 6 8 2 10z"], ["b", "M6 16l7-8 9 1-4 6-8 3z"], ["l", "M8 15l5-6 5 1-4 4z"], ["b", "M3 27l3-11 4 2 3 9z"]],
  "vein": [["k", "M3 28l2-12 7-9 10 2 6 8 2 11z"], ["m", "M5 16l7-9 10 2-5 6-7 3z"], ["b", "M9 14l4-4 2 3-4 4zM18 16l4-2 2 4-4 3zM11 21l4-1 1 4-4 2zM22 22l3-1 1 4-3 1z"], ["l", "M9 14l4-4 0 2-3 3zM18 16l4-2 0 1.6-3 2zM11 21l4-1 0 1.4-3 1z"]],
  "crate": [["b", "M4 10h24v19H4z"], ["l", "M4 10l4-5h16l4 5z"], ["D", "M4 10l24 19M28 10L4 29M4 10h24v19H4z"]],
  "wreck": [["d", "M2 26l2-9 7-2 4-6 9 1 3 7 4 3v8z"], ["b", "M4 17l7-2 4-6 9 1 3 7-8 4H9z"], ["c", "M14 11h8l2 5H12z"], ["k", "M8 22a4 4 0 1 1 0 8a4 4 0 0 1 0-8zM24 22a4 4 0 1 1 0 8a4 4 0 0 1 0-8z"], ["m", "M4 19h4v2H4z"]],
  "reeds": [["G", "M7 30C8 20 6 14 5 9M12 30c0-10 0-16 1-22M18 30c0-9 1-14 2-21M24 30c0-8 2-12 3-18"], ["b", "M11.6 4h3v8h-3zM18.8 5h3v7h-3zM3.6 7h3v6h-3z"], ["L", "M15 30c1-8 4-10 7-12"]],
  "fungus": [["h", "M9 16h4v14H9zM20 20h3v10h-3z"], ["b", "M2 17C2 8 6 5 11 5s9 3 9 12z"], ["b", "M15 21c0-6 3-8 6-8s7 2 7 8z"], ["l", "M7 9a2 2 0 1 1 0 4a2 2 0 0 1 0-4zM14 9a1.6 1.6 0 1 1 0 3a1.6 1.6 0 0 1 0-3zM22 16a1.5 1.5 0 1 1 0 3a1.5 1.5 0 0 1 0-3z"]],
  "pile": [["d", "M2 28q4-10 9-10 4-9 9-4 7 3 10 14z"], ["b", "M6 25q3-6 6-6 3-7 7-3 4 2 6 9z"], ["m", "M14 12l6-4 2 3-6 4zM6 20l5-1 0 3-5 1zM21 19l6 2-1 3-5-2z"]],
  "pool": [["d", "M16 13c9 0 14 4 14 8s-6 8-14 8S2 26 2 21s5-8 14-8z"], ["b", "M16 15c8 0 12 3 12 6s-5 6-12 6-12-2-12-6 4-6 12-6z"], ["l", "M9 19q5-3 10-1-5 0-9 3zM18 24q4 0 6-2-1 3-6 2z"]],
  "cactus": [["b", "M13 30V8q0-5 3.500-5T20 8v22z"], ["b", "M12 22H8q-4 0-4-5v-4q0-2 2-2t2 2v4h4zM21 19h3v-5q0-2 2-2t2 2v5q0 4-4 4h-3z"], ["L", "M15 8v20M18 8v20"]],
  "grave": [["d", "M3 27h26v3H3z"], ["b", "M8 28V12c0-6 4-8 8-8s8 2 8 8v16z"], ["l", "M10 12c0-4 3-6 6-6v2c-3 0-4 2-4 5v14h-2z"], ["D", "M16 11v9M12.500 14h7"]],
  // Stations.
  "forge": [["m", "M4 30V13l5-5h14l5 5v17z"], ["b", "M10 2h8v8h-8z"], ["k", "M9 16h14v14H9z"], ["r", "M11 29c-1-5 2-6 2-9 3 2 3 3 4 5 1-1 1-2 1-3 3 3 4 5 3 7z"], ["y", "M14 29c0-3 2-3 2-5 2 2 3 3 2 5z"]],
  "bench": [["w", "M5 18h4v12H5zM23 18h4v12h-4z"], ["b", "M2 13h28v6H2z"], ["l", "M2 13h28v2H2z"], ["m", "M7 7h3v6H7zM5 5h7v3H5zM17 10h9v3h-9z"]],
  "fire": [["w", "M4 26l22-5 1 4-22 5zM28 26L6 21l-1 4 22 5z"], ["b", "M16 2c8 8 10 14 6 20-3 3-9 3-12 0-4-6 1-9 2-13 2 1 2 3 2 5 2-3 3-7 2-12z"], ["y", "M16 12c4 5 5 7 3 10-2 1-4 1-6 0-2-3 1-5 3-10z"], ["h", "M16 18c2 2 1 4 0 4s-2-1 0-4z"]],
  "well": [["w", "M6 6h3v14H6zM23 6h3v14h-3z"], ["b", "M3 8L16 1l13 7z"], ["m", "M4 18q12-4 24 0v10q-12 4-24 0z"], ["c", "M7 19q9-3 18 0-9 3-18 0z"], ["K", "M16 8v10"], ["D", "M4 23q12 4 24 0M11 21v7M20 21v7"]],
  "obelisk": [["d", "M7 27h18v3H7z"], ["b", "M11 27l2-20 3-5 3 5 2 20z"], ["l", "M11 27l2-20 3-5v25z"], ["y", "M15 9h2v4h-2zM14 15h4v1.600h-4zM15 18h2v5h-2z"]],
  "terminal": [["m", "M11 22h10v5H11zM6 27h20v3H6z"], ["k", "M4 4h24v18H4z"], ["b", "M6 6h20v14H6z"], ["c", "M8 8h9v1.600H8zM8 11h14v1.600H8zM8 14h6v1.600H8zM8 17h3v1.600H8z"]],
  "house": [["b", "M5 14h22v16H5z"], ["d", "M1 15L16 3l15 12z"], ["w", "M13 20h6v10h-6z"], ["y", "M7 18h4v4H7zM21 18h4v4h-4z"], ["l", "M5 14L16 5v2L7 14z"]],
  "shower": [["m", "M6 5h3v25H6zM6 4h16v3H6z"], ["b", "M15 7h12l2 5H13z"], ["C", "M15 14l-1 5M19 14v6M23 14v5M27 14l1 5M17 22l-1 5M21 22v6M25 22l1 5"]],
  "dome": [["b", "M2 27C2 12 9 5 16 5s14 7 14 22z"], ["l", "M6 25c0-9 4-16 9-17-3 4-5 9-5 17z"], ["D", "M16 5v22M4 18h24M9 8q-3 8-3 19M23 8q3 8 3 19"], ["m", "M1 26h30v4H1z"], ["k", "M13 20h6v10h-6z"]],
  "loom": [["w", "M4 4h3v26H4zM25 4h3v26h-3zM3 6h26v3H3zM3 24h26v3H3z"], ["b", "M8 9h16v9H8z"], ["H", "M10 18v6M14 18v6M18 18v6M22 18v6"], ["L", "M8 12h16M8 15h16"]],
  "cauldron": [["r", "M8 30c0-3 2-3 3-5 2 2 3 3 5 3s3-1 5-3c1 2 3 2 3 5z"], ["k", "M4 12h24c2 10-4 16-12 16S2 22 4 12z"], ["b", "M5 12q11-5 22 0-11 5-22 0z"], ["l", "M10 9a2 2 0 1 1 0 4a2 2 0 0 1 0-4zM18 5a2.500 2.500 0 1 1 0 5a2.500 2.500 0 0 1 0-5z"]],
  "lab": [["w", "M2 22h28v4H2zM5 26h3v4H5zM24 26h3v4h-3z"], ["h", "M9 6h5v6l4 8q0 2-2 2H7q-2 0-2-2l4-8z"], ["b", "M8.500 14h6l3.200 6q0 1.600-1.700 1.600H7q-1.600 0-1.500-1.600z"], ["h", "M22 9h4v13h-4z"], ["c", "M22 14h4v8h-4z"]],
  "altar": [["d", "M3 26h26v4H3z"], ["b", "M6 15h20v11H6z"], ["l", "M4 12h24v4H4z"], ["r", "M14 18h4v6h-4z"], ["y", "M8 5q2 3 0 5-2-2 0-5zM24 5q2 3 0 5-2-2 0-5z"], ["h", "M7 9h2v4H7zM23 9h2v4h-2z"]],
  "still": [["b", "M5 28c-3-8 0-15 6-15s9 7 6 15z"], ["m", "M9 5h4v9H9z"], ["M", "M11 5c10-4 14 2 14 13"], ["m", "M21 18h8v11h-8z"], ["l", "M7 18q2-4 4-3-2 3-2 9z"], ["c", "M22.500 22h5v5h-5z"]],
  "beacon": [["m", "M13 14h6l3 16H10z"], ["d", "M13 18h6l.4 2h-6.800zM12 24h8l.4 2h-8.800z"], ["b", "M16 3a6 6 0 1 1 0 12a6 6 0 0 1 0-12z"], ["h", "M16 6a3 3 0 1 1 0 6a3 3 0 0 1 0-6z"], ["C", "M6 3q-4 6 0 12M26 3q4 6 0 12"]],
  // A thing that lies about.
  "sack": [["w", "M12 4h8l-2 5h-4z"], ["b", "M13 9h6c8 6 10 20 3 20H10C3 29 5 15 13 9z"], ["l", "M11 14q-4 6-2 12 3-1 3-12z"], ["y", "M12 8h8v2h-8z"]],
};

/** Names of the shapes that are drawn; another is drawn as a disc. */
export const GLYPHS = Object.freeze(Object.keys(SHAPES));

const paths = new Map();

function pathOf(data) {
  let path = paths.get(data);
  if (!path) {
    path = new Path2D(data);
    paths.set(data, path);
  }
  return path;
}

/** Mixes two colors "#rrggbb"; `part` of the second. */
export function mix(color, other, part) {
  const [a, b] = [channels(color), channels(other)];
  const mixed = a.map((value, i) => Math.round(value + (b[i] - value) * part));
  return `#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/** Red, green and blue of "#rrggbb", 0 to 255; of anything else, grey. */
export function channels(color) {
  const number = /^#[0-9a-f]{6}$/i.test(color) ? parseInt(color.slice(1), 16) : 0x888888;
  return [number >> 16, (number >> 8) & 0xff, number & 0xff];
}

/** Draws a shape into the box (0, 0, size, size) of a 2D context. */
export function drawGlyph(context, name, color, size, outline = "#14151c") {
  const shape = SHAPES[name] ?? DISC;
  const tones = { ...TONES, b: color, d: mix(color, "#0a0a18", 0.38), l: mix(color, "#ffffff", 0.38) };
  context.save();
  context.scale(size / 32, size / 32);
  context.lineJoin = "round";
  context.lineCap = "round";
  context.strokeStyle = outline;
  for (const [tone, data] of shape) {
    context.lineWidth = tone === tone.toLowerCase() ? 2.4 : 5;
    context.stroke(pathOf(data));
  }
  for (const [tone, data] of shape) {
    const paint = tones[tone.toLowerCase()];
    if (tone === tone.toLowerCase()) {
      context.fillStyle = paint;
      context.fill(pathOf(data));
    } else {
      context.strokeStyle = paint;
      context.lineWidth = 2.4;
      context.stroke(pathOf(data));
    }
  }
  context.restore();
}

const sprites = new Map();
/** Sprites kept; shapes times colors times sizes of one genre stay far below. */
const MOST_SPRITES = 600;

/** A canvas with a shape, `size` device pixels square. */
export function sprite(name, color, size) {
  const side = Math.max(8, Math.ceil(size / 8) * 8);
  const key = `${name} ${color} ${side}`;
  let canvas = sprites.get(key);
  if (!canvas) {
    if (sprites.size >= MOST_SPRITES) sprites.clear();
    canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    drawGlyph(canvas.getContext("2d"), name, color, side);
    sprites.set(key, canvas);
  }
  return canvas;
}

/** A canvas element for panels: an item's picture. Decoration, its name is beside it or in its label. */
export function icon(name, color, size) {
  const canvas = document.createElement("canvas");
  const scale = Math.max(1, Math.min(3, window.devicePixelRatio || 1));
  canvas.width = canvas.height = Math.round(size * scale);
  canvas.className = "icon";
  canvas.setAttribute("aria-hidden", "true");
  drawGlyph(canvas.getContext("2d"), name, color, canvas.width);
  return canvas;
}
