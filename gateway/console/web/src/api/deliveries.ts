import { query } from "./request";
import type { Calls } from "./request";
import type { BooksCompared, Delivery, Page, Sink } from "./types";

/** Two nodes compare their books over a line that may be slow. */
const RECONCILE_MS = 120_000;

export function deliveryCalls({ request }: Calls) {
  return {
    sinks: () => request<Page<Sink>>("GET", "/sinks"),
    deliveries: (parked: boolean, cursor: string | null) =>
      request<Page<Delivery> & { reconciliation: BooksCompared[] }>("GET", "/deliveries" + query({ parked: parked ? "true" : null, cursor })),
    resend: (id: number) => request<void>("POST", `/deliveries/${id}/resend`),
    discard: (id: number, reason: string) => request<void>("DELETE", `/deliveries/${id}` + query({ reason })),
    reconcile: () => request<{ items: BooksCompared[] }>("POST", "/deliveries/reconcile", {}, {}, RECONCILE_MS),
  };
}
