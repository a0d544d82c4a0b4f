// Requests to the service that sent this page.

const STORED_KEY = "prodclf-key";

/** An error answer: its sentence as the message, the whole problem document beside it. */
export class Problem extends Error {
  constructor(problem, response) {
    super(problem.detail || `The service answered ${response.status}.`);
    this.problem = problem;
    this.status = response.status;
    this.retryAfter = Number(response.headers.get("Retry-After")) || 0;
  }
}

/** Send a request; a Problem is thrown for any answer but a good one. */
export async function ask(path, { type, ...options } = {}) {
  const headers = new Headers(options.headers);
  if (type) headers.set("Content-Type", type);
  const key = sessionStorage.getItem(STORED_KEY);
  if (key) headers.set("Authorization", `Bearer ${key}`);
  const response = await fetch(path, { ...options, headers });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401) document.dispatchEvent(new Event("key-wanted"));
  throw new Problem(problem, response);
}

/** POST a value as JSON and return the JSON that comes back. */
export async function askJson(path, value, signal, headers) {
  const response = await ask(path, { method: "POST", type: "application/json", body: JSON.stringify(value), signal, headers });
  return response.json();
}

/** What to tell a person of something that was thrown; null for what they stopped themselves. */
export function told(error) {
  if (error.name === "AbortError") return null;
  return error instanceof Problem ? error.message : "The service cannot be reached.";
}

export function useKey(key) { sessionStorage.setItem(STORED_KEY, key); }
