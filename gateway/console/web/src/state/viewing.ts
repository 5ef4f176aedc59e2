import { computed, ref, watch } from "vue";
import { isOpen, type Alert } from "../api/types";
import { useConsole } from "./console";

/** An alert is history when it is over and older than this: the service then wants to know why somebody looks. */
const HISTORY_AFTER_MS = 24 * 3_600_000;

export function isHistory(alert: Alert, now: number): boolean {
  return !isOpen(alert) && now - Date.parse(alert.raised_at) > HISTORY_AFTER_MS;
}

/** Why somebody looks at the pictures of an alert that is history; of others no reason is asked. */
export function useViewingReason(alert: () => Alert | null) {
  const desk = useConsole();
  const reason = ref("");
  const needed = computed(() => {
    const found = alert();
    return found !== null && isHistory(found, desk.clock.now.value);
  });
  watch(() => alert()?.id, () => { reason.value = ""; });

  return {
    reason,
    /** Pictures and video may be asked for. */
    open: computed(() => !needed.value || reason.value !== ""),
    url: (path: string) => (reason.value === "" || path === "" ? path : `${path}?reason=${encodeURIComponent(reason.value)}`),
  };
}
