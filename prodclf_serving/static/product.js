// One product: answered as it is typed, explained, and corrected.

import { askJson, told } from "./api.js";
import { at, element, percent, say, steps } from "./page.js";

const PAUSE_MS = 150; // between the last key and the question
const WHY_MS = 350; // more for the reasons, which take as long as a small batch
const MEANING = { auto: "File it here.", review: "Have a person look at it.", abstain: "The model does not know." };
const form = at("product");
const correction = at("correction");
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
    show(asked, await askJson("predict", asked, running.signal));
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
  const parts = [element("span", found.decision, `decision ${found.decision}`),
    ` – ${MEANING[found.decision]} Confidence ${percent(found.confidence)}.`];
  if (found.decision === "review" && found.branch) parts.push(` Sure of ${steps(found.branch)}.`);
  if (found.degraded) parts.push(element("span", ` Degraded: ${found.degraded_reason}.`, "error"));
  for (const { field, detail } of found.issues || []) parts.push(element("span", ` ${field}: ${detail}.`, "quiet"));
  at("decision").replaceChildren(...parts);
  at("alternatives").replaceChildren(...found.probabilities.map(alternative));
  at("reasons").replaceChildren(element("li", "Looking at each word…", "quiet"));
  say(at("thanks"), "");
  at("suggestions").hidden = true;
  at("spoken").textContent = `${found.category}, ${percent(found.confidence)}: ${MEANING[found.decision]}`;
}

function alternative({ category, probability }) {
  const item = element("li", steps(category));
  const bar = element("div", undefined, "bar");
  const filled = element("i");
  filled.style.width = `${100 * probability}%`;
  bar.append(filled);
  const choose = element("button", "It is this");
  choose.type = "button";
  choose.setAttribute("aria-label", `It is ${category}`);
  choose.addEventListener("click", () => correct(category));
  item.append(element("span", percent(probability)), choose, bar);
  return item;
}

async function correct(category) {
  if (!answered) return;
  const { asked, found } = answered;
  const reviewer = correction.elements.reviewer.value.trim();
  const said = { ...asked, category, request_id: found.request_id, predicted_category: found.category, model_version: found.model_version };
  if (reviewer) said.reviewer = reviewer;
  say(at("thanks"), "Sending…");
  at("suggestions").hidden = true;
  try {
    const stored = await askJson("feedback", said);
    say(at("thanks"), `Stored: ${steps(stored.category)}. It counts when the model is trained next.`, "auto");
    correction.elements.category.value = "";
  } catch (error) {
    say(at("thanks"), told(error), "error");
    suggest(error.problem?.suggestions || []);
  }
}

function suggest(categories) {
  at("suggestions").hidden = !categories.length;
  at("suggestions").replaceChildren(...categories.flatMap((category) => {
    const button = element("button", steps(category));
    button.type = "button";
    button.addEventListener("click", () => correct(category));
    return [button, " "];
  }));
}

export function watchProduct() {
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(classify, PAUSE_MS); });
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); classify(); });
  correction.addEventListener("submit", (event) => {
    event.preventDefault();
    correct(correction.elements.category.value.trim().split(" › ").join(" > "));
  });
  if (product().title) classify(); // what the browser kept when the page was loaded again
}

export { classify };
