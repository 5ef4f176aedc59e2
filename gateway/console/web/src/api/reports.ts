import { BASE, query } from "./request";
import type { Calls } from "./request";
import type { Page } from "./types";

/** A year of a big node takes its time. */
const REPORT_MS = 60_000;

/** Seconds and rates, 0 to 1; null: nothing to divide by. The formulas stand in deploy/FIGURES.md. */
export interface Spent {
  online_rate: number | null;
  intact_rate: number | null;
  online_s: number;
  intact_s: number;
  down_s: number;
  planned_s: number;
  worked_on_s: number;
  off_s: number;
  unknown_s: number;
  outages: number;
}

/** `over`: months of channels that were down for longer than the contract allows. */
export interface CameraSum extends Spent {
  cameras: number;
  over: number;
}

export interface TrendPart extends CameraSum {
  from: string;
  to: string;
}

export interface OverChannel {
  id: string;
  name: string;
  area: string | null;
  month: string;
  down_s: number;
  outages: number;
}

export interface StageSum {
  reached: number;
  p50_s: number | null;
  p90_s: number | null;
  max_s: number | null;
  in_time: number;
  late: number;
  waiting: number;
  in_time_share: number | null;
}

export const STAGES = ["acknowledge", "dispatch", "arrive", "close"] as const;
export type StageName = (typeof STAGES)[number];

/** `judged`: closed with a finding. */
export interface AlertSum {
  alerts: number;
  ended: number;
  judged: number;
  false_alarms: number;
  false_alarm_share: number | null;
  stages: Record<StageName, StageSum>;
}

export type AlertGroup = AlertSum & { key: string | null };

export interface Tested {
  total: number;
  tested: number;
  tested_share: number | null;
}

export type GroupBy = "area" | "scene" | "vendor";

/** `kept_at`: how far the history is on disk. */
export interface FigureReport {
  from: string;
  to: string;
  timezone: string;
  area: string | null;
  made_at: string;
  kept_at: string | null;
  terms: { down_over_s: number; online: number; intact: number };
  cameras: CameraSum;
  by: GroupBy;
  groups: (CameraSum & { key: string | null })[];
  trend: TrendPart[];
  over: { total: number; items: OverChannel[] };
  alerts: AlertSum & { complete: boolean; by_severity: AlertGroup[]; by_kind: AlertGroup[]; by_area: AlertGroup[]; by_node: AlertGroup[] };
  terminals: Tested & { quarter: string; by_area: (Tested & { area: string | null })[]; untested: { id: string; area: string | null; address: string | null }[] };
}

/** `ended_at` null: it goes on. */
export interface OutageLine {
  camera: string;
  name: string;
  area: string | null;
  began_at: string;
  ended_at: string | null;
  down_s: number;
  planned_s: number;
  reason: string | null;
}

/** Both days within. */
export type FigureSpan = { from: string; to: string; area: string };

export function reportCalls({ request }: Calls) {
  return {
    figureReport: (span: FigureSpan, by: GroupBy) => request<FigureReport>("GET", "/reports/figures" + query({ ...span, by }), undefined, {}, REPORT_MS),
    figureOutages: (span: FigureSpan, cursor: string | null) => request<Page<OutageLine>>("GET", "/reports/figures/outages" + query({ ...span, cursor })),
  };
}

/** Where the browser takes the file from. */
export function figureFile(span: FigureSpan, ending: "xlsx" | "csv", lang: "zh" | "en"): string {
  return `${BASE}/reports/figures.${ending}` + query({ ...span, lang });
}
