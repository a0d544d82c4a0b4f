// The desk: its views, its keys, and who sits at it.

import { useKey } from "./api.js";
import { rename, reviewer, undoLast } from "./desk.js";
import { at } from "./page.js";
import { watchPicker } from "./picker.js";
import { fill, KEYS, watchQueue } from "./queue.js";
import { loadRows, watchRows } from "./rows.js";
import { loadSaid } from "./said.js";

const VIEWS = { one: "one", rows: "rows", mine: "said", unfit: "said" };

function view() {
  const name = location.hash.slice(1);
  return name in VIEWS ? name : "one";
}

function open() {
  const name = view();
  const ready = Boolean(reviewer());
  at("name").hidden = ready;
  at("who").hidden = !ready;
  at("who").textContent = reviewer();
  at("who").title = "Change the name";
  for (const id of new Set(Object.values(VIEWS))) at(id).hidden = !ready || VIEWS[name] !== id;
  for (const link of at("views").querySelectorAll("a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!ready) return at("name").elements.reviewer.focus();
  if (name === "one") fill();
  else if (name === "rows") loadRows();
  else loadSaid(name === "unfit");
}

function showState({ detail }) {
  const { remaining, queued, tally } = detail;
  at("remain").textContent = `${remaining.toLocaleString("en")} remain`;
  at("tally").textContent = ` · ${tally.mine.toLocaleString("en")} by you today${tally.all > tally.mine ? `, ${tally.all.toLocaleString("en")} by all` : ""}`;
  at("done").value = queued ? (queued - remaining) / queued : 1;
  at("unfit-count").textContent = tally.unfit ? `(${tally.unfit})` : "";
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input:not([type=checkbox]), textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  // Enter on a button or a link presses that.
  if (event.key === "Enter" && event.target.matches("button, a, summary")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const common = { u: undoLast, "?": () => at("keys").showModal() };
  const act = common[key] || (view() === "one" && !at("one").hidden && KEYS[key]);
  if (!act) return;
  event.preventDefault();
  act();
});
document.addEventListener("desk-state", showState);
document.addEventListener("key-wanted", () => { at("key").hidden = false; });
at("key").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(event.target.elements.key.value.trim());
  event.target.hidden = true;
  event.target.reset();
  open();
});
at("name").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = event.target.elements.reviewer.value.trim();
  if (!name) return;
  rename(name);
  open();
});
at("who").addEventListener("click", () => {
  at("name").elements.reviewer.value = reviewer();
  at("name").hidden = false;
  at("name").elements.reviewer.focus();
});
at("undo").addEventListener("click", undoLast);
at("status-undo").addEventListener("click", undoLast);
at("help").addEventListener("click", () => at("keys").showModal());
window.addEventListener("hashchange", open);
watchQueue();
watchRows();
watchPicker();
open();
