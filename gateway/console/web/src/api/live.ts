import { BASE, query } from "./request";
import type { Calls } from "./request";
import type { Camera, Mask } from "./types";

export type { Mask };

export type StreamName = "sub" | "main";
/** What a WHEP server answered. `start`: `gop` where moving pictures begin at once, `idr` where they wait for the next keyframe. */
export interface WhepAnswer {
  sdp: string;
  /** Of the session, for DELETE. */
  location: string;
  start: "gop" | "idr";
  codec: string | null;
}

/** `at`: when the camera saw it, in ms since the epoch. */
export interface Still {
  picture: Blob;
  at: number | null;
}

/** The gateway waits 8 s for a lower node and its camera. */
const WHEP_MS = 20_000;
const STILL_MS = 35_000;

export function liveCalls({ exchange, request }: Calls) {
  return {
    /** draft-ietf-wish-whep §4.2. Problem 406 or 409: a codec that browsers are not shown; 503: nothing comes from the camera. */
    whep: (id: string, reason: string, stream: StreamName, offer: string) =>
      exchange<WhepAnswer>("POST", `/cameras/${encodeURIComponent(id)}/whep` + query({ reason, stream }), offer, { "Content-Type": "application/sdp", Accept: "application/sdp, application/problem+json" }, WHEP_MS, async (response) => ({
        sdp: await response.text(),
        location: response.headers.get("Location") ?? "",
        start: response.headers.get("Live-Start") === "idr" ? "idr" : "gop",
        codec: response.headers.get("Live-Codec"),
      })),
    /** Also while the page is being left. The server ends a session without it, too, only later. */
    endWhep(location: string): void {
      if (!location.startsWith(`${BASE}/cameras/`)) return;
      void fetch(location, { method: "DELETE", credentials: "same-origin", keepalive: true }).catch(() => undefined);
    },
    still: (id: string, reason: string, stream: StreamName, nonce: number) =>
      exchange<Still>("GET", `/cameras/${encodeURIComponent(id)}/snapshot.jpg` + query({ reason, stream, nonce: String(nonce) }), null, { Accept: "image/jpeg, application/problem+json" }, STILL_MS, async (response) => ({
        picture: await response.blob(),
        at: Date.parse(response.headers.get("Last-Modified") ?? "") || null,
      })),
    setMasks: (id: string, masks: readonly Mask[]) => request<Camera>("PATCH", `/cameras/${encodeURIComponent(id)}`, { masks }),
  };
}
