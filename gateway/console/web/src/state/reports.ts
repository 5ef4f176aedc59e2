/** Spans and words of reports. Pure. */

export const LENGTHS = ["month", "quarter", "year"] as const;
export type Length = (typeof LENGTHS)[number];

const MONTHS: Record<Length, number> = { month: 1, quarter: 3, year: 12 };
const two = (value: number) => String(value).padStart(2, "0");

/** `2026-11` → that month's first day and its last, or those of the quarter or the year that it lies in. */
export function spanOf(month: string, length: Length): { from: string; to: string } | null {
  const parts = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(month);
  if (parts === null) return null;
  const year = Number(parts[1]);
  const first = Math.floor((Number(parts[2]) - 1) / MONTHS[length]) * MONTHS[length];
  const last = new Date(Date.UTC(year, first + MONTHS[length], 0));
  return { from: `${year}-${two(first + 1)}-01`, to: `${last.getUTCFullYear()}-${two(last.getUTCMonth() + 1)}-${two(last.getUTCDate())}` };
}

/** The month so many spans later. */
export function shifted(month: string, length: Length, by: number): string {
  const [year = 1970, number = 1] = month.split("-").map(Number);
  const at = new Date(Date.UTC(year, number - 1 + by * MONTHS[length], 1));
  return `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}`;
}

export function monthOf(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}`;
}

/** Two digits, cut and not rounded: 97.999 % is not the 98 % that is asked for. */
export function percent(rate: number | null): string {
  return rate === null ? "–" : `${(Math.floor(rate * 10_000 + 1e-6) / 100).toFixed(2)}%`;
}

export function hours(seconds: number): string {
  const value = seconds / 3600;
  return String(value < 10 ? Math.round(value * 100) / 100 : Math.round(value));
}

/** A response time in the largest unit that says enough. */
export function took(seconds: number | null): string {
  if (seconds === null) return "–";
  if (seconds < 120) return `${Math.round(seconds * 10) / 10} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
