import { onScopeDispose, ref, watch, type Ref } from "vue";

/** Somebody who looks up another window comes back within this; a camera is not watched longer for nobody. */
const HIDDEN_MS = 30_000;
const OFF_SCREEN_MS = 10_000;

/** Whether anybody can see an element: false once the page has been hidden, or the element out of view, for a while. */
export function useSeen(element: Ref<HTMLElement | null>) {
  const seen = ref(true);
  let inView = true;
  let timer: number | undefined;

  function consider(): void {
    clearTimeout(timer);
    timer = undefined;
    if (inView && !document.hidden) seen.value = true;
    else timer = window.setTimeout(() => { seen.value = false; }, document.hidden ? HIDDEN_MS : OFF_SCREEN_MS);
  }

  const observer = new IntersectionObserver((entries) => {
    const now = entries[entries.length - 1]?.isIntersecting ?? true;
    if (now === inView) return;
    inView = now;
    consider();
  });
  watch(element, (next, _, onCleanup) => {
    if (next === null) return;
    observer.observe(next);
    onCleanup(() => observer.unobserve(next));
  }, { immediate: true });
  document.addEventListener("visibilitychange", consider);
  onScopeDispose(() => {
    clearTimeout(timer);
    observer.disconnect();
    document.removeEventListener("visibilitychange", consider);
  });
  return seen;
}
