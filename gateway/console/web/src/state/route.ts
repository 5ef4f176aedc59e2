import { onScopeDispose, ref } from "vue";

const PAGES = ["alerts", "wall", "map", "tasks", "nodes", "cameras", "terminals", "deliveries", "audit", "handover", "users", "figures", "upkeep", "screen", "report"] as const;
export type PageName = (typeof PAGES)[number];
/** `id`: what of the page is open, e.g. an alert's id. */
export type Route = { page: PageName; id: string | null };

export function parseRoute(hash: string): Route {
  const [page, id] = hash.replace(/^#\/?/, "").split("/");
  const known = PAGES.find((name) => name === page) ?? "alerts";
  return { page: known, id: id === undefined || id === "" ? null : safeDecode(id) };
}

export function hrefTo(page: PageName, id: string | null = null): string {
  return id === null ? `#/${page}` : `#/${page}/${encodeURIComponent(id)}`;
}

export function alertHref(id: string): string {
  return hrefTo("alerts", id);
}

export function useRoute() {
  const route = ref<Route>(parseRoute(location.hash));
  const follow = () => {
    route.value = parseRoute(location.hash);
  };
  addEventListener("hashchange", follow);
  onScopeDispose(() => removeEventListener("hashchange", follow));
  return route;
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
