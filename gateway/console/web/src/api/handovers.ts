import { query } from "./request";
import type { Calls } from "./request";
import type { Kind, Page, Task, Workflow } from "./types";

/** An alert as a handover names it. */
export interface HandoverLine {
  id: string;
  kind: Kind;
  severity: number;
  status: string;
  workflow: Workflow;
  assignee: string | null;
  raised_at: string;
  who: string;
  where: string | null;
  title: string;
}

/** A limit that was not kept: `done` is null where it still is not. */
export interface MissedLimit extends HandoverLine {
  step: "acknowledge" | "dispatch" | "arrive" | "close";
  due: string;
  done: string | null;
}

export interface ShiftReport {
  since: string;
  until: string;
  /** false: more happened than was read for it. */
  whole: boolean;
  counts: {
    raised: number; exercises: number; acknowledged: number; dispatched: number; closed: number; cancelled: number; escalated: number; open: number;
    by_severity: Record<string, number>; by_kind: Record<string, number>; by_disposition: Record<string, number>;
  };
  open: HandoverLine[];
  missed: MissedLimit[];
  notes: { alert: string; title: string; at: string; actor: string; comment: string }[];
  tasks: Task[];
  silent_nodes: { id: string; name: string; state: string; since: string | null }[];
}

export interface Handover {
  id: number;
  given_by: string;
  to: string;
  given_at: string;
  since: string;
  notes: string;
  taken_by: string | null;
  taken_at: string | null;
}

export type WholeHandover = Handover & { report: ShiftReport };

/** A long shift is many entries to read. */
const REPORT_MS = 60_000;

export function handoverCalls({ request }: Calls) {
  return {
    /** What a handover would say now. */
    shift: (since: string | null) => request<ShiftReport>("GET", "/handover" + query({ since }), undefined, {}, REPORT_MS),
    handovers: (cursor: string | null) => request<Page<Handover>>("GET", "/handovers" + query({ limit: "30", cursor })),
    handover: (id: string) => request<WholeHandover>("GET", `/handovers/${encodeURIComponent(id)}`),
    giveHandover: (given: { to: string; notes: string; since: string }) => request<WholeHandover>("POST", "/handovers", given, {}, REPORT_MS),
    takeHandover: (id: number) => request<WholeHandover>("POST", `/handovers/${id}/take`),
  };
}
