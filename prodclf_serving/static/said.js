// What was decided: one's own decisions, each with a way back, and the products that no category fits.

import { ask, told } from "./api.js";
import { reviewer, tell, under, withdraw } from "./desk.js";
import { at, element } from "./page.js";

export async function loadSaid(unfit) {
  at("said-title").textContent = unfit ? "Products that no category fits" : "My decisions";
  try {
    const { said } = await (await ask(`review/said?${new URLSearchParams({ reviewer: reviewer(), unfit })}`)).json();
    at("said-list").replaceChildren(...said.map((each) => entry(each, unfit)));
    const nothing = unfit ? "None so far. They are the seed of a new category." : "None so far.";
    at("said-empty").textContent = said.length ? "A decision can be undone until a training has learnt from it." : nothing;
  } catch (error) {
    at("said-list").replaceChildren();
    at("said-empty").textContent = told(error);
  }
}

function entry(each, unfit) {
  const item = element("li");
  const about = [each.brand, unfit && each.reviewer, new Date(each.time).toLocaleString()].filter(Boolean).join(" · ");
  item.append(element("span", each.title), element("span", under(each.category), "filed"), element("span", about, "quiet"));
  if (each.note) item.append(element("span", `“${each.note}”`, "quiet"));
  const undo = element("button", each.undo ? "Undo" : "Learnt", "plain");
  Object.assign(undo, { type: "button", disabled: !each.undo });
  undo.setAttribute("aria-label", `Undo ${each.title}`);
  undo.addEventListener("click", async () => {
    try {
      const { refused } = await withdraw([each.annotation]);
      const [why] = Object.values(refused);
      tell(why ? `Not undone: ${why}.` : "Undone; it waits again.", why ? "error" : "");
      await loadSaid(unfit);
    } catch (error) {
      tell(`Not undone: ${told(error)}`, "error");
    }
  });
  item.append(undo);
  return item;
}
