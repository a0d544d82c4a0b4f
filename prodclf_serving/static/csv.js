// CSV text: where its records begin and end, and what is in them.

/** Decode a file's bytes: UTF-16 with a mark, UTF-8, else what Windows writes. */
export function decode(bytes) {
  const [first, second] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/** The mark that the first line has most of. */
export function delimiterOf(text) {
  const line = text.slice(0, 100_000).split(/[\r\n]/, 1)[0].replace(/"[^"]*"/g, "");
  const count = (mark) => line.split(mark).length;
  return [",", ";", "\t", "|"].reduce((best, mark) => (count(mark) > count(best) ? mark : best));
}

/**
 * Yield every record that is not blank as { cells, start, end }, `end` behind its line end.
 * A carriage return alone ends a line only where nothing else does; elsewhere the service takes it for a space.
 */
export function* records(text, delimiter) {
  const lone = !text.includes("\n");
  let at = 0;
  while (at < text.length) {
    const start = at;
    const cells = [];
    let over = false;
    while (!over) {
      const [cell, next] = field(text, at, delimiter, lone);
      cells.push(cell);
      over = text[next] !== delimiter;
      at = next + 1;
      if (over && text[next] === "\r" && text[next + 1] === "\n") at += 1;
    }
    at = Math.min(at, text.length);
    if (cells.length > 1 || cells[0].trim()) yield { cells, start, end: at };
  }
}

/** One field from a position on, and the position of what ended it. */
function field(text, at, delimiter, lone) {
  let cell = "";
  if (text[at] === '"') {
    for (;;) {
      const quote = text.indexOf('"', at + 1);
      if (quote < 0) return [cell + text.slice(at + 1), text.length];
      cell += text.slice(at + 1, quote);
      if (text[quote + 1] !== '"') { at = quote + 1; break; }
      cell += '"';
      at = quote + 1;
    }
  }
  let end = at;
  const ends = (mark) => mark === delimiter || mark === "\n" || (mark === "\r" && (lone || text[end + 1] === "\n"));
  while (end < text.length && !ends(text[end])) end += 1;
  return [cell + text.slice(at, end), end];
}
