import { onScopeDispose, ref } from "vue";

export interface Told {
  id: string;
  title: string;
  body: string;
}

export type Notifier = ReturnType<typeof createNotifier>;

/**
 * Notifications of the desktop, for a console that is behind another window. They come from the page itself: nothing goes
 * through anybody's cloud. A click opens the alert; what somebody has taken disappears.
 */
export function createNotifier(open: (id: string) => void) {
  const supported = typeof Notification !== "undefined" && window.isSecureContext;
  const permission = ref<NotificationPermission>(supported ? Notification.permission : "denied");
  const shown = new Map<string, Notification>();

  function close(id: string): void {
    shown.get(id)?.close();
    shown.delete(id);
  }

  onScopeDispose(() => {
    for (const id of [...shown.keys()]) close(id);
  });

  return {
    supported,
    permission,
    /** Browsers ask the user only after a click: on going on duty. */
    async ask(): Promise<void> {
      if (!supported || permission.value !== "default") return;
      permission.value = await Notification.requestPermission();
    },
    tell(one: Told): void {
      if (permission.value !== "granted" || (document.visibilityState === "visible" && document.hasFocus())) return;
      close(one.id);
      const made = new Notification(one.title, { body: one.body, tag: one.id, requireInteraction: true });
      made.onclick = () => {
        window.focus();
        open(one.id);
        close(one.id);
      };
      shown.set(one.id, made);
    },
    /** Those that still want somebody; the others go. */
    keep(ids: ReadonlySet<string>): void {
      for (const id of [...shown.keys()]) if (!ids.has(id)) close(id);
    },
    close,
  };
}
