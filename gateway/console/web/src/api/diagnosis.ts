import { BASE, query } from "./request";
import type { Calls } from "./request";

/** Where a measure makes a fault: `side` the limit. */
export interface MeasureLimit {
  fault: string;
  threshold: string;
  limit: number;
  side: "above" | "below";
}

export interface Measure {
  name: string;
  value: number | null;
  limits: MeasureLimit[];
}

export interface ReferenceView {
  period: "day" | "night";
  at: string;
  /** `learned` where nobody set it. */
  by: string;
}

export interface Verdict {
  id: string;
  fault: string;
  night: boolean;
  since: string;
  until: string | null;
  picture: "pending" | "ready" | "failed" | "deleted";
  reason: string | null;
  url: string | null;
  planned: string | null;
  alert: string | null;
}

export interface Look {
  at: string;
  night: boolean;
  found: string[];
  trouble: string | null;
}

export interface Diagnosis {
  id: string;
  enabled: boolean;
  every_s: number | null;
  standing: string[];
  look: Look | null;
  trouble: string | null;
  measures: Measure[];
  references: ReferenceView[];
  history: Verdict[];
  next: string | null;
}

export function diagnosisCalls({ request }: Calls) {
  const path = (id: string): string => `/cameras/${encodeURIComponent(id)}`;
  return {
    diagnosis: (id: string) => request<Diagnosis>("GET", `${path(id)}/diagnosis`),
    diagnose: (id: string) => request<Look>("POST", `${path(id)}/diagnosis`),
    evidenceUrl: (id: string, verdict: string, reason: string) =>
      `${BASE}${path(id)}/diagnosis/${encodeURIComponent(verdict)}.jpg` + query({ reason }),
    setReference: (id: string) => request<ReferenceView[]>("PUT", `${path(id)}/reference`),
    forgetReference: (id: string) => request<void>("DELETE", `${path(id)}/reference`),
  };
}
