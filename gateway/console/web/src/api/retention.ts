import { BASE, query } from "./request";
import type { Calls } from "./request";
import type { Alert, Mask, Page } from "./types";

/** Deleting years at once takes its time; so does encoding a clip anew. */
const LONG_MS = 620_000;

/** `floor`: the fewest days that the law leaves. `bytes`: as the last run counted them. */
export interface KeptKind {
  kind: "pictures" | "clips" | "evidence" | "alerts" | "audit" | "figures" | "logins";
  days: number;
  floor: number;
  oldest: string | null;
  count: number | null;
  bytes: number | null;
}

/** `kept`: alerts that are over and stay, by reason: open, held, owed. */
export interface RetentionRun {
  id: string;
  at: string;
  by: string;
  deleted: Record<string, number>;
  bytes: number;
  kept: Record<string, number>;
  digest: string | null;
  fault: string | null;
}

export interface Retention {
  kinds: KeptKind[];
  last: RetentionRun | null;
  next_at: string;
  waits: string | null;
  short: string | null;
  below_the_law: boolean;
  held: number;
}

export interface Held {
  alert: string;
  node: string;
  title: string;
  raised_at: string;
  workflow: string;
  held_at: string | null;
  held_by: string | null;
  reason: string | null;
}

/** What somebody drew; the times are those of a clip, from its beginning. */
export interface Cover {
  polygon: Mask;
  from_ms?: number;
  to_ms?: number;
}

export interface MaskedItem {
  kind: "picture" | "clip";
  id: string;
  covers: Cover[];
}

export function retentionCalls({ request, exchange }: Calls) {
  const hold = (id: string) => `/alerts/${encodeURIComponent(id)}/hold`;
  return {
    retention: () => request<Retention>("GET", "/retention"),
    runRetention: () => request<RetentionRun>("POST", "/retention/run", {}, {}, LONG_MS),
    holds: () => request<Page<Held>>("GET", "/holds"),
    hold: (id: string, reason: string) => request<Alert>("POST", hold(id), { reason }),
    release: (id: string, reason: string) => request<Alert>("DELETE", hold(id) + query({ reason })),
    exportMasked: (id: string, reason: string, style: string, items: MaskedItem[]) =>
      exchange<Blob>("POST", `/alerts/${encodeURIComponent(id)}/export`, JSON.stringify({ reason, style, items }), { "Content-Type": "application/json", Accept: "application/zip, application/problem+json" }, LONG_MS, (response) => response.blob()),
  };
}

export function viewingTable(form: "csv" | "xlsx", since: string, until: string): string {
  return `${BASE}/audit/viewings.${form}` + query({ since, until });
}
