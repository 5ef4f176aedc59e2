import { query } from "./request";
import type { Calls } from "./request";

/** Alerts raised from `start` on, within the hour. `severe`: of severity 1. */
export interface HourCount {
  start: string;
  alerts: number;
  severe: number;
}

/** Seconds from the press until it was done, of those alerts that have a service level for it. */
export interface StageFigures {
  done: number;
  late: number;
  waiting: number;
  p50_s: number | null;
  p90_s: number | null;
  limit_s: number | null;
}

/** `complete` false: there were more alerts than are counted; these are the newest. */
export interface Figures {
  since: string;
  until: string;
  alerts: number;
  complete: boolean;
  by_severity: Record<string, number>;
  closed: number;
  false_alarms: number;
  hours: HourCount[];
  stages: Record<"acknowledge" | "dispatch", StageFigures>;
}

export function figureCalls({ request }: Calls) {
  return {
    figures: (since: Date | null) => request<Figures>("GET", "/figures" + query({ since: since === null ? null : since.toISOString() })),
  };
}
