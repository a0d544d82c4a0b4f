// The live model and how far the products asked about lie from what it was trained on.

import { ask, told } from "./api.js";
import { at, element, percent, say } from "./page.js";

const AGAIN_MS = 15_000;

function facts(model) {
  const metrics = model.manifest.metrics;
  const found = [
    ["Version", `${model.model_version} (${model.alias}), bundle ${model.bundle_version}`],
    ["Live since", new Date(model.loaded_at).toLocaleString()],
    ["Trained", new Date(model.manifest.created_at).toLocaleString()],
    ["Categories", String(model.categories)],
  ];
  if (metrics.out_of_fold_accuracy !== undefined) found.push(["Right on held-out rows", percent(metrics.out_of_fold_accuracy)]);
  if (metrics.out_of_fold_auto_share !== undefined)
    found.push(["Filed without a person", `${percent(metrics.out_of_fold_auto_share)}, of which right ${percent(metrics.out_of_fold_auto_precision)}`]);
  if (model.previous_version) found.push(["Before it", `version ${model.previous_version}`]);
  return found.flatMap(([name, value]) => [element("dt", name), element("dd", value)]);
}

function showDrift(drift) {
  if (!drift) {
    say(at("drift-state"), "Not measured yet: it takes 250 answers of the live model.", "quiet");
    at("drift").replaceChildren();
    return;
  }
  const advice = { none: "", ignore: "Nothing to do.", label: "Have people label a sample.", retrain: "Train again." }[drift.advice];
  say(at("drift-state"), drift.drifted.length
    ? `Drift of ${drift.drifted.join(", ")} over the last ${drift.rows} answers. ${advice}`
    : `None over the last ${drift.rows} answers.`, drift.drifted.length ? "review" : "auto");
  at("drift").replaceChildren(...drift.causes.map((cause) => {
    const item = element("li");
    const state = cause.drifted ? "drift" : cause.measured ? "no drift" : "not measured";
    item.append(element("span", `${cause.name}: ${state}`, cause.drifted ? "decision review" : "decision"), ` – ${cause.sentence}`);
    return item;
  }));
}

async function look() {
  try {
    const model = await (await ask("model")).json();
    const trouble = model.degraded_reason || model.last_error;
    say(at("model-state"), trouble || "It answers.", trouble ? "error" : "auto");
    at("model-facts").replaceChildren(...facts(model));
    showDrift(model.drift);
    return model.model_version;
  } catch (error) {
    say(at("model-state"), told(error), "error");
    at("model-facts").replaceChildren();
    at("drift").replaceChildren();
    say(at("drift-state"), "Not known.", "quiet");
    return null;
  }
}

let listed = null;

/** A product of the live catalogue as the example of what to type. */
async function showExample(version) {
  if (version === null || version === listed) return;
  listed = version;
  const { categories } = await (await ask("categories")).json();
  const category = categories[Math.floor(Math.random() * categories.length)];
  const { examples } = await (await ask(`review/examples?${new URLSearchParams({ category })}`)).json();
  document.querySelector("[name=title]").placeholder = examples[0] || "";
}

/** Ask now. */
export async function refresh() {
  await showExample(await look()).catch(() => {});
}

export function watchModel() {
  refresh();
  setInterval(() => { if (document.visibilityState === "visible") refresh(); }, AGAIN_MS);
}
