import { isOpen, type Alert, type Kind, type Workflow } from "../api/types";
import { limitOf } from "./timers";

export type StatusChoice = "" | "actual" | "test" | "drill";

/** What of the list is shown. Empty: everything. `hours`: raised within; `since`, `until`: local moments as inputs give them. */
export interface Filter {
  q: string;
  workflow: Workflow[];
  severity: number[];
  kind: Kind[];
  area: string;
  node: string;
  status: StatusChoice;
  hours: number | null;
  since: string;
  until: string;
  mine: boolean;
  overdue: boolean;
  /** Of what is open, what was set aside, instead of what calls for attention. */
  shelved: boolean;
}

export const KINDS: readonly Kind[] = [
  "sos", "fire", "medical", "intrusion", "motion", "line_crossing", "tamper", "digital_input", "video_loss", "image_fault", "device_offline", "report", "other",
];
const WORKFLOWS: readonly string[] = ["new", "acknowledged", "dispatched", "on_scene", "closed", "cancelled"];
const STATUSES: readonly string[] = ["actual", "test", "drill"];
const HOUR_MS = 3_600_000;

export function noFilter(): Filter {
  return { q: "", workflow: [], severity: [], kind: [], area: "", node: "", status: "", hours: null, since: "", until: "", mine: false, overdue: false, shelved: false };
}

/** How many things beside the words are asked for. */
export function narrowed(filter: Filter): number {
  return [filter.workflow.length, filter.severity.length, filter.kind.length, filter.area, filter.node, filter.status, filter.hours, filter.since, filter.until, filter.mine, filter.overdue, filter.shelved].filter(Boolean).length;
}

export function matches(alert: Alert, filter: Filter, user: string, now: number): boolean {
  if (filter.workflow.length > 0 && !filter.workflow.includes(alert.workflow)) return false;
  if (filter.severity.length > 0 && !filter.severity.includes(alert.severity)) return false;
  if (filter.kind.length > 0 && !filter.kind.includes(alert.kind)) return false;
  if (filter.area !== "" && !(alert.place.area_code ?? "").startsWith(filter.area)) return false;
  if (filter.node !== "" && alert.node !== filter.node) return false;
  if (filter.status !== "" && alert.status !== filter.status) return false;
  if (filter.mine && alert.assignee !== user) return false;
  if (filter.overdue && !(isOpen(alert) && limitOf(alert, now)?.late === true)) return false;
  const raised = Date.parse(alert.raised_at);
  if (filter.hours !== null && raised < now - filter.hours * HOUR_MS) return false;
  if (filter.since !== "" && raised < Date.parse(filter.since)) return false;
  if (filter.until !== "" && raised >= Date.parse(filter.until)) return false;
  return says(alert, filter.q);
}

function says(alert: Alert, words: string): boolean {
  const wanted = words.trim().toLowerCase();
  if (wanted === "") return true;
  return [alert.source.name, alert.source.id, alert.place.address, alert.title, alert.id].some((text) => text !== null && text.toLowerCase().includes(wanted));
}

/** What of it the service can answer; the rest is left to `matches`. */
export function asked(filter: Filter, now: number): Record<string, string | null> {
  const moments = [filter.hours === null ? NaN : now - filter.hours * HOUR_MS, Date.parse(filter.since)].filter((at) => !Number.isNaN(at));
  const until = Date.parse(filter.until);
  const words = filter.q.trim();
  return {
    severity: filter.severity.join(",") || null,
    kind: filter.kind.join(",") || null,
    area: filter.area || null,
    since: moments.length === 0 ? null : new Date(Math.max(...moments)).toISOString(),
    until: Number.isNaN(until) ? null : new Date(until).toISOString(),
    q: words === "" ? null : words,
  };
}

/** For the address bar, so that a list can be linked to and survives a reload. */
export function toQuery(filter: Filter): URLSearchParams {
  const query = new URLSearchParams();
  const lists = { workflow: filter.workflow, severity: filter.severity, kind: filter.kind };
  for (const [name, values] of Object.entries(lists)) if (values.length > 0) query.set(name, values.join(","));
  const texts = { q: filter.q.trim(), area: filter.area, node: filter.node, status: filter.status, hours: filter.hours === null ? "" : String(filter.hours), since: filter.since, until: filter.until };
  for (const [name, value] of Object.entries(texts)) if (value !== "") query.set(name, value);
  if (filter.mine) query.set("mine", "1");
  if (filter.overdue) query.set("overdue", "1");
  if (filter.shelved) query.set("shelved", "1");
  return query;
}

/** What of `query` makes sense; it may come from anywhere. */
export function fromQuery(query: URLSearchParams): Filter {
  const list = (name: string) => (query.get(name) ?? "").split(",").filter((value) => value !== "");
  const hours = Number(query.get("hours"));
  const status = query.get("status") ?? "";
  const moment = (name: string) => (Number.isNaN(Date.parse(query.get(name) ?? "")) ? "" : query.get(name) ?? "");
  return {
    q: (query.get("q") ?? "").slice(0, 200),
    workflow: list("workflow").filter((value): value is Workflow => WORKFLOWS.includes(value)),
    severity: list("severity").map(Number).filter((value) => [1, 2, 3, 4].includes(value)),
    kind: list("kind").filter((value): value is Kind => (KINDS as readonly string[]).includes(value)),
    area: (query.get("area") ?? "").replace(/\D/g, "").slice(0, 12),
    node: (query.get("node") ?? "").slice(0, 64),
    status: STATUSES.includes(status) ? (status as StatusChoice) : "",
    hours: Number.isFinite(hours) && hours > 0 ? hours : null,
    since: moment("since"),
    until: moment("until"),
    mine: query.get("mine") === "1",
    overdue: query.get("overdue") === "1",
    shelved: query.get("shelved") === "1",
  };
}
