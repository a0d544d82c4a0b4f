// The table: what waits, filtered and sorted; many products decided at once.

import { ask, told } from "./api.js";
import { decide, decisionOf, tell, under, WORDS } from "./desk.js";
import { at, element, percent, steps } from "./page.js";
import { pick } from "./picker.js";

const PART = 100;
const PAUSE_MS = 200;
let rows = [];
let total = 0;
let asked = 0;
let timer;
const selected = new Set();

const filters = () => Object.fromEntries([...new FormData(at("filter"))].map(([name, value]) => [name, name === "category" ? value.trim().split(" › ").join(" > ") : value]));

async function load(start) {
  const mine = (asked += 1);
  try {
    const answer = await (await ask(`review/rows?${new URLSearchParams({ ...filters(), start, count: PART })}`)).json();
    if (mine !== asked) return;
    rows = start ? [...rows, ...answer.rows] : answer.rows;
    total = answer.total;
    if (!start) selected.clear();
    sellers(answer.sellers);
    draw();
  } catch (error) {
    tell(told(error), "error");
  }
}

export const loadRows = () => load(0);

function sellers(names) {
  const list = at("filter").elements.seller;
  if (list.options.length === names.length + 1) return;
  const now = list.value;
  list.replaceChildren(new Option("all", ""), ...names.map((name) => new Option(name, name)));
  list.value = names.includes(now) ? now : "";
}

function draw() {
  at("rows-body").replaceChildren(...rows.map(line));
  at("rows-total").textContent = `${rows.length.toLocaleString("en")} of ${total.toLocaleString("en")} shown`;
  at("more").hidden = rows.length >= total;
  count();
}

function line(row) {
  const made = element("tr");
  const box = element("input");
  Object.assign(box, { type: "checkbox", checked: selected.has(row.id), disabled: Boolean(row.with) });
  box.setAttribute("aria-label", `Select ${row.product.title}`);
  box.addEventListener("change", () => { if (box.checked) selected.add(row.id); else selected.delete(row.id); count(); });
  const about = [row.product.brand, row.product.seller_id, row.with && `with ${row.with}`].filter(Boolean).join(" · ");
  const product = cell("", element("span", row.product.title), element("span", about, "quiet"));
  const answer = cell("", element("span", steps(row.predicted_category || "–")));
  const sure = cell("", element("span", WORDS[row.decision], `decision ${row.decision}`), element("span", row.decision === "abstain" ? "too little to go on" : percent(row.confidence), "quiet"));
  made.append(cell("", box), product, answer, sure, cell(row.times.toLocaleString("en")), cell(row.alike > 1 ? String(row.alike) : ""));
  return made;
}

function cell(text, ...children) {
  const made = element("td", text);
  made.append(...children);
  return made;
}

function count() {
  at("selected").textContent = selected.size ? `${selected.size} selected` : "None selected";
  at("accept-selected").disabled = at("assign-selected").disabled = !selected.size;
  const free = rows.filter((row) => !row.with);
  at("all").checked = free.length > 0 && free.every(({ id }) => selected.has(id));
}

async function file(choose, what) {
  const chosen = rows.filter(({ id }) => selected.has(id));
  await decide(chosen.map((row) => decisionOf(row, choose(row))), what, { undone: loadRows });
  await load(0);
}

export function watchRows() {
  at("filter").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(loadRows, PAUSE_MS); });
  at("filter").addEventListener("submit", (event) => event.preventDefault());
  at("more").addEventListener("click", () => load(rows.length));
  at("all").addEventListener("change", () => {
    selected.clear();
    if (at("all").checked) for (const row of rows) if (!row.with) selected.add(row.id);
    draw();
  });
  at("accept-selected").addEventListener("click", () => file((row) => row.predicted_category, "as answered"));
  at("assign-selected").addEventListener("click", async () => {
    const first = rows.find(({ id }) => selected.has(id));
    const category = await pick(first.product);
    if (category) await file(() => category, under(category));
  });
  ask("categories").then((answer) => answer.json()).then(({ categories }) => {
    const all = new Set(categories.flatMap((path) => path.split(" > ").map((_, level, names) => names.slice(0, level + 1).join(" › "))));
    at("branches").replaceChildren(...[...all].sort().map((name) => new Option(name, name)));
  }).catch(() => {});
}
