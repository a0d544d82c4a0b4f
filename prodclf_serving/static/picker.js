// The category picker: search as it is typed, the tree to walk, and examples of what is in a category.

import { ask, askJson } from "./api.js";
import { at, element, steps } from "./page.js";

const RECENT = "prodclf-recent";
const PAUSE_MS = 60;
const MOST_FOUND = 6;
let product = {};
let chosen = () => {};
let found = [];
let active = 0;
let asked = 0;
let timer;
let tree = null;

function recent() { return JSON.parse(localStorage.getItem(RECENT) || "[]"); }

/** Ask for a category; resolves to "" where none was chosen. */
export function pick(of = {}) {
  product = of;
  at("picker-text").value = "";
  at("picker-all").open = false;
  at("picker").showModal();
  at("picker-text").focus();
  search();
  return new Promise((resolve) => { chosen = resolve; });
}

async function search() {
  const mine = (asked += 1);
  const answer = await askJson("review/categories", { text: at("picker-text").value, product, recent: recent(), count: MOST_FOUND }).catch(() => null);
  if (!answer || mine !== asked) return; // another key has been typed since
  ({ found } = answer);
  at("picker-found").replaceChildren(...found.map(choice));
  if (!found.length) at("picker-found").append(element("li", "No category is like that. Walk the tree below.", "quiet"));
  mark(0);
}

function choice({ category, examples }, place) {
  const item = element("li");
  item.id = `picker-${place}`;
  item.setAttribute("role", "option");
  const [leaf, ...above] = steps(category).split(" › ").reverse();
  item.append(element("strong", leaf), element("span", above.reverse().join(" › "), "quiet"));
  if (examples.length) item.append(element("span", `such as ${examples.slice(0, 2).join(" · ")}`, "example quiet"));
  item.addEventListener("click", () => choose(category));
  return item;
}

function mark(place) {
  active = Math.max(0, Math.min(found.length - 1, place));
  [...at("picker-found").querySelectorAll("[role=option]")].forEach((item, at_) => {
    item.setAttribute("aria-selected", String(at_ === active));
    if (at_ === active) item.scrollIntoView({ block: "nearest" });
  });
  if (found.length) at("picker-text").setAttribute("aria-activedescendant", `picker-${active}`);
  else at("picker-text").removeAttribute("aria-activedescendant");
}

function choose(category) {
  localStorage.setItem(RECENT, JSON.stringify([category, ...recent().filter((each) => each !== category)].slice(0, 5)));
  at("picker").close();
  chosen(category);
}

/** The categories as nested maps; a leaf leads to its path. */
function nested(categories) {
  const root = new Map();
  for (const category of categories) {
    let branch = root;
    const names = category.split(" > ");
    names.forEach((name, level) => {
      if (!branch.has(name)) branch.set(name, { below: new Map(), category: "" });
      if (level === names.length - 1) branch.get(name).category = category;
      branch = branch.get(name).below;
    });
  }
  return root;
}

function branches(map) {
  const list = element("ul");
  for (const [name, { below, category }] of map) {
    const item = element("li");
    if (category) {
      const button = element("button", name, "plain");
      button.type = "button";
      button.addEventListener("click", () => choose(category));
      button.addEventListener("focus", () => exemplify(category, item), { once: true });
      button.addEventListener("pointerenter", () => exemplify(category, item), { once: true });
      item.append(button);
    }
    if (below.size) {
      const details = element("details");
      details.append(element("summary", `${name} (${below.size})`));
      details.addEventListener("toggle", () => { if (details.children.length === 1) details.append(branches(below)); }, { once: true });
      item.append(details);
    }
    list.append(item);
  }
  return list;
}

async function exemplify(category, item) {
  if (item.querySelector(".example")) return;
  const example = item.appendChild(element("span", "", "example quiet"));
  const answer = await ask(`review/examples?${new URLSearchParams({ category })}`).catch(() => null);
  if (answer) example.textContent = (await answer.json()).examples.slice(0, 2).join(" · ");
}

async function showTree() {
  if (!at("picker-all").open) return;
  const answer = await ask("categories").catch(() => null);
  if (!answer) return;
  const { model_version: version, categories } = await answer.json();
  if (tree === version) return;
  tree = version;
  at("picker-tree").replaceChildren(branches(nested(categories)));
}

export function watchPicker() {
  at("picker-text").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, PAUSE_MS); });
  at("picker-text").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") mark(active + 1);
    else if (event.key === "ArrowUp") mark(active - 1);
    else if (event.key === "Enter") { if (found[active]) choose(found[active].category); }
    else return;
    event.preventDefault();
  });
  at("picker").addEventListener("close", () => chosen(""));
  at("picker-all").addEventListener("toggle", showTree);
}
