import type { Calls } from "./request";
import type { Kind } from "./types";

/** `tiles` null: a plain grid. `crs`: what the tiles are drawn in. `center`: longitude and latitude, WGS 84. */
export interface MapSettings {
  tiles: string | null;
  attribution: string;
  max_zoom: number;
  crs: "wgs84" | "gcj02";
  center: [number, number] | null;
  zoom: number;
}

/** `instructions`: by kind of alert, beside what a household says itself. */
export interface ConsoleSettings {
  map: MapSettings;
  instructions: Partial<Record<Kind, string>>;
  version: string;
}

/** What a map shows. `state`: of an alert its severity ("1" to "4"), of a device its state. Positions are WGS 84 degrees. */
export interface MapPoint {
  id: string;
  kind: "alert" | "camera" | "terminal";
  lon: number | null;
  lat: number | null;
  label: string;
  state: string;
  href: string;
  /** An alert that nobody has taken: it pulses. */
  fresh?: boolean;
  /** A few words more, for whoever asks what it is. */
  note?: string | null;
}

/** Where the devices of a node are: an outline of longitudes and latitudes. `state` of the node. */
export interface MapArea {
  id: string;
  label: string;
  state: string;
  around: readonly (readonly [lon: number, lat: number])[];
}

export function mapCalls({ request }: Calls) {
  return {
    consoleSettings: () => request<ConsoleSettings>("GET", "/console"),
  };
}
