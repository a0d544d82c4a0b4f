// One product after the other; the next ones are fetched while this one is looked at.

import { ask, askJson, told } from "./api.js";
import { decide, decisionOf, person, tell, under } from "./desk.js";
import { at, element, percent, say, steps } from "./page.js";
import { pick } from "./picker.js";

const AHEAD = 4; // products that are here before they are asked for
const ALIVE_MS = 120_000; // a sign of life well within the time that a product is one person's
const FACTS = { brand: "Brand", price: "Price", list_price: "List price", description: "Description", subcategory: "Seller's hint", seller_id: "Seller", rating: "Rating", reviews_count: "Reviews", product_id: "Id" };
const LINK = /https?:\/\/[^\s"'<>|]+/g;

let items = [];
const away = new Set(); // decided or skipped here: not to be given again
const skipped = new Set();
let fetching = null;
let shown = null;
let excepted = new Set();

function fill() {
  fetching ??= (async () => {
    try {
      const asked = { ...person(), holding: items.map(({ id }) => id), skipped: [...skipped, ...away].slice(-2000), count: Math.max(0, AHEAD - items.length) };
      const found = await askJson("review/next", asked);
      const here = new Set(items.map(({ id }) => id));
      items.push(...found.items.filter(({ id }) => !here.has(id) && !away.has(id)).map((item) => ({ ...item, model_version: found.model_version })));
      document.dispatchEvent(new CustomEvent("desk-state", { detail: found }));
      if (!items.length) nothing(found);
    } catch (error) {
      say(at("empty"), told(error), "card error");
      at("empty").hidden = items.length > 0;
    } finally {
      fetching = null;
    }
    show();
  })();
  return fetching;
}

function nothing({ remaining, queued, sentence }) {
  const text = skipped.size ? "Only products that you skipped are left." : remaining ? "Others have what is left at hand." : queued ? "All done." : "Nothing waits.";
  say(at("empty"), `${text} The queue: ${sentence}.`, "card");
  at("empty").hidden = false;
}

function show() {
  const item = items[0];
  at("current").hidden = !item;
  if (item) at("empty").hidden = true;
  if (item === shown) return;
  shown = item;
  if (!item) return;
  excepted = new Set();
  at("title").textContent = item.product.title;
  at("seen").textContent = item.times > 1 ? `Came ${item.times.toLocaleString("en")} times.` : "";
  at("facts").replaceChildren(...Object.entries(FACTS).filter(([name]) => item.product[name] !== undefined)
    .flatMap(([name, label]) => [element("dt", label), element("dd", String(item.product[name]))]));
  const links = new Set(Object.values(item.product).flatMap((value) => String(value).match(LINK) || []));
  at("links").replaceChildren(...[...links].map((url) => {
    const link = element("a", /\.(jpe?g|png|webp|gif|avif)(\?|$)/i.test(url) ? "Picture ↗" : "Link ↗");
    Object.assign(link, { href: url, target: "_blank", rel: "noopener noreferrer" });
    return link;
  }));
  at("note").value = "";
  const tooLittle = item.decision === "abstain";
  at("sure").textContent = tooLittle ? "Too little to go on: the model's guesses are only a start." : `How sure: ${percent(item.confidence)}.`;
  at("options").replaceChildren(...item.likely.map((entry, place) => option(entry, place, tooLittle)));
  showAlike(item);
  if (document.activeElement === document.body || at("one").contains(document.activeElement)) at("title").focus({ preventScroll: true });
}

function option({ category, probability }, place, tooLittle) {
  const row = element("li");
  const button = element("button", undefined, "option");
  button.type = "button";
  const [leaf, ...above] = steps(category).split(" › ").reverse();
  const name = element("span", undefined, "path");
  name.append(element("strong", leaf), element("span", above.reverse().join(" › "), "quiet"));
  button.append(element("kbd", String(place + 1)), name, element("span", tooLittle ? "" : percent(probability), "share"));
  button.addEventListener("click", () => file(category));
  row.append(button);
  if (!tooLittle) {
    const bar = element("div", undefined, "bar");
    const filled = element("i");
    filled.style.width = `${100 * probability}%`;
    bar.append(filled);
    row.append(bar);
  }
  return row;
}

function showAlike(item) {
  const count = item.alike.length;
  at("alike").hidden = !count;
  at("together").checked = false;
  at("together-text").textContent = `Decide for ${count === 1 ? "one more" : `${count} more`} like it`;
  at("alike-list").replaceChildren(...item.alike.map((other) => {
    const row = element("li");
    const label = element("label", undefined, "check");
    const box = element("input");
    Object.assign(box, { type: "checkbox", checked: true });
    box.addEventListener("change", () => { if (box.checked) excepted.delete(other.id); else excepted.add(other.id); });
    label.append(box, element("span", other.product.title));
    row.append(label);
    return row;
  }));
  at("alike-list").hidden = true;
}

/** File the product that is shown; the next one is there at once, what was decided is saved behind it. */
export function file(category, verdict = undefined) {
  const item = items.shift();
  if (!item) return;
  const note = at("note").value.trim();
  const same = at("together").checked ? item.alike.filter(({ id }) => !excepted.has(id)) : [];
  const all = [item, ...same.map((other) => ({ ...item, ...other }))];
  for (const { id } of all) away.add(id);
  const back = () => {
    for (const { id } of all) away.delete(id);
    items.unshift(item);
    show();
  };
  const decisions = all.map((each) => decisionOf(each, category, { ...(verdict && { verdict }), ...(note && { note }) }));
  show();
  decide(decisions, under(category), { again: back, undone: back }).then((stored) => {
    if (all.length > 1 || stored.length) fill();
    for (const { id } of all) if (items[0]?.id !== id) setTimeout(() => away.delete(id), 60_000);
  });
  if (!items.length) fill();
}

function giveBack(products) {
  const body = JSON.stringify({ ...person(), products: products.map(({ id }) => id) });
  ask("review/release", { method: "POST", type: "application/json", body, keepalive: true }).catch(() => {});
}

export function skip() {
  const item = items.shift();
  if (!item) return;
  skipped.add(item.id);
  giveBack([item]);
  tell("Skipped; somebody else may know.");
  show();
  fill();
}

export async function another() {
  const item = items[0];
  if (!item) return;
  const category = await pick(item.product);
  if (category && items[0] === item) file(category);
}

export function togetherOrNot() {
  if (at("alike").hidden) return;
  at("together").checked = !at("together").checked;
  at("together").dispatchEvent(new Event("change"));
}

export const KEYS = {
  Enter: () => items[0]?.likely.length && file(items[0].likely[0].category),
  "/": another,
  n: () => file("", "no-category"),
  s: skip,
  g: togetherOrNot,
};
for (let place = 0; place < 5; place += 1) {
  KEYS[place + 1] = () => items[0]?.likely[place] && file(items[0].likely[place].category);
}

export function watchQueue() {
  at("pick").addEventListener("click", another);
  at("none").addEventListener("click", KEYS.n);
  at("skip").addEventListener("click", skip);
  at("together").addEventListener("change", () => { at("alike-list").hidden = !at("together").checked; });
  window.addEventListener("pagehide", () => { if (items.length) giveBack(items); });
  setInterval(() => { if (items.length && document.visibilityState === "visible") fill(); }, ALIVE_MS);
}

export { fill };
