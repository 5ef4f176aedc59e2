import { REFUSALS } from "./refusals";
import type { MessageKey } from "./zh";

/** The gateway gives reasons as English sentences; those that it gives often have a translation. The first that fits speaks. */
const KNOWN: readonly (readonly [RegExp, MessageKey])[] = [
  [/^its node \S+ is \w+; it was /, "reason.node"],
  [/^flapping: /, "reason.flapping"],
  [/^the (press|signal) came late: /, "reason.late"],
  [/^the box was restarted before /, "reason.restarted"],
  [/^camera \S+ sends \S+, of which no clip is made$/, "reason.codec"],
  [/^no video is kept for clips: /, "reason.nothing_kept"],
  [/^no video of camera \S+ from that time is kept$/, "reason.no_video"],
  [/^(no|its) video worker|^the video worker (did|does) not answer/, "reason.worker"],
  [/^a (clip|picture) could not be stored /, "reason.disk"],
  [/^no picture came from the camera$/, "reason.no_picture"],
  [/^no picture from before the press was kept$/, "reason.no_picture_before"],
  [/ answered \S+ with 401\b| refuses the user name or the password/, "reason.login"],
  [/ wants a user name and a password, and none is configured| does not answer \S+ without a login/, "reason.no_login"],
  [/ to this user, although the password is right/, "reason.no_right"],
  [/ and its clock is .* which may be why; | for the time in it; set its clock/, "reason.clock"],
  [/^its clock is .*; set it\b/, "reason.clock_off"],
  [/ has no events service/, "reason.no_events"],
  [/ says that the user is locked out /, "reason.locked"],
  [/^no camera may stand inside /i, "reason.forbidden_place"],
  [/^there is a camera \S+ already/i, "reason.id_taken"],
  [/ is enrolled as camera /, "reason.enrolled"],
  [/ answered \S+ with (429|453|503)\b| has no place for another viewer/, "reason.full"],
  [/ answered \S+ with (404|403)\b/, "reason.not_there"],
  [/ answered \S+ with \d/, "reason.refused"],
  [/ cannot be connected\b| did not accept a connection | did not take the connection for | cannot be reached for /, "reason.unreachable"],
  [/ agree on no TLS | does not speak TLS\b/, "reason.tls"],
  [/ did not answer \S+ within | gave no stream within | answers too slowly | was not inspected within /, "reason.mute"],
  [/ sent no video for .* after PLAY;/, "reason.no_video_after_play"],
  [/ sent no video for /, "reason.silent"],
  [/ sent video without a usable keyframe /, "reason.no_keyframe"],
  [/ offers no video\b/, "reason.sound_only"],
  [/ offers video as /, "reason.offered_codec"],
  [/ sent something that is not RTSP/, "reason.not_rtsp"],
  [/ redirects /, "reason.redirected"],
  [/ answered \S+ with (a (web|log-in) page|nothing|something that is no |XML )/, "reason.not_onvif"],
  [/ (ended the stream|ended the session|broke the stream off|broke the connection|closed the connection|broke off its answer|reset the connection)\b/, "reason.broken_off"],
  [/^A household's camera opens only /i, "reason.household"],
  [/ has B-frames, which browsers /, "reason.b_frames"],
  [/ is H\.265, which many browsers | is \S+, which WebRTC does not carry/, "reason.not_spoken"],
  [/ offer has no H\.264\b/, "reason.no_h264"],
  [/ live views are open, and no more | live views open, and the others | as many live views as it may |it shows \d+ live views to /, "reason.live_full"],
  [/ is not connected to this node now/, "reason.live_below"],
  [/ (showed|has shown|has sent) nothing (within|for) | has shown no picture yet/, "reason.live_nothing"],
  [/live views cannot be shown: their process | live process (did|does) not answer| live process broke off/, "reason.live_process"],
  [/no UDP port for a live view /, "reason.live_ports"],
  [/this alert is closed and more than a day old/, "reason.history"],
  [/query\.reason: say why you look/, "reason.why"],
  [/ has no way to the cameras of the nodes below/, "reason.live_below"],
  [/^This node (shows no live views|watches no cameras)/, "reason.no_cameras"],
];

/** `values`: what of the sentence is said again. */
export function knownReason(sentence: string): { key: MessageKey; values: Record<string, string> } | null {
  for (const [pattern, key] of [...KNOWN, ...REFUSALS]) {
    const found = pattern.exec(sentence);
    if (found !== null) return { key, values: { ...found.groups } };
  }
  return null;
}
