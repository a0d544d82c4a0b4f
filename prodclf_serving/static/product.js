// One product: answered as it is typed, explained, and corrected.

import { askJson, told } from "./api.js";
import { decide, rename, reviewer, tell, under, undoLast, WORDS } from "./desk.js";
import { at, element, percent, say, steps } from "./page.js";
import { pick } from "./picker.js";

const PAUSE_MS = 150; // between the last key and the question
const WHY_MS = 350; // more for the reasons, which take as long as a small batch
const MEANING = { auto: "It would be filed here.", review: "A person should look at it." };
const UNRECORDED = { "X-Prodclf-Unrecorded": "1" }; // what is typed is no shop's product
const form = at("product");
const name = document.querySelector("[name=reviewer]");
let running, timer, whyTimer, answered;

function product() {
  return Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
}

async function classify() {
  running?.abort();
  clearTimeout(whyTimer);
  const asked = product();
  if (!asked.title) return silence("Nothing typed yet.");
  running = new AbortController();
  try {
    show(asked, await askJson("predict", asked, running.signal, UNRECORDED));
    whyTimer = setTimeout(explain, WHY_MS, asked, running.signal);
  } catch (error) {
    const text = told(error);
    if (text) silence(text, "error");
  }
}

async function explain(asked, signal) {
  try {
    const { reasons } = await askJson("explain", asked, signal);
    if (answered?.asked === asked) at("reasons").replaceChildren(...reasons.map((text) => element("li", text)));
  } catch (error) {
    const text = told(error);
    if (text) at("reasons").replaceChildren(element("li", text, "error"));
  }
}

function silence(text, className = "quiet") {
  answered = undefined;
  say(at("silence"), text, className);
  at("silence").hidden = false;
  at("found").hidden = true;
  at("spoken").textContent = className === "error" ? text : "";
}

function show(asked, found) {
  answered = { asked, found };
  at("silence").hidden = true;
  at("found").hidden = false;
  at("path").textContent = steps(found.category);
  const unknown = found.decision === "abstain";
  const meaning = unknown ? tooLittle(asked) : `${MEANING[found.decision]} How sure: ${percent(found.confidence)}.`;
  const parts = [element("span", WORDS[found.decision], `decision ${found.decision}`), ` – ${meaning}`];
  if (found.decision === "review" && found.branch) parts.push(` Sure of ${steps(found.branch)}.`);
  if (found.degraded) parts.push(element("span", ` Degraded: ${found.degraded_reason}.`, "error"));
  for (const { field, detail } of found.issues || []) parts.push(element("span", ` ${field}: ${detail}.`, "quiet"));
  at("decision").replaceChildren(...parts);
  at("alternatives").replaceChildren(...found.probabilities.map((entry) => alternative(entry, unknown)));
  at("reasons").replaceChildren(element("li", "Looking at each word…", "quiet"));
  tell("");
  at("spoken").textContent = unknown ? meaning : `${found.category}: ${meaning}`;
}

function tooLittle({ title }) {
  return /\s/.test(title) ? "The model does not know; these are guesses." : "Too little to go on; these are guesses.";
}

function alternative({ category, probability }, unknown) {
  const item = element("li", steps(category));
  const bar = element("div", undefined, "bar");
  const filled = element("i");
  bar.hidden = unknown;
  filled.style.width = `${100 * probability}%`;
  bar.append(filled);
  const choose = element("button", "It is this");
  choose.type = "button";
  choose.setAttribute("aria-label", `It is ${category}`);
  choose.addEventListener("click", () => correct(category));
  item.append(element("span", unknown ? "" : percent(probability)), choose, bar);
  return item;
}

function correct(category) {
  if (!answered) return;
  const { asked, found } = answered;
  decide([{ product: asked, category, request_id: found.request_id, predicted_category: found.category, model_version: found.model_version }], under(category));
}

async function another() {
  const category = await pick(answered?.asked);
  if (category) correct(category);
}

export function watchProduct() {
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(classify, PAUSE_MS); });
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); classify(); });
  at("another").addEventListener("click", another);
  at("status-undo").addEventListener("click", undoLast);
  name.value = reviewer();
  name.addEventListener("input", () => rename(name.value.trim()));
  if (product().title) classify(); // what the browser kept when the page was loaded again
}

export { classify };
