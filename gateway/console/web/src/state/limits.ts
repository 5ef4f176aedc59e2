import { isOpen, type Alert, type Case } from "../api/types";

/** left: there is time; late: it has run out; ontime, overdue: it was done in time, or not. */
export type LimitState = "left" | "late" | "ontime" | "overdue";
/** `at`, `left`: ms. `left` is negative where it is late. */
export interface Limit { step: string; state: LimitState; at: number; left: number }

const STEPS = ["acknowledge", "register", "dispatch", "arrive", "close"] as const;

export function caseOf(alert: Alert): Case | null {
  const found: unknown = alert.detail.case;
  return typeof found === "object" && found !== null ? (found as Case) : null;
}

/** The limits of its class of cases (立案), which stand still while it is suspended. */
export function caseLimits(alert: Alert, now: number): Limit[] {
  const filed = caseOf(alert);
  return filed === null ? [] : judged(alert, filed.due ?? {}, filed.done ?? {}, standing(filed, now), now);
}

/** A node's own service levels, where the class has no limit for the step. */
export function serviceLimits(alert: Alert, now: number): Limit[] {
  const filed = caseOf(alert)?.due ?? {};
  const due = Object.entries(alert.detail.due ?? {}).filter(([step]) => filed[step === "acknowledge" ? "register" : step] === undefined);
  return judged(alert, Object.fromEntries(due), done(alert), 0, now);
}

/** What has to be done next, and by when: the earliest limit that is still open. */
export function nextLimit(alert: Alert, now: number): Limit | null {
  const open = [...serviceLimits(alert, now), ...caseLimits(alert, now)].filter((one) => one.state === "left" || one.state === "late");
  return open.sort((a, b) => a.at - b.at)[0] ?? null;
}

function standing(filed: Case, now: number): number {
  if (filed.suspended_at === undefined) return 0;
  const end = Math.min(now, filed.suspended_until === undefined ? Infinity : Date.parse(filed.suspended_until));
  return Math.max(0, end - Date.parse(filed.suspended_at));
}

function done(alert: Alert): Record<string, string> {
  const first = (action: string) => alert.entries?.find((entry) => entry.action === action)?.at;
  const taken = { acknowledge: alert.receipts.accepted_at ?? undefined, dispatch: first("dispatch"), arrive: first("arrive"), close: first("close") };
  return Object.fromEntries(Object.entries(taken).filter((pair): pair is [string, string] => pair[1] !== undefined));
}

function judged(alert: Alert, due: Record<string, string>, taken: Record<string, string>, later: number, now: number): Limit[] {
  return STEPS.flatMap((step): Limit[] => {
    const said = Date.parse(due[step] ?? "");
    if (Number.isNaN(said)) return [];
    const did = taken[step];
    if (did !== undefined) return [{ step, state: Date.parse(did) <= said ? "ontime" : "overdue", at: said, left: 0 }];
    if (!isOpen(alert)) return [];
    const at = said + later;
    return [{ step, state: at >= now ? "left" : "late", at, left: at - now }];
  });
}
