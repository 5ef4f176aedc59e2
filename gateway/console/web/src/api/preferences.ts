import type { Calls } from "./request";

export function preferenceCalls({ request }: Calls) {
  return {
    preferences: () => request<{ items: Record<string, unknown> }>("GET", "/preferences"),
    keepPreference: (name: string, value: unknown) => request<void>("PUT", `/preferences/${encodeURIComponent(name)}`, value),
    forgetPreference: (name: string) => request<void>("DELETE", `/preferences/${encodeURIComponent(name)}`),
  };
}
