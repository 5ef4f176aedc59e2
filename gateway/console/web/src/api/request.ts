import type { Channel, Page, Workflow } from "./types";

export const BASE = "/api/v1";
const DEADLINE_MS = 15_000;
/** 20 pages of 500: more than a county has; a guard against a server that never ends its list. */
const MAX_PAGES = 20;

/** RFC 9457 problem, or its likeness where the network failed (`status` 0). Without a sentence of the service's own its message is
 * `status 502`, `timeout` or `network`, which the console puts into words. */
export class Problem extends Error {
  readonly status: number;
  readonly workflow: Workflow | null;
  readonly retryAfter: number | null;
  /** Of a recorder that was to be enrolled: the channels to choose from. */
  readonly channels: Channel[];

  constructor(status: number, sentence: string, workflow: Workflow | null = null, retryAfter: number | null = null, channels: Channel[] = []) {
    super(sentence);
    this.name = "Problem";
    this.status = status;
    this.workflow = workflow;
    this.retryAfter = retryAfter;
    this.channels = channels;
  }
}

export interface ClientEvents {
  /** The session has ended or was taken away. */
  onUnauthorised: () => void;
  /** The server's idea of now, from the Date header (whole seconds). */
  onServerTime: (at: number) => void;
}

export type Calls = ReturnType<typeof createCalls>;

export function createCalls(events: ClientEvents) {
  async function request<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}, deadline = DEADLINE_MS): Promise<T> {
    const json = body === undefined ? null : JSON.stringify(body);
    const told = { Accept: "application/json", ...(json === null ? {} : { "Content-Type": "application/json" }), ...headers };
    return exchange(method, path, json, told, deadline, async (response) => (response.status === 204 ? undefined : await response.json()) as T);
  }

  /** What is no JSON: `read` takes the answer, within the same deadline. */
  async function exchange<T>(method: string, path: string, body: string | Blob | null, headers: Record<string, string>, deadline: number, read: (response: Response) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), deadline);
    try {
      const response = await fetch(BASE + path, { method, credentials: "same-origin", cache: "no-store", signal: controller.signal, headers, body });
      const date = Date.parse(response.headers.get("Date") ?? "");
      if (!Number.isNaN(date)) events.onServerTime(date);
      if (!response.ok) throw await problemOf(response);
      return await read(response);
    } catch (error) {
      if (error instanceof Problem) {
        if (error.status === 401 && path !== "/session") events.onUnauthorised();
        throw error;
      }
      throw new Problem(0, controller.signal.aborted ? "timeout" : "network");
    } finally {
      clearTimeout(timer);
    }
  }

  async function all<T>(path: string, node: string | null = null): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const answer: Page<T> = await request("GET", path + query({ limit: "500", node, cursor }));
      items.push(...answer.items);
      cursor = answer.next;
      if (cursor === null) break;
    }
    return items;
  }

  return { request, exchange, all };
}

export function query(values: Record<string, string | null>): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== null && value !== "") parts.set(name, value);
  const text = parts.toString();
  return text === "" ? "" : "?" + text;
}

async function problemOf(response: Response): Promise<Problem> {
  const retryAfter = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const body: unknown = await response.json().catch(() => null); // a proxy's HTML page is no problem document
  const fields = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const sentence = [fields.detail, fields.title].find((text): text is string => typeof text === "string" && text !== "");
  const workflow = typeof fields.workflow === "string" ? (fields.workflow as Workflow) : null;
  const channels = Array.isArray(fields.channels) ? (fields.channels as Channel[]) : [];
  return new Problem(response.status, sentence ?? `status ${response.status}`, workflow, Number.isNaN(retryAfter) ? null : retryAfter, channels);
}

/** 128 random bits; `crypto.randomUUID` is missing on plain http outside localhost. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
