const STORAGE_KEY = "gateway.reloaded-for";
const DEADLINE_MS = 5_000;
const ENTRY = /<script[^>]+src="([^"]+)"/;

/** The build of these pages that the node now serves, where it is another than the one that runs here. A node that does
 * not answer is no newer one: reloading then would take the desk away. */
export async function newerBuild(): Promise<string | null> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), DEADLINE_MS);
  try {
    const answer = await fetch("/", { cache: "no-store", headers: { Accept: "text/html" }, signal: controller.signal });
    if (!answer.ok) return null;
    const newest = ENTRY.exec(await answer.text())?.[1] ?? "";
    const running = document.querySelector<HTMLScriptElement>("script[type=module][src]");
    return newest !== "" && running !== null && newest !== running.getAttribute("src") ? newest : null;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}

/** Load the pages anew, once for each build: what stands between may serve the old index for ever. */
export function reloadOnce(build: string): boolean {
  try {
    if (sessionStorage.getItem(STORAGE_KEY) === build) return false;
    sessionStorage.setItem(STORAGE_KEY, build);
  } catch {
    return false; // without a memory there is nothing to keep it from going round
  }
  location.reload();
  return true;
}
