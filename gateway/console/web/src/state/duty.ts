import { ref, watch } from "vue";
import type { Alert } from "../api/types";
import type { I18n } from "../i18n";
import type { Alerts } from "./alerts";
import type { Flood } from "./flood";
import { createNotifier } from "./notify";
import type { Preferences } from "./preferences";
import { alertHref } from "./route";
import type { Sound } from "./sound";

/** How often a flood is put into words again, for those who listen to the page. */
const FLOOD_WORDS_MS = 10_000;
const FLOOD_ID = "flood";

export interface SoundPreference {
  volume: number;
  quietest: number;
}

export function soundPreference(value: unknown): SoundPreference {
  const found = (typeof value === "object" && value !== null ? value : {}) as Partial<SoundPreference>;
  const volume = typeof found.volume === "number" && found.volume >= 0.1 && found.volume <= 1 ? found.volume : 1;
  const quietest = [1, 2, 3, 4].includes(found.quietest ?? 0) ? (found.quietest as number) : 3;
  return { volume, quietest };
}

export type Duty = ReturnType<typeof createDuty>;

/** How new alerts reach whoever is on duty: words for the page's live region, sound, notifications of the desktop. */
export function createDuty(parts: { i18n: I18n; sound: Sound; flood: Flood; preferences: Preferences }) {
  const { i18n, sound, flood, preferences } = parts;
  const announcement = ref("");
  const notifier = createNotifier((id) => {
    location.hash = id === FLOOD_ID ? "#/alerts" : alertHref(id);
  });
  let spokenAt = -Infinity;

  function words(alert: Alert): string {
    return i18n.t("alerts.announce", {
      severity: i18n.word("severity", alert.severity),
      kind: i18n.word("kind", alert.kind),
      who: alert.source.name ?? alert.source.id,
      where: alert.place.address ?? i18n.t("detail.where.none"),
    });
  }

  function announce(fresh: Alert[]): void {
    const [first] = fresh;
    if (first === undefined) return;
    flood.note(fresh.filter((alert) => alert.status === "actual"));
    if (!flood.active.value) announcement.value = fresh.length > 1 ? i18n.t("alerts.announce.many", { count: fresh.length }) : words(first);
    else if (performance.now() - spokenAt > FLOOD_WORDS_MS) {
      spokenAt = performance.now();
      announcement.value = i18n.t("flood.announce", { count: flood.recent.value });
    }
    if (sound.onDuty.value) notify(fresh);
  }

  function notify(fresh: readonly Alert[]): void {
    if (flood.active.value) {
      notifier.tell({ id: FLOOD_ID, title: i18n.t("flood.title"), body: i18n.t("flood.announce", { count: flood.recent.value }) });
      return;
    }
    for (const alert of fresh) {
      if (alert.status !== "actual" || alert.severity > sound.quietest.value) continue;
      const title = `${i18n.word("severity", alert.severity)} ${i18n.word("kind", alert.kind)} · ${alert.source.name ?? alert.source.id}`;
      notifier.tell({ id: alert.id, title, body: alert.place.address ?? i18n.t("detail.where.none") });
    }
  }

  /** Follow the list, once it is there: what is taken, here or elsewhere, is quiet and leaves the desktop. */
  function follow(alerts: Alerts): void {
    watch(alerts.unacknowledged, (waiting) => {
      sound.hear(waiting.map(({ id, severity }) => ({ id, severity })));
      notifier.keep(new Set([...waiting.map((alert) => alert.id), ...(flood.active.value ? [FLOOD_ID] : [])]));
    });
  }

  watch(flood.active, (now) => {
    sound.flood.value = now;
    if (!now) notifier.close(FLOOD_ID);
  });
  watch(() => soundPreference(preferences.items.value.sound), (wanted) => {
    sound.volume.value = wanted.volume;
    sound.quietest.value = wanted.quietest;
  });
  watch(sound.onDuty, (now) => {
    if (now) void notifier.ask();
  });

  return {
    announcement,
    notifier,
    announce,
    follow,
    clear(): void {
      announcement.value = "";
      notifier.keep(new Set());
      flood.clear();
      sound.hear([]);
    },
  };
}
