import { BASE, query } from "./request";
import type { Calls } from "./request";

export type RegisterKind = "cameras" | "terminals";

/** What a table does to a register; of each list the first 500. */
export interface RegisterImport {
  token: string | null;
  expires_in: number | null;
  counts: { added: number; changed: number; same: number; refused: number; warnings: number };
  added: { line: number; id: string; name: string | null; at: string | null }[];
  changed: { line: number; id: string; name: string | null; fields: { key: string; before: string; after: string }[] }[];
  refused: { line: number; id: string | null; reason: string }[];
  warnings: { line: number | null; id: string | null; text: string }[];
  kept_columns: string[];
  withheld: string | null;
}

/** Thousands of rows are read, looked at and written in seconds, not at once. */
const TABLE_MS = 120_000;

export function registerCalls({ exchange, request }: Calls) {
  return {
    /** Nothing is written. */
    previewTable: (kind: RegisterKind, file: File, how: { coordinates: string; whole: boolean }) =>
      exchange<RegisterImport>(
        "POST", `/${kind}/import` + query({ name: file.name.slice(0, 128), coordinates: how.coordinates, whole: String(how.whole) }), file,
        { Accept: "application/json", "Content-Type": "application/octet-stream" }, TABLE_MS, async (response) => (await response.json()) as RegisterImport,
      ),
    takeTable: (kind: RegisterKind, token: string) => request<RegisterImport>("POST", `/${kind}/import/${encodeURIComponent(token)}`, {}, {}, TABLE_MS),
    refusedTableUrl: (kind: RegisterKind, token: string, form: string) => `${BASE}/${kind}/import/${encodeURIComponent(token)}/refused.${form}`,
    registerUrl: (kind: RegisterKind, form: string, headers: string) => `${BASE}/${kind}/export.${form}` + query({ headers }),
    templateUrl: (kind: RegisterKind, form: string, headers: string) => `${BASE}/${kind}/template.${form}` + query({ headers }),
    /** Of one device; lists are without it. */
    recordOf: async (kind: RegisterKind, id: string) =>
      (await request<{ record?: Record<string, string> }>("GET", `/${kind}/${encodeURIComponent(id)}`)).record ?? {},
  };
}
