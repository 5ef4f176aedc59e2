import type { Alert } from "../api/types";

/** Newest first; the id (UUIDv7) settles equal moments. */
export function newestFirst(a: Alert, b: Alert): number {
  if (a.raised_at !== b.raised_at) return a.raised_at < b.raised_at ? 1 : -1;
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0;
}

/**
 * The list after `incoming`: each alert once, never an older version over a newer one, newest on top.
 * Alerts that `keep` refuses leave the list.
 */
export function merged(present: readonly Alert[], incoming: readonly Alert[], keep: (alert: Alert) => boolean): Alert[] {
  const byId = new Map(present.map((alert) => [alert.id, alert]));
  for (const alert of incoming) {
    const known = byId.get(alert.id);
    if (known === undefined || alert.version >= known.version) byId.set(alert.id, alert);
  }
  return [...byId.values()].filter(keep).sort(newestFirst);
}
