import { query } from "./request";
import type { Calls } from "./request";
import type { ActionRequest, Alert, Disposition, Page, Task, Workflow } from "./types";

/** What is done to many alerts alike. */
export type BulkAction = { comment?: string } & (
  | { action: "acknowledge" }
  | { action: "assign"; assignee: string }
  | { action: "close"; disposition: Disposition }
  | { action: "shelve"; until: string }
);

/** `reason`: the service's sentence where it was refused; `workflow`: how the alert stands now, null where there is none. */
export interface BulkResult {
  id: string;
  ok: boolean;
  reason: string | null;
  workflow: Workflow | null;
}

/** 200 alerts, each a step of its own on the service's disk. */
const BULK_MS = 60_000;

export function alertCalls({ request }: Calls) {
  return {
    alerts: (filter: Record<string, string | null>) => request<Page<Alert>>("GET", "/alerts" + query(filter)),
    alert: (id: string) => request<Alert>("GET", `/alerts/${encodeURIComponent(id)}`),
    act: (id: string, action: ActionRequest, key: string) =>
      request<Alert>("POST", `/alerts/${encodeURIComponent(id)}/actions`, action, { "Idempotency-Key": key }),
    /** 200 at most. */
    actMany: (ids: readonly string[], action: BulkAction, key: string) =>
      request<{ items: BulkResult[] }>("POST", "/alerts/actions", { ids, ...action }, { "Idempotency-Key": key }, BULK_MS),
    tasks: () => request<Page<Task>>("GET", "/tasks" + query({ limit: "200" })),
  };
}
