import { onScopeDispose, ref } from "vue";

interface DocumentPictureInPicture {
  requestWindow(options: { width: number; height: number }): Promise<Window>;
}

function factory(): DocumentPictureInPicture | null {
  return (window as unknown as { documentPictureInPicture?: DocumentPictureInPicture }).documentPictureInPicture ?? null;
}

/**
 * A small window above all others, with the whole element in it. A browser's own picture in picture takes the bare video and
 * leaves watermark and masks behind: it is not offered.
 */
export function useFloating() {
  const floating = ref(false);
  let opened: Window | null = null;

  async function float(element: HTMLElement): Promise<void> {
    const maker = factory();
    const home = element.parentElement;
    if (maker === null || home === null) return;
    const box = element.getBoundingClientRect();
    const other = await maker.requestWindow({ width: Math.round(box.width) || 640, height: Math.round(box.height) || 400 });
    opened = other;
    for (const sheet of document.querySelectorAll('link[rel="stylesheet"], style')) other.document.head.append(sheet.cloneNode(true));
    for (const { name, value } of document.documentElement.attributes) other.document.documentElement.setAttribute(name, value);
    other.document.body.append(element);
    floating.value = true;
    resume(element);
    other.addEventListener("pagehide", () => {
      home.append(element);
      floating.value = false;
      opened = null;
      resume(element);
    });
  }

  onScopeDispose(() => opened?.close());
  return { floating, available: factory() !== null, float, leave: () => opened?.close() };
}

/** A video that is moved to another document stands still. */
function resume(element: HTMLElement): void {
  void element.querySelector("video")?.play().catch(() => undefined);
}
