import { computed, ref } from "vue";
import { en } from "./en";
import { knownReason } from "./reasons";
import { zh, type MessageKey } from "./zh";

export type Language = "zh-CN" | "en";
export type { MessageKey };
export type Translate = (key: MessageKey, values?: Record<string, string | number>) => string;

const STORAGE_KEY = "gateway.language";

export type I18n = ReturnType<typeof createI18n>;

export function createI18n() {
  const language = ref<Language>(stored());
  const dictionary = computed<Record<MessageKey, string>>(() => (language.value === "en" ? en : zh));

  const t: Translate = (key, values = {}) =>
    dictionary.value[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));

  /** For words that come from the server: an unknown one is shown as it is. */
  function word(group: string, value: string | number): string {
    const key = `${group}.${value}`;
    return key in dictionary.value ? dictionary.value[key as MessageKey] : String(value);
  }

  /** Why something could not be had: the gateway's own sentence, where it has no translation. */
  function reason(sentence: string): string {
    const found = language.value === "en" ? null : knownReason(sentence);
    return found === null ? sentence : t(found.key, found.values);
  }

  function use(next: Language): void {
    language.value = next;
    document.documentElement.lang = next;
    try {
      localStorage.setItem(STORAGE_KEY, next);
    } catch {
      // storage is switched off: the choice lasts for this page
    }
  }

  document.documentElement.lang = language.value;
  return { language, t, word, reason, toggle: () => use(language.value === "en" ? "zh-CN" : "en") };
}

function stored(): Language {
  try {
    return localStorage.getItem(STORAGE_KEY) === "en" ? "en" : "zh-CN";
  } catch {
    return "zh-CN";
  }
}
