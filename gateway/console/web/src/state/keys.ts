import { computed, onScopeDispose, ref, shallowRef } from "vue";
import type { MessageKey } from "../i18n";
import { useConsole } from "./console";

export type KeyGroup = "list" | "chosen" | "alert" | "pages" | "always";

/**
 * One thing that keys do. `keys`: each a way to it, as `KeyboardEvent.key` says it in lower case (`a`, `/`, `arrowdown`), with
 * `shift+` before keys that are no characters, or two in a row (`g m`). `when`: is it possible just now?
 */
export interface Binding {
  keys: readonly string[];
  does: MessageKey;
  group: KeyGroup;
  when?: (target: HTMLElement) => boolean;
  run: (event: KeyboardEvent) => void;
}

export type Keys = ReturnType<typeof createKeys>;

/** How long the second key of a pair is waited for. */
const PAIR_MS = 1_500;
/** Places where letters are text, and what is asked there comes first. */
const TYPING = "input:not([type=checkbox]):not([type=radio]):not([type=button]), textarea, select, [contenteditable=true], dialog";

/** The one keyboard handler of the page and its table: what is registered last goes first. */
export function createKeys(lettersOff: () => boolean) {
  const table = shallowRef<readonly Binding[]>([]);
  const helpShown = ref(false);
  let first: { key: string; at: number } | null = null;

  function find(name: string, target: HTMLElement): Binding | undefined {
    return [...table.value].reverse().find((binding) => binding.keys.includes(name) && (binding.when === undefined || binding.when(target)));
  }

  function onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (document.querySelector("dialog[open]") !== null) return; // also with the focus on none of what it asks
    const on = event.target instanceof HTMLElement ? event.target : document.body;
    const target = on.closest("dialog:not([open])") === null ? on : document.body; // a closed one keeps the focus until the next frame
    const name = nameOf(event);
    if (target.closest(TYPING) !== null || ["shift", "control", "alt", "meta"].includes(name)) return;
    if (lettersOff() && event.key.length === 1 && name !== "?" && name !== " ") return;
    const before = first !== null && performance.now() - first.at < PAIR_MS ? first.key : null;
    first = null;
    const found = (before === null ? undefined : find(`${before} ${name}`, target)) ?? find(name, target);
    if (found !== undefined) {
      event.preventDefault();
      found.run(event);
    } else if (table.value.some((binding) => binding.keys.some((key) => key.startsWith(`${name} `)))) {
      first = { key: name, at: performance.now() };
    }
  }

  addEventListener("keydown", onKey);
  onScopeDispose(() => removeEventListener("keydown", onKey));

  return {
    helpShown,
    /** Those that came first on top. */
    all: computed(() => table.value),
    /** Returns what takes them out again. */
    register(bindings: readonly Binding[]): () => void {
      table.value = [...table.value, ...bindings];
      return () => {
        table.value = table.value.filter((binding) => !bindings.includes(binding));
      };
    },
  };
}

/** While the component that asks is shown. */
export function useKeys(bindings: readonly Binding[]): void {
  onScopeDispose(useConsole().keys.register(bindings));
}

function nameOf(event: KeyboardEvent): string {
  const key = event.key.toLowerCase();
  return event.shiftKey && (event.key === " " || event.key.length > 1) ? `shift+${key}` : key;
}
