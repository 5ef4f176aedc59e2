/** The HTTP API's JSON, as the gateway documents it. Times are RFC 3339 UTC. */

export type Kind =
  | "sos" | "fire" | "medical" | "intrusion" | "motion" | "line_crossing" | "tamper" | "digital_input"
  | "video_loss" | "image_fault" | "device_offline" | "report" | "other";
export type Workflow = "new" | "acknowledged" | "dispatched" | "on_scene" | "closed" | "cancelled";
export type Disposition = "real" | "false_alarm" | "drill" | "duplicate" | "no_answer" | "other";
export type PictureState = "pending" | "ready" | "failed";
export type CameraState = "online" | "connecting" | "offline" | "auth_failed" | "disabled";
export type TerminalState = "online" | "offline" | "unknown";
export type Role = "viewer" | "operator" | "maintainer" | "admin";
export type ActionName =
  | "acknowledge" | "dispatch" | "arrive" | "close" | "cancel" | "reopen" | "escalate" | "assign" | "note"
  | "urge" | "defer" | "return" | "suspend" | "shelve" | "unshelve";

export interface Place {
  lon: number | null;
  lat: number | null;
  address: string | null;
  area_code: string | null;
}

export interface Snapshot {
  id: string;
  wanted_ms: number;
  press?: number;
  offset_ms: number | null;
  taken_at: string | null;
  state: PictureState;
  reason: string | null;
  url: string | null;
  width: number | null;
  height: number | null;
}

export interface LinkedCamera {
  id: string;
  name: string;
  distance_m: number | null;
  snapshots: Snapshot[];
}

export interface Forwarding {
  sink: string;
  at: string;
  seq: number;
}

export interface Entry {
  id: string;
  at: string;
  node: string;
  actor: string;
  action: string;
  comment: string | null;
  data?: Record<string, unknown>;
}

export interface Alert {
  id: string;
  node: string;
  kind: Kind;
  severity: number;
  status: "actual" | "test" | "drill";
  workflow: Workflow;
  condition: "active" | "cleared";
  disposition: string | null;
  assignee: string | null;
  count: number;
  raised_at: string;
  device_time: string | null;
  received_at: string;
  source: { type: string; id: string; name: string | null; known: boolean };
  place: Place;
  title: string;
  detail: Record<string, unknown> & { household?: Household };
  cameras: LinkedCamera[];
  receipts: { received_at: string; forwarded: Forwarding[]; accepted_at: string | null };
  /** Absent in lists and in the stream. */
  entries?: Entry[];
  version: number;
}

export interface Camera {
  id: string;
  name: string;
  scene: string;
  place: Place;
  state: CameraState;
  reason: string | null;
  since: string | null;
  last_keyframe_at: string | null;
  codec: string | null;
  width: number | null;
  height: number | null;
  faults: string[];
}

export interface Household {
  name: string | null;
  phone: string | null;
  address: string | null;
}

export interface Terminal {
  id: string;
  household: Household | null;
  place: Place;
  state: TerminalState;
  last_seen: string | null;
  last_press: unknown;
}

export interface Node {
  id: string;
  name: string;
  level: string;
}

export interface Session {
  user: string;
  role: Role;
  areas: string[];
  expires_at?: string | null;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface ActionRequest {
  action: ActionName;
  comment?: string;
  disposition?: Disposition;
}

export const OPEN_WORKFLOWS: readonly Workflow[] = ["new", "acknowledged", "dispatched", "on_scene"];

export function isOpen(alert: Alert): boolean {
  return OPEN_WORKFLOWS.includes(alert.workflow);
}
