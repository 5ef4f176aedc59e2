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
  sha256?: string | null;
  width: number | null;
  height: number | null;
}

export interface Clip {
  state: "none" | PictureState;
  reason: string | null;
  url: string | null;
  from_ms: number | null;
  to_ms: number | null;
  sha256?: string | null;
  codec: string | null;
}

export interface LinkedCamera {
  id: string;
  name: string;
  distance_m: number | null;
  snapshots: Snapshot[];
  clip?: Clip;
}

export type Level = "village" | "township" | "county" | "city";
export const LEVELS: readonly Level[] = ["village", "township", "county", "city"];
export type CallOutcome = "reached" | "no_answer" | "line_busy";
export const CALL_OUTCOMES: readonly CallOutcome[] = ["reached", "no_answer", "line_busy"];

/** The case of an alert (立案): what it is, whose business, by when each step is due and when it was done. */
export interface Case {
  class?: string;
  class_name?: string;
  subclass?: string;
  name?: string;
  grade?: number;
  department?: string;
  due?: Record<string, string>;
  done?: Record<string, string>;
  urged?: number;
  deferred?: number;
  returned?: number;
  suspended?: number;
  suspended_at?: string;
  suspended_until?: string;
}

/** R1 received here, R2 forwarded, R3 accepted: by whom, on which node, at which level. */
export interface Receipts {
  received_at: string;
  forwarded: Forwarding[];
  accepted_at: string | null;
  accepted_by?: string | null;
  accepted_node?: string | null;
  accepted_level?: string | null;
}

export type TaskKind =
  | "callback" | "undelivered" | "node_silent" | "terminals_offline" | "parked" | "storage"
  | "camera_password" | "camera_offline" | "camera_frozen" | "camera_clock" | "camera_stream" | "camera_covered" | "camera_place" | "camera_sign"
  | `image_${string}`;

/** What somebody has to see to. `object`: `alerts/{id}`, `sinks/{id}` or `terminals`. */
export interface Task {
  kind: TaskKind;
  object: string;
  title: string;
  since: string | null;
  due: string | null;
  overdue: boolean;
  detail: Record<string, unknown>;
}

export interface Delivery {
  id: number;
  sink: string;
  lane: string;
  alert_id: string | null;
  what: string;
  created_at: string;
  due: string;
  attempts: number;
  reason: string | null;
  parked: boolean;
}

/** Our receipts compared with an upper node's own book. `missing` were given to it again. */
export interface BooksCompared {
  sink: string;
  at: string;
  compared: number;
  missing: number;
  extra: number;
  fault: string | null;
}

export interface SinkLane {
  lane: string;
  open: boolean;
  waiting: number;
  parked: number;
  oldest: string | null;
}

export interface Sink {
  id: string;
  kind: string;
  state: "open" | "shut";
  standby_for: string | null;
  budget: number | null;
  lanes: SinkLane[];
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
  detail: Record<string, unknown> & {
    household?: Household;
    clock?: ClockEvidence;
    case?: Case;
    undelivered?: string[];
    escalated_to?: string[];
    neighbours?: string[];
    callback?: { outcome: CallOutcome; at: string; by: string };
    due?: Record<string, string>;
    /** Kept whatever its time is (封存). */
    held?: { at: string; reason: string | null; by: string; node: string };
    shelved?: { until: string; reason: string | null; by: string };
  };
  cameras: LinkedCamera[];
  receipts: Receipts;
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
  masks: Mask[];
  consent: Consent | null;
  /** null: kept where a terminal is linked. */
  clip?: boolean | null;
  signage?: boolean | null;
}

/** A part of the picture that nobody is shown: corners [x, y] from 0 to 1, from the top left. */
export type Mask = [number, number][];

/** A household's agreement that its camera is looked at without an alarm; both days are within it. */
export interface Consent {
  given_by: string;
  given_on: string;
  until: string | null;
}

export type EventsState = "off" | "connecting" | "listening" | "unreachable" | "refused" | "unsupported";

/** A camera as an ONVIF device. `offset_s`: its clock minus ours. */
export interface Device {
  id: string;
  events: EventsState;
  reason: string | null;
  vendor: string;
  model: string;
  firmware: string;
  serial: string;
  clock: { offset_s: number; uncertainty_s: number; measured_at: string } | null;
  last_event_at: string | null;
  has_ptz: boolean;
  armed: boolean;
  faults: string[];
}

/** A device that answered a search. `cameras`: the ids that it is enrolled under. */
export interface FoundDevice {
  identity: string | null;
  host: string;
  port: number;
  tls: boolean;
  name: string | null;
  hardware: string | null;
  location: string | null;
  cameras: string[];
}

export interface NewCamera {
  name?: string;
  scene: string;
  place?: { lon?: number; lat?: number; address?: string; area_code?: string; type?: string };
  onvif: { host: string; port: number; tls?: boolean; username?: string; password?: string; source?: string };
  channels?: "all";
}

export interface Channel {
  source: string | null;
  name: string;
}

export type ZoneType = "node" | "scene" | "area" | "camera";

export interface ArmingOrder {
  type: ZoneType;
  id: string;
  /** null: as the schedule says. */
  armed: boolean | null;
  reason?: string;
}

export interface ArmingSetting {
  type: ZoneType;
  id: string;
  armed: boolean;
  by: string;
  at: string;
  reason: string | null;
  until: string | null;
}

export interface ArmingState {
  items: ArmingSetting[];
  disarmed: string[];
}

export interface Preset {
  token: string;
  name: string;
}

export type PtzOrder = { preset: string } | { pan?: number; tilt?: number; zoom?: number; seconds?: number } | { stop: true };

/** What an alert keeps of a device's clock: `device_time` as our clock has it. */
export interface ClockEvidence {
  offset_s: number;
  uncertainty_s: number;
  device_time?: string;
}

export interface Household {
  name: string | null;
  phone: string | null;
  address: string | null;
  /** What whoever answers its alarm has to know. */
  instructions?: string | null;
}

export interface Terminal {
  id: string;
  household: Household | null;
  place: Place;
  state: TerminalState;
  last_seen: string | null;
  last_press: unknown;
  /** Of a lower node's terminal its own node alone knows these. */
  last_test?: string | null;
  model?: string;
  cameras?: string[];
  neighbours?: string[];
  presets?: Record<string, string>;
}

export interface Counts {
  online: number;
  total: number;
}

/** `reload` rises when so much changed there at once that its devices are to be loaded anew. */
export interface Node {
  id: string;
  name: string;
  level: string | null;
  own?: boolean;
  state?: "online" | "degraded" | "silent" | "stopped" | "unknown";
  reason?: string | null;
  last_heard?: string | null;
  parent?: string | null;
  version?: string | null;
  cameras?: Counts | null;
  terminals?: Counts | null;
  reload?: number;
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
  until?: string;
  to?: Level;
  callback?: CallOutcome;
  assignee?: string;
  department?: string;
}

export const OPEN_WORKFLOWS: readonly Workflow[] = ["new", "acknowledged", "dispatched", "on_scene"];

export function isOpen(alert: Alert): boolean {
  return OPEN_WORKFLOWS.includes(alert.workflow);
}

/** Set aside until a moment that has not come; a press never is. */
export function isShelved(alert: Alert, now: number): boolean {
  const until = alert.detail.shelved?.until;
  return until !== undefined && Date.parse(until) > now && isOpen(alert) && !isPress(alert);
}

/** Somebody pressed; it is not a device that tells of itself. */
export function isPress(alert: Alert): boolean {
  return alert.source.type === "terminal" && alert.kind !== "device_offline";
}

/** A real press that is open is called back until a call has an outcome. */
export function callbackOwed(alert: Alert): boolean {
  return isPress(alert) && alert.status === "actual" && isOpen(alert) && alert.detail.callback === undefined;
}

/** What it was about is over, though nobody has closed it: a button was let go, a lens is clear again. */
export function recovered(alert: Alert): boolean {
  return isOpen(alert) && alert.condition === "cleared";
}
