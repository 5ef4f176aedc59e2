/** Pure text forms of times and offsets, in the browser's own time zone. */

const two = (value: number) => String(value).padStart(2, "0");

export function clockTime(at: Date): string {
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function dayTime(text: string | null, now: number): string {
  const at = parse(text);
  if (at === null) return "–";
  const today = new Date(now);
  const sameDay = at.toDateString() === today.toDateString();
  if (sameDay) return clockTime(at);
  const day = `${two(at.getMonth() + 1)}-${two(at.getDate())} ${clockTime(at)}`;
  return at.getFullYear() === today.getFullYear() ? day : `${at.getFullYear()}-${day}`;
}

/** With hundredths: what a picture's or a receipt's moment needs. */
export function exactTime(text: string | null): string {
  const at = parse(text);
  return at === null ? "–" : `${clockTime(at)}.${String(Math.floor(at.getMilliseconds() / 10)).padStart(2, "0")}`;
}

export function fullTime(text: string | null): string {
  const at = parse(text);
  if (at === null) return "–";
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clockTime(at)}`;
}

/** −4720 → "−4.72", 30 → "+0.03", 0 → "0.00": seconds from the press, true minus sign. */
export function offsetSeconds(ms: number): string {
  const text = (Math.abs(ms) / 1000).toFixed(2);
  if (text === "0.00") return text;
  return (ms < 0 ? "−" : "+") + text;
}

/** −5000 → "−5", 0 → "0", 2500 → "+2.5". */
export function wantedSeconds(ms: number): string {
  if (ms === 0) return "0";
  return (ms < 0 ? "−" : "+") + String(Math.abs(ms) / 1000);
}

export type Age = { unit: "seconds" | "minutes" | "hours" | "days"; count: number };

export function age(text: string, now: number): Age {
  const seconds = Math.max(0, Math.floor((now - Date.parse(text)) / 1000));
  if (seconds < 60) return { unit: "seconds", count: seconds };
  if (seconds < 3600) return { unit: "minutes", count: Math.floor(seconds / 60) };
  if (seconds < 86_400) return { unit: "hours", count: Math.floor(seconds / 3600) };
  return { unit: "days", count: Math.floor(seconds / 86_400) };
}

/** How far a clock is off, in the largest unit that says enough. */
export function span(seconds: number): Age {
  const size = Math.abs(seconds);
  if (size < 100) return { unit: "seconds", count: Math.round(size) };
  if (size < 6000) return { unit: "minutes", count: Math.round(size / 60) };
  if (size < 172_800) return { unit: "hours", count: Math.round(size / 3600) };
  return { unit: "days", count: Math.round(size / 86_400) };
}

/** The value of an `<input type="datetime-local">`, in the browser's own time zone. */
export function localInput(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

function parse(text: string | null): Date | null {
  if (text === null) return null;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? null : at;
}
