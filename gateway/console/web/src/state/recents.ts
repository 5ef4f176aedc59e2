import type { ActionRequest, Alert } from "../api/types";
import { useConsole } from "./console";
import { usePreference } from "./preferences";

const KEPT = 12;
const OFFERED = 24;

interface Kept { people: string[]; departments: string[] }

/** Whom somebody sends and assigns: those of late first, then those who are seen at work here. */
export function useRecents() {
  const desk = useConsole();
  const kept = usePreference<Kept>("recents", { people: [], departments: [] }, acceptable);

  return {
    people: (alert: Alert) => offered([
      ...kept.value.people,
      desk.session.value?.user,
      ...(alert.entries ?? []).filter((entry) => !entry.actor.includes("/") && entry.actor !== "gateway").map((entry) => entry.actor),
      ...desk.alerts.open.value.map((one) => one.assignee),
    ]),
    departments: (alert: Alert) => offered([
      alert.detail.case?.department,
      ...kept.value.departments,
      ...desk.alerts.open.value.map((one) => one.detail.case?.department),
    ]),
    remember({ assignee, department }: ActionRequest): void {
      if ((assignee === undefined && department === undefined) || !desk.preferences.loaded.value) return;
      kept.value = { people: newest(assignee, kept.value.people), departments: newest(department, kept.value.departments) };
    },
  };
}

function newest(name: string | undefined, names: string[]): string[] {
  return name === undefined ? names : [name, ...names.filter((one) => one !== name)].slice(0, KEPT);
}

function offered(names: (string | null | undefined)[]): string[] {
  return [...new Set(names.filter((name): name is string => typeof name === "string" && name !== ""))].slice(0, OFFERED);
}

function acceptable(value: unknown): boolean {
  const found = value as Partial<Kept>;
  return [found.people, found.departments].every((list) => Array.isArray(list) && list.every((name) => typeof name === "string"));
}
