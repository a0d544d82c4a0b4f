// Small helpers to write into the page; never HTML, so that no product's text can become any.

export const at = (id) => document.getElementById(id);

export function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function percent(share) {
  if (share > 0.999 && share < 1) return "over 99.9%";
  return share > 0 && share < 0.001 ? "under 0.1%" : `${(100 * share).toFixed(1)}%`;
}

export function say(place, text, className = "") {
  place.textContent = text || "";
  place.className = className;
}

export function steps(path) { return path.split(" > ").join(" › "); }
