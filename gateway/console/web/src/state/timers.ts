import { isOpen, type Alert, type Workflow } from "../api/types";

/** The next step that has a limit. `left`: ms, negative once it is late. */
export interface RowLimit {
  step: string;
  at: number;
  left: number;
  late: boolean;
}

/** What is behind an alert in each state; a list does not say when. */
const DONE: Record<Workflow, readonly string[]> = {
  new: [],
  acknowledged: ["acknowledge", "register"],
  dispatched: ["acknowledge", "register", "dispatch"],
  on_scene: ["acknowledge", "register", "dispatch", "arrive"],
  closed: ["acknowledge", "register", "dispatch", "arrive", "close"],
  cancelled: ["acknowledge", "register", "dispatch", "arrive", "close"],
};
const STEPS: readonly string[] = ["acknowledge", "register", "dispatch", "arrive", "close"];

/** The earliest limit that is still ahead of the alert, as a list shows it; none of what is suspended. */
export function limitOf(alert: Alert, now: number): RowLimit | null {
  if (!isOpen(alert)) return null;
  const filed = alert.detail.case;
  const standing = filed?.suspended_at !== undefined;
  const done = DONE[alert.workflow] ?? [];
  let found: RowLimit | null = null;
  for (const due of [alert.detail.due, standing ? undefined : filed?.due]) {
    for (const [step, said] of Object.entries(due ?? {})) {
      const at = Date.parse(said);
      const passed = done.includes(step) || (due === filed?.due && filed?.done?.[step] !== undefined);
      if (passed || !STEPS.includes(step) || Number.isNaN(at) || (found !== null && found.at <= at)) continue;
      found = { step, at, left: at - now, late: at < now };
    }
  }
  return found;
}

/** 75000 → "1:15", 3725000 → "1:02:05", 2 days → "2 d" in the words of `days`. */
export function countdown(ms: number): string {
  const seconds = Math.floor(Math.abs(ms) / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}
