import { onScopeDispose, ref } from "vue";

export type Route = { page: "alerts"; alert: string | null } | { page: "cameras" } | { page: "terminals" };

export function parseRoute(hash: string): Route {
  const [page, id] = hash.replace(/^#\/?/, "").split("/");
  if (page === "cameras" || page === "terminals") return { page };
  return { page: "alerts", alert: id === undefined || id === "" ? null : safeDecode(id) };
}

export function alertHref(id: string): string {
  return `#/alerts/${encodeURIComponent(id)}`;
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
