import { computed, onScopeDispose, ref, watchEffect } from "vue";

export const THEMES = ["dark", "light", "system"] as const;
export type ThemeName = (typeof THEMES)[number];

const STORAGE_KEY = "gateway.theme";

export type Theme = ReturnType<typeof createTheme>;

/**
 * Dark is the control room's, and the one that nobody had to choose: most desks' systems are set to light, and the
 * desk is watched at night. `system` follows the browser. Paper is always light.
 */
export function createTheme() {
  const choice = ref<ThemeName>(stored());
  const systemIsLight = following("(prefers-color-scheme: light)");
  const onPaper = following("print");
  const shown = computed<"dark" | "light">(() => {
    if (onPaper.value) return "light";
    if (choice.value === "system") return systemIsLight.value ? "light" : "dark";
    return choice.value;
  });

  watchEffect(() => {
    document.documentElement.dataset.theme = shown.value;
  }, { flush: "sync" });

  return {
    choice,
    shown,
    use(next: ThemeName): void {
      choice.value = next;
      try {
        localStorage.setItem(STORAGE_KEY, next);
      } catch {
        // storage is switched off: the choice lasts for this page
      }
    },
  };
}

function following(query: string) {
  const media = matchMedia(query);
  const matches = ref(media.matches);
  const follow = () => {
    matches.value = media.matches;
  };
  media.addEventListener("change", follow);
  onScopeDispose(() => media.removeEventListener("change", follow));
  return matches;
}

function stored(): ThemeName {
  try {
    const kept = localStorage.getItem(STORAGE_KEY);
    return THEMES.find((name) => name === kept) ?? "dark";
  } catch {
    return "dark";
  }
}
