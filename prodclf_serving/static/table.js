// A CSV file: sent in parts, so that its progress shows and a part that fails can be sent again.

import { ask, Problem, told } from "./api.js";
import { decode, delimiterOf, records } from "./csv.js";
import { at, element, say } from "./page.js";
import { Worklist } from "./worklist.js";

const PART_ROWS = 1000;
const PART_CHARACTERS = 1_000_000;
const TRIES = 6;
const COLUMNS = "Prodclf-Columns";
const FIELDS = { title: "Title", brand: "Brand", price: "Price", description: "Description" };
const ADDED = 7; // columns of the answer behind those of the file
let stop;
let latest; // the file, and which columns a person has said to be what

/** The next part from a position of the text on: its records and how many there are. */
function part(text, from, delimiter, mostRows) {
  let rows = 0;
  let end = from;
  for (const record of records(text.slice(from, from + 4 * PART_CHARACTERS), delimiter)) {
    // The slice may end in the middle of its last record.
    const cut = from + record.end === from + 4 * PART_CHARACTERS && from + record.end < text.length;
    if (rows && (cut || rows >= mostRows || record.end > PART_CHARACTERS)) break;
    rows += 1;
    end = from + record.end;
  }
  return { rows, end: rows ? end : text.length };
}

/** Whether a file is a workbook or an archive, which the service unpacks. */
function packed(bytes) {
  const [first, second] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  return (first === 0x50 && second === 0x4b) || (first === 0xd0 && second === 0xcf);
}

/** Text that a header can carry. */
const ascii = (value) => JSON.stringify(value).replace(/[^ -~]/g, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);

async function send(body, signal, type = "text/csv; charset=utf-8") {
  const headers = { Accept: "text/csv" };
  if (Object.keys(latest.said).length) headers[COLUMNS] = ascii(latest.said);
  for (let tries = 1; ; tries += 1) {
    try {
      const response = await ask("predict/batch", { method: "POST", type, headers, body, signal });
      const text = await response.text();
      understood(records(text, ",").next().value.cells.slice(0, -ADDED).map((name) => name.replace(/^input_/, "")), JSON.parse(response.headers.get(COLUMNS)));
      return text;
    } catch (error) {
      if (error.status !== 503 || tries >= TRIES) throw error;
      await new Promise((go) => setTimeout(go, 1000 * (error.retryAfter || 1)));
      if (signal.aborted) throw new DOMException("stopped", "AbortError");
    }
  }
}

async function sendPacked(bytes, signal) {
  try {
    return await send(bytes, signal, "application/zip");
  } catch (error) {
    if (error.status === 413) throw new Error("The workbook has more rows than are taken at once. Save it as CSV, which is sent in parts.");
    throw error;
  }
}

/** The limit that a refusal names, in rows; 0 when it names none that sending less would help with. */
function smaller(error, rows) {
  if (!(error instanceof Problem) || error.status !== 413 || rows < 2) return 0;
  return Math.min(error.problem.limit_rows || rows, Math.floor(rows / 2));
}

/** File a whole text; `tell(share, counts)` is called after each part. Whatever was filed is in `filed` at any time. */
async function fileAll(text, filed, tell, signal) {
  const delimiter = delimiterOf(text);
  const first = records(text, delimiter).next().value;
  if (!first) throw new Error("The file is empty.");
  const header = text.slice(first.start, first.end).trimEnd() + "\n";
  let mostRows = PART_ROWS;
  let from = first.end;
  do {
    const { rows, end } = part(text, from, delimiter, mostRows);
    try {
      filed.add(await send(header + text.slice(from, end), signal));
    } catch (error) {
      mostRows = smaller(error, rows);
      if (!mostRows) throw error;
      continue;
    }
    from = end;
    tell(from / text.length);
  } while (from < text.length);
}

/** The answers so far: CSV parts, of which only the first keeps its header, and how they were decided. */
class Filed {
  parts = [];
  rows = 0;
  counts = { auto: 0, review: 0, abstain: 0 };
  worklist = new Worklist();

  add(answer) {
    this.worklist.add(answer, this.parts.length);
    const found = records(answer, ",");
    const header = found.next().value;
    const column = header.cells.lastIndexOf("decision");
    for (const { cells } of found) {
      this.rows += 1;
      this.counts[cells[column]] += 1;
    }
    this.parts.push({ answer, header: header.end });
  }

  /** The whole table, with what people have decided. */
  get text() {
    return this.parts.map(({ answer, header }, part) => this.worklist.decided(answer, part).slice(part ? header : 0));
  }

  get summary() {
    const [rows, auto, review, abstain] = [this.rows, ...Object.values(this.counts)].map((count) => count.toLocaleString("en"));
    return `${rows} rows: ${auto} filed, ${review} to check, ${abstain} unknown`;
  }
}

/** Show which column was taken for what, each to be corrected. */
function understood(names, took) {
  const form = at("understood");
  if (form.dataset.of === latest.file.name + ascii([names, took])) return;
  form.dataset.of = latest.file.name + ascii([names, took]);
  form.hidden = false;
  at("understood-columns").replaceChildren(...Object.entries(FIELDS).map(([field, word]) => {
    const label = element("label", word);
    const choice = element("select");
    choice.setAttribute("aria-label", word);
    choice.append(new Option("–", ""), ...names.map((name) => new Option(name, name)));
    choice.value = took[field] ?? "";
    choice.addEventListener("change", () => {
      if (!choice.value) return void (choice.value = took[field] ?? "");
      process(latest.file, { ...latest.said, [field]: choice.value });
    });
    label.append(choice);
    return label;
  }));
}

async function process(file, said = {}) {
  stop?.abort();
  latest = { file, said };
  if (!Object.keys(said).length) at("understood").hidden = true;
  const { signal } = (stop = new AbortController());
  const filed = new Filed();
  at("result").hidden = true;
  at("worklist").hidden = true;
  at("work").hidden = false;
  say(at("outcome"), "");
  const tell = (share) => {
    at("progress").value = share;
    say(at("progress-text"), `${file.name}: ${Math.floor(100 * share)}%, ${filed.summary}`);
  };
  tell(0);
  try {
    const bytes = await file.arrayBuffer();
    if (packed(bytes)) filed.add(await sendPacked(bytes, signal));
    else await fileAll(decode(bytes), filed, tell, signal);
    say(at("outcome"), `Done: ${filed.summary}.`, "auto");
  } catch (error) {
    if (signal !== stop.signal) return; // another file has taken its place
    if (error.problem?.columns) understood(error.problem.columns, said);
    const text = error.name === "AbortError" ? "Stopped." : error instanceof TypeError || error instanceof Problem ? told(error) : error.message;
    say(at("outcome"), filed.rows ? `${text} What was filed until then can be saved: ${filed.summary}.` : text, "error");
  }
  at("work").hidden = true;
  if (filed.parts.length) offer(filed, file.name);
}

function offer(filed, name) {
  const link = at("download");
  const write = () => {
    if (link.href) URL.revokeObjectURL(link.href);
    // The mark lets spreadsheet programs see that it is UTF-8.
    link.href = URL.createObjectURL(new Blob(["\ufeff", ...filed.text], { type: "text/csv" }));
  };
  write();
  filed.worklist.show(write);
  link.download = `filed-${name.replace(/\.\w+$/, "")}.csv`;
  at("result").hidden = false;
}

export function watchTable() {
  const drop = document.querySelector(".drop");
  at("file").addEventListener("change", (event) => {
    if (event.target.files[0]) process(event.target.files[0]);
    event.target.value = ""; // so that the same file can be chosen again
  });
  at("cancel").addEventListener("click", () => stop?.abort());
  for (const kind of ["dragover", "dragleave", "drop"]) {
    // Anywhere: a browser would leave the page to show a file dropped beside the target.
    document.addEventListener(kind, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) process(event.dataTransfer.files[0]);
    });
  }
}
