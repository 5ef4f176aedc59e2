import { BASE, query } from "./request";
import type { Calls } from "./request";
import type { Page } from "./types";

/** The whole chain of a big node is walked. */
const VERIFY_MS = 130_000;

/** One line of the audit: who did or saw what, and why. */
export interface AuditLine {
  id: number;
  at: string;
  actor: string;
  action: string;
  object: string;
  reason: string | null;
  detail: Record<string, unknown>;
}

/** What is asked of the audit; empty: anything. `object` with what lies within it; `since` and `until` are RFC 3339. */
export interface AuditWanted {
  actor: string;
  action: string;
  object: string;
  since: string;
  until: string;
  q: string;
}

/** `checked`: how many lines of the chain hold. */
export interface Verified {
  ok: boolean;
  checked: number;
  newest: string;
  first_broken: { line: number; reason: string } | null;
}

export function recordCalls({ request }: Calls) {
  return {
    audit: (wanted: AuditWanted, cursor: string | null) => request<Page<AuditLine>>("GET", "/audit" + query({ ...wanted, cursor })),
    verifyAudit: () => request<Verified>("GET", "/audit/verify", undefined, {}, VERIFY_MS),
  };
}

export function auditTable(wanted: AuditWanted): string {
  return BASE + "/audit" + query({ ...wanted, format: "csv" });
}
