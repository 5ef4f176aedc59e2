import { isPress, type Alert } from "../api/types";
import { newestFirst } from "./merge";
import { limitOf } from "./timers";

export const SORTS = ["urgent", "newest", "oldest", "due"] as const;
export type Sort = (typeof SORTS)[number];

/** Unacknowledged by severity, exercises behind them; then everything that somebody has taken. */
function urgency(alert: Alert): number {
  if (alert.workflow !== "new") return 6;
  return alert.status === "actual" ? alert.severity : 5;
}

export function sorted(alerts: readonly Alert[], by: Sort, now: number): Alert[] {
  const copy = [...alerts]; // newest first, as they are kept
  if (by === "newest") return copy;
  if (by === "oldest") return copy.reverse();
  const keys = new Map(copy.map((alert) => [alert.id, by === "urgent" ? urgency(alert) : limitOf(alert, now)?.at ?? Infinity]));
  return copy.sort((a, b) => {
    const [left, right] = [keys.get(a.id) ?? 0, keys.get(b.id) ?? 0];
    return left === right ? newestFirst(a, b) : left < right ? -1 : 1;
  });
}

/** A line of the list: an alert, or the head of those that are alike in a flood. */
export type Line =
  | { key: string; alert: Alert; inGroup: boolean }
  | { key: string; group: Group; open: boolean };

export interface Group {
  key: string;
  kind: string;
  area: string | null;
  severity: number;
  waiting: number;
  newest: string;
  alerts: Alert[];
}

/** A press of the first severity that nobody has taken stays by itself, whatever comes down with it. */
export function alwaysSingle(alert: Alert): boolean {
  return alert.workflow === "new" && alert.severity === 1 && isPress(alert) && alert.status === "actual";
}

export function lines(alerts: readonly Alert[], grouped: boolean, opened: ReadonlySet<string>): Line[] {
  if (!grouped) return alerts.map((alert) => ({ key: alert.id, alert, inGroup: false }));
  const single = alerts.filter(alwaysSingle);
  const groups = new Map<string, Group>();
  for (const alert of alerts) if (!alwaysSingle(alert)) put(groups, alert);
  const heads = [...groups.values()].sort((a, b) => a.severity - b.severity || (a.newest < b.newest ? 1 : a.newest > b.newest ? -1 : 0));
  return [
    ...single.map((alert) => ({ key: alert.id, alert, inGroup: false })),
    ...heads.flatMap((group): Line[] => {
      const [only] = group.alerts;
      if (group.alerts.length === 1 && only !== undefined) return [{ key: only.id, alert: only, inGroup: false }];
      const open = opened.has(group.key);
      const inside: Line[] = open ? group.alerts.map((alert) => ({ key: alert.id, alert, inGroup: true })) : [];
      return [{ key: group.key, group, open }, ...inside];
    }),
  ];
}

function put(groups: Map<string, Group>, alert: Alert): void {
  const key = `group:${alert.kind}:${alert.place.area_code ?? ""}:${alert.status}`;
  const group = groups.get(key) ?? { key, kind: alert.kind, area: alert.place.area_code, severity: 4, waiting: 0, newest: "", alerts: [] };
  group.alerts.push(alert);
  group.severity = Math.min(group.severity, alert.severity);
  if (alert.workflow === "new") group.waiting += 1;
  if (alert.raised_at > group.newest) group.newest = alert.raised_at;
  groups.set(key, group);
}
