import { nextTick, type Directive } from "vue";

/** Takes the focus when it is shown. The `autofocus` attribute does so once in the life of a document, and when a dialog opens. */
export const vFocus: Directive<HTMLElement> = { mounted: (element) => element.focus() };

/** What had the focus is about to go: it passes to the first of `wanted` within `root` that is there then, else to `root`. */
export async function passFocus(root: HTMLElement | null, ...wanted: string[]): Promise<void> {
  await nextTick();
  const next = wanted.map((one) => root?.querySelector<HTMLElement>(one)).find((found) => found != null);
  (next ?? root)?.focus();
}
