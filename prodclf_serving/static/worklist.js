// The rows of a file that need a person: seen, corrected or accepted, and part of the table that is saved.

import { records } from "./csv.js";
import { WORDS } from "./desk.js";
import { at, element, percent, steps } from "./page.js";
import { pick } from "./picker.js";

const MOST_SHOWN = 500;
const FILED = "auto";

/** One row of a filed table; `cells` change when a person decides. */
class Row {
  constructor(part, start, end, cells) { Object.assign(this, { part, start, end, cells, changed: false }); }
}

export class Worklist {
  rows = [];
  more = 0;
  columns = {};

  /** Take a part of the filed table, header first in each. */
  add(answer, part) {
    const found = records(answer, ",");
    const header = found.next().value;
    // The answer's own columns are the last of their names.
    for (const name of ["predicted_category", "confidence", "decision"]) this.columns[name] = header.cells.lastIndexOf(name);
    this.header = header.cells;
    for (const { cells, start, end } of found) {
      if (cells[this.columns.decision] === FILED) continue;
      if (this.rows.length < MOST_SHOWN) this.rows.push(new Row(part, start, end, cells));
      else this.more += 1;
    }
  }

  /** A part of the table with what people have decided since; header as it came. */
  decided(answer, part) {
    let text = "";
    let from = 0;
    for (const row of this.rows) {
      if (row.part !== part || !row.changed) continue;
      text += `${answer.slice(from, row.start)}${row.cells.map(quoted).join(",")}\n`;
      from = row.end;
    }
    return text + answer.slice(from);
  }

  show(changed) {
    at("worklist").hidden = !this.rows.length;
    const beyond = this.more ? ` ${this.more.toLocaleString("en")} more are in the file only.` : "";
    at("worklist-title").textContent = `${this.rows.length.toLocaleString("en")} rows need a person.${beyond}`;
    at("worklist-body").replaceChildren(...this.rows.map((row) => this.#line(row, changed)));
  }

  #line(row, changed) {
    const { predicted_category: category, confidence, decision } = this.columns;
    const own = row.cells.slice(0, category).filter(Boolean);
    const line = element("tr");
    const about = element("td");
    // The longest of its first fields is what tells the product, most often its title.
    const title = own.slice(0, 8).reduce((best, text) => (text.length > best.length && text.length < 300 ? text : best), "");
    about.append(element("span", title), element("span", own.filter((text) => text !== title).slice(0, 3).join(" · ").slice(0, 120), "quiet"));
    const answer = element("td");
    const sure = element("td");
    const act = element("td");
    const draw = () => {
      answer.textContent = steps(row.cells[category]);
      const word = row.changed ? "filed by you" : WORDS[row.cells[decision]] || row.cells[decision];
      const share = row.changed || row.cells[decision] === "abstain" ? "" : percent(Number(row.cells[confidence]));
      sure.replaceChildren(element("span", word, `decision ${row.changed ? FILED : row.cells[decision]}`), element("span", share, "quiet"));
      accept.disabled = row.changed || !row.cells[category];
    };
    const file = (chosen) => {
      row.cells[category] = chosen;
      row.cells[decision] = FILED;
      row.changed = true;
      draw();
      changed();
    };
    const accept = element("button", "Accept", "plain");
    const other = element("button", "Correct…", "plain");
    accept.type = other.type = "button";
    accept.setAttribute("aria-label", `Accept for ${title}`);
    other.setAttribute("aria-label", `Correct ${title}`);
    accept.addEventListener("click", () => file(row.cells[category]));
    other.addEventListener("click", async () => {
      const chosen = await pick({ title });
      if (chosen) file(chosen);
    });
    act.append(accept, " ", other);
    draw();
    line.append(about, answer, sure, act);
    return line;
  }
}

function quoted(cell) { return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell; }
