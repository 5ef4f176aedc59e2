import type { MapPoint } from "../api/map";

/** Shapes in a box of 20 by 20: each kind, and each severity, has its own, so that colour is never alone. */
const ALERTS: Record<string, string> = {
  "1": "M6.3 1h7.4L19 6.3v7.4L13.7 19H6.3L1 13.7V6.3z",
  "2": "M10 1.5 19.5 18H.5z",
  "3": "M10 .8 19.2 10 10 19.2.8 10z",
  "4": "M10 1.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z",
};
const CAMERA = "M2 6h11v8H2zM13 9l5-3v8l-5-3z";
const HOUSE = "M10 2 18.5 9.5H16V18h-4.5v-5h-3v5H4V9.5H1.5z";
const CROSS = "M12 12l7 7M19 12l-7 7";
const RING = "M15.5 12.5a3 3 0 1 1 0 6 3 3 0 0 1 0-6z";

export interface Glyph {
  shape: string;
  /** Beside the shape: a cross for what is broken, a ring for what is not known. */
  badge: string | null;
  letter: string | null;
}

export function glyphOf(kind: MapPoint["kind"], state: string): Glyph {
  if (kind === "alert") return { shape: ALERTS[state] ?? (ALERTS["4"] as string), badge: null, letter: state };
  return { shape: kind === "camera" ? CAMERA : HOUSE, badge: broken(state) ? CROSS : state === "online" ? null : RING, letter: null };
}

export function broken(state: string): boolean {
  return state === "offline" || state === "auth_failed";
}

/** A class that says how it is coloured; the style sheets of the panel know them. */
export function toneOf(kind: MapPoint["kind"], state: string): string {
  if (kind === "alert") return `alert s${state}`;
  return `${kind} ${broken(state) ? "broken" : state === "online" ? "sound" : "unsure"}`;
}

const SVG = "http://www.w3.org/2000/svg";

export function glyphElement(kind: MapPoint["kind"], state: string): SVGSVGElement {
  const { shape, badge, letter } = glyphOf(kind, state);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  svg.append(path(shape, "shape"));
  if (badge !== null) svg.append(path(badge, "badge"));
  if (letter !== null) {
    const text = document.createElementNS(SVG, "text");
    text.setAttribute("x", "10");
    text.setAttribute("y", letter === "2" ? "15.5" : "14");
    text.setAttribute("text-anchor", "middle");
    text.textContent = letter;
    svg.append(text);
  }
  return svg;
}

function path(d: string, name: string): SVGPathElement {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("d", d);
  made.setAttribute("class", name);
  return made;
}
