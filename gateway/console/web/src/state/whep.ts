import type { Client } from "../api/client";
import type { StreamName } from "../api/live";

/** Host candidates are gathered in a few milliseconds; an interface that stalls is not waited for. */
const GATHERING_MS = 200;

export interface WhepOptions {
  client: Client;
  cameraId: string;
  reason: string;
  stream: StreamName;
  /** The line is dead; the view has to be opened anew. */
  onLost: () => void;
}

export type Whep = Awaited<ReturnType<typeof openWhep>>;

export interface LiveFigures {
  frames: number;
  bytes: number;
  lost: number;
  packets: number;
  /** Seconds that frames wait to be shown, summed over `emitted`. */
  waited: number;
  emitted: number;
  codec: string | null;
  width: number;
  height: number;
}

export function browserHasWebRtc(): boolean {
  return typeof RTCPeerConnection !== "undefined";
}

/** One view by WHEP, receiving only, without STUN: nothing is asked outside the network. Raises Problem. */
export async function openWhep(options: WhepOptions) {
  const { client, onLost } = options;
  const peer = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
  const stream = new MediaStream();
  let location: string | null = null;
  let closed = false;

  function close(): void {
    if (closed) return;
    closed = true;
    peer.close();
    if (location !== null) client.endWhep(location);
  }

  peer.addEventListener("track", (event) => stream.addTrack(event.track));
  peer.addEventListener("connectionstatechange", () => {
    if (!closed && (peer.connectionState === "failed" || peer.connectionState === "closed")) onLost();
  });
  const { receiver } = peer.addTransceiver("video", { direction: "recvonly" });
  soonest(receiver);

  try {
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    const answer = await client.whep(options.cameraId, options.reason, options.stream, peer.localDescription?.sdp ?? "");
    location = answer.location;
    await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    return { stream, close, start: answer.start, codec: answer.codec, figures: () => figuresOf(peer) };
  } catch (error) {
    close();
    throw error;
  }
}

/** An alarm is looked at as it happens: no buffer for smoothness. Older browsers know the second name. */
function soonest(receiver: RTCRtpReceiver): void {
  const held = receiver as RTCRtpReceiver & { jitterBufferTarget?: number | null; playoutDelayHint?: number | null };
  if ("jitterBufferTarget" in held) held.jitterBufferTarget = 0;
  else if ("playoutDelayHint" in held) (held as { playoutDelayHint: number }).playoutDelayHint = 0;
}

async function gathered(peer: RTCPeerConnection): Promise<void> {
  if (peer.iceGatheringState === "complete") return;
  await new Promise<void>((done) => {
    const timer = setTimeout(done, GATHERING_MS);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      done();
    });
  });
}

async function figuresOf(peer: RTCPeerConnection): Promise<LiveFigures | null> {
  if (peer.connectionState === "closed") return null;
  const report = await peer.getStats();
  const found: LiveFigures = { frames: 0, bytes: 0, lost: 0, packets: 0, waited: 0, emitted: 0, codec: null, width: 0, height: 0 };
  report.forEach((one: Record<string, unknown> & { type: string }) => {
    if (one.type !== "inbound-rtp" || one.kind !== "video") return;
    const number = (key: string) => (typeof one[key] === "number" ? (one[key] as number) : 0);
    found.frames = number("framesDecoded");
    found.bytes = number("bytesReceived");
    found.lost = number("packetsLost");
    found.packets = number("packetsReceived");
    found.waited = number("jitterBufferDelay");
    found.emitted = number("jitterBufferEmittedCount");
    found.width = number("frameWidth");
    found.height = number("frameHeight");
    const codec = typeof one.codecId === "string" ? (report.get(one.codecId) as { mimeType?: string } | undefined) : undefined;
    found.codec = codec?.mimeType?.replace(/^video\//, "") ?? null;
  });
  return found;
}
