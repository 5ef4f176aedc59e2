import type { Calls } from "./request";
import type { Page } from "./types";

/** A maintenance window. `id` and `by` are null for one of the configuration. `count`: cameras of mine that it is about. */
export interface MaintenanceWindow {
  id: string | null;
  name: string;
  reason: string;
  by: string | null;
  at: string | null;
  since: string | null;
  until: string | null;
  between: string | null;
  days: string[];
  cameras: string[];
  scenes: string[];
  areas: string[];
  hosts: string[];
  state: "waiting" | "running" | "over";
  ends_at: string | null;
  count: number | null;
}

/** A camera that may be down just now. */
export interface CoveredCamera {
  id: string;
  window: string;
  until: string | null;
}

export interface MaintenanceOrder {
  name: string;
  reason: string;
  since?: string;
  until: string;
  cameras?: string[];
  areas?: string[];
  hosts?: string[];
  between?: string;
  days?: string[];
}

export interface LostCamera {
  id: string;
  name: string;
  lost_at: string;
  state: string | null;
  back: boolean;
  flapping: boolean;
}

/** Cameras that are away for one cause, and the alert that tells of them. */
export interface CameraOutage {
  alert: string;
  cause: string;
  group: string;
  total: number;
  lost: number;
  cameras: LostCamera[];
}

export function maintenanceCalls({ request }: Calls) {
  const at = (id: string) => `/maintenance/${encodeURIComponent(id)}`;
  return {
    maintenance: () => request<Page<MaintenanceWindow> & { covered: CoveredCamera[] }>("GET", "/maintenance"),
    planMaintenance: (order: MaintenanceOrder, key: string) => request<MaintenanceWindow>("POST", "/maintenance", order, { "Idempotency-Key": key }),
    changeMaintenance: (id: string, change: { reason: string; until?: string; name?: string }) => request<MaintenanceWindow>("PATCH", at(id), change),
    endMaintenance: (id: string, reason: string) => request<void>("DELETE", `${at(id)}?reason=${encodeURIComponent(reason)}`),
    outages: () => request<Page<CameraOutage>>("GET", "/outages"),
  };
}
