// Who works here, what was decided last, and how it is sent: shared by the views of the desk and by the console.

import { askJson, told } from "./api.js";
import { at, say, steps } from "./page.js";

const NAME = "prodclf-reviewer";
const TAB = "prodclf-tab";
const MOST_UNDONE = 100;
const DECISIONS_A_REQUEST = 100;
const undoable = []; // of { annotations, undone }

export const WORDS = { auto: "filed", review: "to check", abstain: "unknown" };

export const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export function reviewer() { return localStorage.getItem(NAME) || ""; }

export function rename(name) { localStorage.setItem(NAME, name); }

export function person() {
  let tab = sessionStorage.getItem(TAB);
  if (!tab) sessionStorage.setItem(TAB, (tab = newId()));
  return { reviewer: reviewer(), tab };
}

/** Show in the line that tells what has been done; `undo` shows its button. */
export function tell(text, className = "", undo = false) {
  say(at("status"), text, className);
  at("status-undo").hidden = !undo;
}

/**
 * Send decisions; once the lake has them they can be undone.
 * `again` is called when they did not get there, `undone` when they were undone.
 */
export async function decide(decisions, what, { again, undone } = {}) {
  const named = decisions.map((each) => ({ annotation: newId(), ...each }));
  tell("Saving…");
  try {
    let last;
    const refused = {};
    for (let first = 0; first < named.length; first += DECISIONS_A_REQUEST) {
      last = await askJson("review/decisions", { ...person(), decisions: named.slice(first, first + DECISIONS_A_REQUEST) });
      Object.assign(refused, last.refused);
    }
    const stored = named.map((each) => each.annotation).filter((annotation) => !(annotation in refused));
    if (stored.length) {
      undoable.push({ annotations: stored, undone });
      if (undoable.length > MOST_UNDONE) undoable.shift();
    }
    const reasons = [...new Set(Object.values(refused))];
    const count = stored.length > 1 ? `${stored.length} products: ` : "";
    if (stored.length) tell(`Saved. ${count}${what}.${reasons.length ? ` Not all: ${reasons.join("; ")}.` : ""}`, "auto", true);
    else tell(`Nothing was saved: ${reasons.join("; ")}.`, "error");
    document.dispatchEvent(new CustomEvent("desk-state", { detail: last }));
    return stored;
  } catch (error) {
    tell(`Not saved: ${told(error)}`, "error");
    again?.();
    return [];
  }
}

export async function withdraw(annotations) {
  const answer = await askJson("review/undo", { ...person(), annotations });
  document.dispatchEvent(new CustomEvent("desk-state", { detail: answer }));
  return answer;
}

export async function undoLast() {
  const last = undoable.pop();
  if (!last) return tell("There is nothing to undo here; “My decisions” has what was decided before.");
  try {
    const { withdrawn, refused } = await withdraw(last.annotations);
    if (!withdrawn.length) return tell(`Not undone: ${[...new Set(Object.values(refused))].join("; ")}.`, "error");
    tell(withdrawn.length > 1 ? `Undone, for ${withdrawn.length} products.` : "Undone.");
    last.undone?.();
  } catch (error) {
    undoable.push(last);
    tell(`Not undone: ${told(error)}`, "error", true);
  }
}

export function decisionOf(item, category, extra = {}) {
  return { id: item.id, product: item.product, category, predicted_category: item.predicted_category, model_version: item.model_version, ...extra };
}

export const under = (category) => (category ? steps(category) : "No category fits");
