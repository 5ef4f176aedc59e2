import { BASE, query } from "./request";
import type { Calls } from "./request";
import type { ArmingOrder, ArmingState, Camera, Consent, Device, FoundDevice, NewCamera, Node, Page, Preset, PtzOrder, Terminal } from "./types";

const SEARCH_S = 6;
/** A device is asked many things when it is enrolled; the gateway gives it half a minute. */
const ENROL_MS = 60_000;

/** What is left out stays; null takes it away. */
export interface CameraChange {
  name?: string;
  scene?: string;
  place?: { lon?: number | null; lat?: number | null; address?: string | null; area_code?: string | null };
  enabled?: boolean;
  clip?: boolean | null;
  onvif?: { set_clock?: boolean };
  credential?: { username: string; password: string };
  consent?: Consent | null;
}

export interface TerminalChange {
  household?: { name?: string | null; phone?: string | null; address?: string | null; instructions?: string | null };
  place?: { lon?: number | null; lat?: number | null; address?: string | null; area_code?: string | null };
  cameras?: string[];
  neighbours?: string[];
  presets?: Record<string, string | null>;
  model?: string;
}

export interface TrialCounts {
  total: number;
  tested: number;
  heard: number;
  silent: number;
}

/** A test run of terminals. */
export interface Trial {
  id: string;
  name: string;
  areas: string[];
  started_by: string;
  started_at: string;
  until: string;
  ended_at: string | null;
  state: "asking" | "waiting" | "ended";
  asked: number;
  counts: TrialCounts;
  by_area: (TrialCounts & { area_code: string | null })[];
  unanswered: { terminal: string; name: string | null; address: string | null; area_code: string | null; state: string; heard_at: string | null }[];
}

export function deviceCalls({ all, request }: Calls) {
  return {
    /** Of all nodes as far as a page can hold them; of one node all. */
    cameras: (node: string | null = null) => all<Camera>("/cameras", node),
    devices: () => all<Device>("/devices"),
    presets: (id: string) => request<Page<Preset>>("GET", `/cameras/${encodeURIComponent(id)}/presets`),
    turn: (id: string, order: PtzOrder) => request<void>("POST", `/cameras/${encodeURIComponent(id)}/ptz`, order),
    /** `nonce`: another picture, not the browser's copy of the last. */
    pictureUrl: (id: string, reason: string, nonce: number) =>
      `${BASE}/cameras/${encodeURIComponent(id)}/snapshot.jpg` + query({ reason, nonce: String(nonce) }),
    arming: () => request<ArmingState>("GET", "/arming"),
    arm: (order: ArmingOrder) => request<ArmingState>("PUT", "/arming", order),
    discover: (ranges: string[] = []) =>
      request<Page<FoundDevice>>("POST", "/discovery", { timeout: SEARCH_S, ...(ranges.length > 0 ? { ranges } : {}) }, {}, ENROL_MS),
    /** With `channels: "all"` the answer is a list. */
    enrol: (camera: NewCamera, key: string) =>
      request<Camera | Page<Camera>>("POST", "/cameras", camera, { "Idempotency-Key": key }, ENROL_MS),
    changeCamera: (id: string, change: CameraChange) => request<Camera>("PATCH", `/cameras/${encodeURIComponent(id)}`, change, {}, ENROL_MS),
    removeCamera: (id: string) => request<void>("DELETE", `/cameras/${encodeURIComponent(id)}`),
    /** Those that refused their password are asked once more, and the file is read anew. */
    retryCameras: () => request<unknown>("POST", "/reload", { retry: true }, {}, ENROL_MS),
    addTerminal: (terminal: TerminalChange & { id: string }) => request<Terminal>("POST", "/terminals", terminal),
    changeTerminal: (id: string, change: TerminalChange) => request<Terminal>("PATCH", `/terminals/${encodeURIComponent(id)}`, change),
    replaceTerminal: (id: string, by: string) => request<Terminal>("POST", `/terminals/${encodeURIComponent(id)}/replacement`, { id: by }),
    removeTerminal: (id: string) => request<void>("DELETE", `/terminals/${encodeURIComponent(id)}`),
    terminal: (id: string) => request<Terminal>("GET", `/terminals/${encodeURIComponent(id)}`),
    trials: () => request<Page<Trial>>("GET", "/test-runs"),
    trial: (id: string) => request<Trial>("GET", `/test-runs/${encodeURIComponent(id)}`),
    startTrial: (order: { name: string; areas: string[]; until: string }) => request<Trial>("POST", "/test-runs", order),
    endTrial: (id: string) => request<Trial>("POST", `/test-runs/${encodeURIComponent(id)}/end`),
    trialTableUrl: (id: string) => `${BASE}/test-runs/${encodeURIComponent(id)}?format=csv`,
    terminals: (node: string | null = null) => all<Terminal>("/terminals", node),
    nodes: () => all<Node>("/nodes"),
  };
}
